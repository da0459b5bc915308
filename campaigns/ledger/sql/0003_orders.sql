-- Carrier orders: what the province asks the carriers to send, and what they report. {order_guard} is generated from
-- campaigns/order.py. The program's role inserts and reads; it changes nothing of what was recorded.

CREATE TYPE order_state AS ENUM
    ('drafted', 'approved', 'issued', 'acknowledged', 'running', 'returned', 'accepted', 'cancelled');

CREATE TABLE carrier_order (
    id            bigint PRIMARY KEY,            -- random 63 bit
    campaign      text NOT NULL,
    version       integer NOT NULL,
    carrier       smallint NOT NULL REFERENCES carrier,
    author        text NOT NULL REFERENCES person,
    state         order_state NOT NULL DEFAULT 'drafted',   -- moved by order_event's trigger only
    plan          jsonb NOT NULL,                -- RFC 8785 text of what was approved
    plan_hash     text NOT NULL CHECK (plan_hash ~ '^[0-9a-f]{64}$'),
    approvals_due smallint NOT NULL CHECK (approvals_due > 0),
    deadline      date NOT NULL,
    drafted_at    timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (campaign, version) REFERENCES campaign,
    CHECK (deadline = (plan ->> 'deadline')::date)
);
CREATE UNIQUE INDEX ON carrier_order (plan_hash) WHERE state <> 'cancelled';   -- the same draft twice is one order
CREATE TABLE order_approval (
    order_id  bigint NOT NULL REFERENCES carrier_order,
    plan_hash text NOT NULL,
    person    text NOT NULL REFERENCES person,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, plan_hash, person)
);

-- Files that came with an order, whole or cut off; they lie sealed in the data folder under their SHA-256.
CREATE TABLE kept_file (
    order_id bigint NOT NULL REFERENCES carrier_order,
    sha256   text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    name     text NOT NULL,                      -- as its sender called it
    bytes    bigint NOT NULL CHECK (bytes >= 0),
    whole    boolean NOT NULL,
    person   text NOT NULL,
    origin   text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, sha256)
);

-- What was reported, one version after another; a correction is a new version.
CREATE TABLE order_return (
    order_id    bigint NOT NULL REFERENCES carrier_order,
    version     smallint NOT NULL CHECK (version > 0),
    digest      text NOT NULL,
    document    text NOT NULL,
    method      text NOT NULL,
    total       jsonb NOT NULL,
    way         text NOT NULL CHECK (way IN ('typed', 'xlsx', 'csv', 'link', 'api')),
    person      text NOT NULL,                   -- a login, or the carrier's engineer by the serial of the code
    origin      text NOT NULL,                   -- address or machine it came from
    source      text,                            -- the table's file
    evidence    text,                            -- the carrier's signed paper
    notes       jsonb NOT NULL,                  -- how cells were read
    checks      jsonb NOT NULL,                  -- every rule's verdict on the day it came
    failed      smallint NOT NULL CHECK (failed >= 0),
    received_on date NOT NULL,                   -- as the person says who typed a paper in; else the day of received_at
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, version),
    UNIQUE (order_id, digest),
    FOREIGN KEY (order_id, source) REFERENCES kept_file,
    FOREIGN KEY (order_id, evidence) REFERENCES kept_file
);
CREATE TABLE order_return_row (
    order_id    bigint NOT NULL,
    version     smallint NOT NULL,
    place       integer NOT NULL,
    wave        smallint NOT NULL,
    day         date,
    unit        text NOT NULL,
    subscribers bigint NOT NULL CHECK (subscribers >= 0),
    messages    bigint NOT NULL CHECK (messages >= 0),
    segments    bigint NOT NULL CHECK (segments >= 0),
    delivered   bigint CHECK (delivered >= 0),
    unreachable bigint CHECK (unreachable >= 0),
    barred      bigint CHECK (barred >= 0),
    system      bigint CHECK (system >= 0),
    other       bigint CHECK (other >= 0),
    PRIMARY KEY (order_id, version, place),
    FOREIGN KEY (order_id, version) REFERENCES order_return
);

-- The code that a carrier's engineer types: 100 random bits of ours, of which only the digest is here.
CREATE TABLE order_code (
    order_id   bigint NOT NULL REFERENCES carrier_order,
    serial     smallint NOT NULL CHECK (serial > 0),
    digest     bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    made_by    text NOT NULL REFERENCES person,
    made_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (order_id, serial)
);

-- Every step of an order's life. Inserting one is the only way to another state.
CREATE TABLE order_event (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES carrier_order,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    person   text NOT NULL,
    act      text NOT NULL,
    state    order_state NOT NULL,
    evidence text,
    details  jsonb NOT NULL,
    FOREIGN KEY (order_id, evidence) REFERENCES kept_file
);
CREATE INDEX ON order_event (order_id, id);

CREATE FUNCTION move_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    o carrier_order; was order_state; latest order_return;
BEGIN
    SELECT * INTO o FROM carrier_order WHERE id = new.order_id FOR UPDATE;
    was := o.state;
    IF {order_guard} THEN
        RAISE EXCEPTION 'order % may not go from state % to %', new.order_id, was, new.state USING ERRCODE = 'check_violation';
    END IF;
    IF was = new.state THEN RETURN new; END IF;
    IF new.state = 'approved' AND (SELECT count(*) FROM order_approval a WHERE a.order_id = o.id
            AND a.plan_hash = o.plan_hash AND a.person <> o.author) < o.approvals_due THEN
        RAISE EXCEPTION 'order % lacks an approval of its plan by another person', o.id USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO latest FROM order_return r WHERE r.order_id = o.id ORDER BY r.version DESC LIMIT 1;
    IF new.state IN ('returned', 'accepted') AND latest IS NULL THEN
        RAISE EXCEPTION 'order % has no return', o.id USING ERRCODE = 'check_violation';
    END IF;
    IF new.state = 'accepted' AND latest.failed > 0 AND coalesce(new.details ->> 'note', '') = '' THEN
        RAISE EXCEPTION 'the return of order % has failed checks: a note is needed', o.id USING ERRCODE = 'check_violation';
    END IF;
    UPDATE carrier_order SET state = new.state WHERE id = o.id;
    RETURN new;
END $$;
CREATE TRIGGER moves BEFORE INSERT ON order_event FOR EACH ROW EXECUTE FUNCTION move_order();
CREATE FUNCTION refuse_late_return() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was order_state;
BEGIN
    SELECT state INTO was FROM carrier_order WHERE id = new.order_id FOR UPDATE;   -- an acceptance waits, or has been
    IF was NOT IN ('issued', 'acknowledged', 'running', 'returned') THEN
        RAISE EXCEPTION 'order % is %: it takes no return', new.order_id, was USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER open BEFORE INSERT ON order_return FOR EACH ROW EXECUTE FUNCTION refuse_late_return();

GRANT SELECT, INSERT ON order_approval, kept_file, order_return, order_return_row, order_code, order_event TO {app};
GRANT SELECT, INSERT (id, campaign, version, carrier, author, plan, plan_hash, approvals_due, deadline) ON carrier_order TO {app};
GRANT UPDATE (revoked_at) ON order_code TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
REVOKE ALL ON FUNCTION move_order(), refuse_late_return() FROM PUBLIC;
