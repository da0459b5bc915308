-- The ledger's first schema. Run by the owner role; {app} is the role of the program, which owns nothing.
-- Sections named below are those of docs/ledger.md.

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TYPE batch_kind AS ENUM ('first', 'retry');
CREATE TYPE wave_state AS ENUM ('planned', 'running', 'paused', 'cancelled', 'finished');
CREATE TYPE log_kind AS ENUM ('answer', 'receipt', 'look-up', 'closed');

-- One row: what this database is. `incarnation` also lies in a file beside the journals (section 6).
CREATE TABLE installation (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    rehearsal     boolean NOT NULL,
    incarnation   bigint  NOT NULL,
    locked_reason text    NOT NULL DEFAULT ''    -- not empty: T1 accepts nothing
);

-- Persons and their keys (section 13). A key is 32 random bytes; only its SHA-256 is kept.
CREATE TABLE person (
    login       text PRIMARY KEY CHECK (login ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
    name        text NOT NULL,
    roles       text[] NOT NULL CHECK (roles <@ ARRAY['officer','approver','engineer','auditor','operator']),
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);
CREATE TABLE person_key (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person      text NOT NULL REFERENCES person,
    digest      bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    scopes      text[] NOT NULL CHECK (scopes <@ ARRAY['read','write','approve','export','admin']),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

CREATE TABLE campaign (
    id         text NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    definition jsonb NOT NULL,
    digest     text NOT NULL,
    author     text NOT NULL REFERENCES person,
    loaded_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, version),
    UNIQUE (id, digest)                          -- loading the same file twice makes nothing twice
);

-- Small integers for what stands on every message.
CREATE TABLE carrier (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE account (
    name      text PRIMARY KEY,
    provider  text NOT NULL,
    simulated boolean NOT NULL,
    enabled   boolean NOT NULL,
    licence   double precision NOT NULL CHECK (licence > 0)   -- segments a second
);

-- An audience: accepted rows of one or more files; the numbers themselves only sealed (section 11).
CREATE TABLE audience (
    id         bigint PRIMARY KEY,
    campaign   text NOT NULL,
    name       text NOT NULL,
    author     text NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT now(),
    frozen_at  timestamptz,
    root       text NOT NULL DEFAULT ''          -- digest over (carrier, number_hash) in row order, set when frozen
);
CREATE TABLE audience_file (
    audience   bigint NOT NULL REFERENCES audience,
    file       smallint NOT NULL,
    name       text NOT NULL,
    digest     text NOT NULL,
    complete   boolean NOT NULL DEFAULT false,
    rows       integer NOT NULL DEFAULT 0,
    accepted   integer NOT NULL DEFAULT 0,
    duplicate  integer NOT NULL DEFAULT 0,
    invalid    integer NOT NULL DEFAULT 0,
    landline   integer NOT NULL DEFAULT 0,
    "foreign"  integer NOT NULL DEFAULT 0,
    suppressed integer NOT NULL DEFAULT 0,
    capped     integer NOT NULL DEFAULT 0,
    PRIMARY KEY (audience, file),
    UNIQUE (audience, digest),                   -- the same file twice adds nothing
    CHECK (rows = accepted + duplicate + invalid + landline + "foreign" + suppressed + capped)
);
CREATE TABLE audience_row (
    audience    bigint NOT NULL,
    file        smallint NOT NULL,
    line        integer NOT NULL,
    carrier     smallint NOT NULL REFERENCES carrier,
    unit        integer NOT NULL,
    number_hash bytea NOT NULL,
    UNIQUE (audience, number_hash)               -- one person once, whatever the file says
);
CREATE INDEX ON audience_row (audience, file, line);
CREATE TABLE audience_verdict (                   -- rows that were not accepted
    audience bigint NOT NULL,
    file     smallint NOT NULL,
    line     integer NOT NULL,
    verdict  text NOT NULL,
    reason   text NOT NULL,
    PRIMARY KEY (audience, file, line)
);
CREATE TABLE audience_block (
    audience   bigint NOT NULL,
    file       smallint NOT NULL,
    block      integer NOT NULL,
    nonce      bytea NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (audience, file, block)
);
-- People who must not be texted, by the installation's hash (compares across campaigns).
CREATE TABLE suppression (
    number_hash bytea PRIMARY KEY,
    source      text NOT NULL,
    person      text NOT NULL REFERENCES person,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE wave (
    id             bigint PRIMARY KEY,           -- random 63 bit
    campaign       text NOT NULL,
    version        integer NOT NULL,
    no             smallint NOT NULL,
    name           text NOT NULL,
    rehearsal      boolean NOT NULL,
    audience       bigint NOT NULL REFERENCES audience,
    author         text NOT NULL REFERENCES person,
    state          wave_state NOT NULL DEFAULT 'planned',
    state_reason   text NOT NULL DEFAULT '',
    stop_seq       bigint NOT NULL DEFAULT 0,    -- raised by each pause, resume, cancel
    plan           jsonb NOT NULL,               -- RFC 8785 text of what was approved
    plan_hash      text NOT NULL,
    approvals_due  smallint NOT NULL CHECK (approvals_due > 0),
    n              integer NOT NULL,             -- messages
    batch_size     integer NOT NULL CHECK (batch_size > 0),
    opens_at       timestamptz NOT NULL,
    closes_at      timestamptz NOT NULL CHECK (closes_at > opens_at),
    day_opens      time NOT NULL,                 -- local hours of each day between the two; 00:00 to 00:00 = all day
    day_closes     time NOT NULL,
    cool_down      interval NOT NULL,
    text           text,                          -- set at start from the approver's choice; never changed after
    text_sha256    text,
    choice         text,
    planned_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    CHECK (text IS NULL OR coalesce(text = plan -> 'texts' -> choice ->> 'text'
        AND text_sha256 = plan -> 'texts' -> choice ->> 'sha256', false)),        -- only a planned text can be sent
    FOREIGN KEY (campaign, version) REFERENCES campaign
);
-- Figures that the fold adds to; apart from wave, whose row T1 holds for a moment at each window.
CREATE TABLE wave_tally (
    wave           bigint PRIMARY KEY REFERENCES wave,
    contradictions bigint NOT NULL DEFAULT 0,
    receipts       bigint NOT NULL DEFAULT 0,
    repeats        bigint NOT NULL DEFAULT 0
);
CREATE FUNCTION refuse_new_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the text of wave % is approved and may not change', old.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER text_lock BEFORE UPDATE OF text, text_sha256, choice ON wave FOR EACH ROW
    WHEN (old.text IS NOT NULL AND (new.text, new.text_sha256, new.choice) IS DISTINCT FROM (old.text, old.text_sha256, old.choice))
    EXECUTE FUNCTION refuse_new_text();
CREATE TABLE approval (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wave      bigint NOT NULL REFERENCES wave,
    plan_hash text NOT NULL,
    person    text NOT NULL REFERENCES person,
    choice    text NOT NULL CHECK (choice IN ('verbatim', 'corrected')),
    reason    text NOT NULL,
    typed     integer NOT NULL,                   -- the recipient count the approver typed
    at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (wave, plan_hash, person)
);

-- First-pass batches cannot overlap: lo comes from seq. A retry batch counts its own items from 0.
CREATE TABLE batch (
    wave        bigint NOT NULL REFERENCES wave,
    kind        batch_kind NOT NULL,
    seq         integer NOT NULL CHECK (seq >= 0),
    account     text NOT NULL REFERENCES account,
    carrier     smallint NOT NULL REFERENCES carrier,   -- one carrier a batch: it decides the sender's name
    size        integer NOT NULL CHECK (size > 0),
    lo          integer NOT NULL GENERATED ALWAYS AS (CASE kind WHEN 'first' THEN seq * size ELSE 0 END) STORED,
    hi          integer NOT NULL,
    cursor      integer NOT NULL,
    epoch       integer NOT NULL DEFAULT 0,
    lease_token bigint,
    lease_until timestamptz,
    not_before  timestamptz NOT NULL DEFAULT '-infinity',
    stalls      smallint NOT NULL DEFAULT 0,
    class       text NOT NULL DEFAULT '',         -- of a retry batch: why its messages come again
    PRIMARY KEY (wave, kind, seq),
    CHECK (lo <= cursor AND cursor <= hi AND hi <= lo + size),
    EXCLUDE USING gist (wave WITH =, int4range(lo, hi) WITH &&) WHERE (kind = 'first')   -- whatever sizes are written
);
CREATE FUNCTION refuse_new_range() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the range of first batch % is planned and may not change', old.seq USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER range_lock BEFORE UPDATE OF size, hi ON batch FOR EACH ROW
    WHEN (old.kind = 'first' AND (new.size, new.hi) IS DISTINCT FROM (old.size, old.hi)) EXECUTE FUNCTION refuse_new_range();
CREATE INDEX batch_due ON batch (account, not_before) WHERE cursor < hi;

-- The intent: one row is the intent of every index in [lo, hi) that skip does not name (section 2).
CREATE TABLE send_window (
    id      bigint PRIMARY KEY,                   -- random 63 bit
    wave    bigint NOT NULL,
    kind    batch_kind NOT NULL,
    batch   integer NOT NULL,
    epoch   integer NOT NULL,
    lo      integer NOT NULL,
    hi      integer NOT NULL CHECK (hi > lo),
    skip    bytea NOT NULL,                       -- bitmap of suppressed indexes, empty = none
    account text NOT NULL,
    journal text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    closed  timestamptz,
    FOREIGN KEY (wave, kind, batch) REFERENCES batch,
    EXCLUDE USING gist (wave WITH =, kind WITH =, batch WITH =, int4range(lo, hi) WITH &&)
);
CREATE INDEX send_window_open ON send_window (wave) WHERE closed IS NULL;

-- Attempt k+1 exists only as a row here, inserted by the fold that found attempt k closed as not sent or deferred.
CREATE TABLE retry_item (
    wave       bigint NOT NULL,
    batch      integer NOT NULL,
    idx        integer NOT NULL,
    message_no integer NOT NULL,
    attempt    smallint NOT NULL CHECK (attempt > 1),
    PRIMARY KEY (wave, batch, idx),
    UNIQUE (wave, message_no, attempt)
);
CREATE TABLE chunk (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wave   bigint NOT NULL,
    at     timestamptz NOT NULL DEFAULT now(),
    folded boolean NOT NULL DEFAULT false
);
CREATE INDEX chunk_unfolded ON chunk (wave, id) WHERE NOT folded;
CREATE TABLE number_block (
    wave       bigint NOT NULL,
    block      integer NOT NULL,                  -- message_no / 1000
    nonce      bytea NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (wave, block)
);
-- Live counts, moved only by planning and by the fold, in their transactions.
CREATE TABLE wave_count (
    wave    bigint NOT NULL,
    carrier smallint NOT NULL,
    unit    integer NOT NULL,
    state   smallint NOT NULL,
    n       bigint NOT NULL CHECK (n >= 0),
    PRIMARY KEY (wave, carrier, unit, state)
) WITH (fillfactor = 50);
-- People of this wave who asked, after planning, never to be texted: read by T1.
CREATE TABLE wave_skip (
    wave       bigint NOT NULL,
    message_no integer NOT NULL,
    PRIMARY KEY (wave, message_no)
);
-- Which worker may use an account's licence, and until when (section 9; one holder for now).
CREATE TABLE share (
    account text PRIMARY KEY REFERENCES account,
    holder  bigint NOT NULL,
    rate    double precision NOT NULL,
    until   timestamptz NOT NULL
);

-- Receipts as they came, sealed; by day, not by wave: an unknown receipt has no wave (section 7).
CREATE TABLE inbox (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    account     text NOT NULL,
    raw         bytea NOT NULL,
    received_at timestamptz NOT NULL,
    verdict     text NOT NULL                     -- matched | unknown | unreadable | ignored | late-matched
) PARTITION BY RANGE (received_at);
CREATE TABLE journal (                            -- sealed and imported, never read again
    name        text PRIMARY KEY,
    imported_at timestamptz NOT NULL DEFAULT now(),
    windows     integer NOT NULL,
    uncertain   integer NOT NULL
);
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    person  text NOT NULL,
    act     text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL
);

-- The tables of one wave, made by the owner on the program's request.
CREATE FUNCTION open_wave(p_wave bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF p_wave <= 0 THEN
        RAISE EXCEPTION 'open_wave: bad argument';
    END IF;
    EXECUTE format('CREATE TABLE message_%s (
        no          integer PRIMARY KEY,
        unit        integer NOT NULL,
        carrier     smallint NOT NULL,
        state       smallint NOT NULL DEFAULT 0,
        attempt     smallint NOT NULL DEFAULT 1,
        tries       smallint NOT NULL DEFAULT 0,
        number_hash bytea NOT NULL
    ) WITH (fillfactor = 50)', p_wave);
    EXECUTE format('CREATE TABLE log_%s (
        chunk         bigint NOT NULL,
        "window"      bigint NOT NULL,
        idx           integer NOT NULL,
        kind          log_kind NOT NULL,
        outcome       smallint NOT NULL,
        provider_code text NOT NULL,
        provider_ref  text NOT NULL,
        at            timestamptz NOT NULL DEFAULT now()
    )', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s (chunk)', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s (provider_ref) WHERE kind = ''answer'' AND provider_ref <> ''''', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s ("window")', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s ("window", idx) WHERE outcome = 1', p_wave);
    EXECUTE format('CREATE TRIGGER legal BEFORE UPDATE OF state ON message_%s FOR EACH ROW
        WHEN ({guard}) EXECUTE FUNCTION refuse_transition()', p_wave);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE (state, attempt, tries) ON message_%s TO {app}', p_wave);
    EXECUTE format('GRANT SELECT, INSERT ON log_%s TO {app}', p_wave);
END $$;
-- After planning's COPY: the unique key (one person once in a wave), and the statistics that the fold's plan needs.
CREATE FUNCTION seal_wave(p_wave bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE message_%s ADD UNIQUE (number_hash)', p_wave);
    EXECUTE format('REVOKE INSERT ON message_%s FROM {app}', p_wave);
    EXECUTE format('ANALYZE message_%s', p_wave);
END $$;
CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'message % may not go from state % to %', old.no, old.state, new.state USING ERRCODE = 'check_violation';
END $$;
CREATE FUNCTION open_inbox_day(p_day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TABLE IF NOT EXISTS inbox_%s PARTITION OF inbox FOR VALUES FROM (%L) TO (%L)',
        to_char(p_day, 'YYYYMMDD'), p_day::timestamptz, (p_day + 1)::timestamptz);
    EXECUTE format('CREATE INDEX IF NOT EXISTS inbox_%s_unknown ON inbox_%s (id) WHERE verdict = ''unknown''',
        to_char(p_day, 'YYYYMMDD'), to_char(p_day, 'YYYYMMDD'));
END $$;

-- The end of the hours that are open now, in the province's time; NULL when no provider call may start.
CREATE FUNCTION hours_end(p_opens timestamptz, p_closes timestamptz, p_day_opens time, p_day_closes time)
RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN now_at < p_opens OR now_at >= p_closes OR local::time < p_day_opens THEN NULL
        WHEN p_day_closes = '00:00' THEN p_closes
        WHEN local::time >= p_day_closes THEN NULL
        ELSE least(p_closes, (local::date + p_day_closes) AT TIME ZONE 'Asia/Ho_Chi_Minh') END
    FROM (SELECT now_at, now_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS local FROM (SELECT clock_timestamp() AS now_at) x) y
$$;
-- T1 (section 2): the one way to a window. Returns 'ok' or the reason why nothing may be sent.
CREATE FUNCTION take_window(
    p_wave bigint, p_kind batch_kind, p_seq integer, p_token bigint, p_lo integer, p_want integer,
    p_id bigint, p_journal text, p_incarnation bigint, p_plan_hash text, p_stop_seq bigint,
    OUT verdict text, OUT taken_to integer, OUT skipped bytea
) LANGUAGE plpgsql STRICT AS $$                                -- nothing known is never a yes
DECLARE
    b batch; w wave; i installation; a account;
BEGIN
    SELECT * INTO b FROM batch WHERE wave = p_wave AND kind = p_kind AND seq = p_seq FOR UPDATE;
    SELECT * INTO w FROM wave WHERE id = p_wave FOR SHARE;       -- a pause waits for us, we wait for a pause
    SELECT * INTO i FROM installation;
    SELECT * INTO a FROM account WHERE name = b.account;
    verdict := CASE
        WHEN b IS NULL OR w IS NULL OR a IS NULL THEN 'gone'
        WHEN i.incarnation <> p_incarnation THEN 'incarnation'
        WHEN i.locked_reason <> '' THEN 'locked'
        WHEN b.lease_token IS DISTINCT FROM p_token OR b.lease_until IS NULL OR b.lease_until <= clock_timestamp() THEN 'lease'
        WHEN w.state <> 'running' THEN 'stopped'
        WHEN w.stop_seq <> p_stop_seq THEN 'stop_seq'
        WHEN w.plan_hash <> p_plan_hash THEN 'plan'
        WHEN hours_end(w.opens_at, w.closes_at, w.day_opens, w.day_closes) IS NULL THEN 'hours'
        WHEN w.rehearsal <> a.simulated OR w.rehearsal <> i.rehearsal THEN 'rehearsal'
        WHEN NOT a.enabled THEN 'account'
        WHEN b.not_before > clock_timestamp() THEN 'early'
        WHEN b.cursor <> p_lo OR p_lo >= b.hi THEN 'cursor'
        WHEN (SELECT count(*) FROM approval ap WHERE ap.wave = w.id AND ap.plan_hash = w.plan_hash
                AND ap.choice = w.choice AND ap.person <> w.author
                AND ap.at + w.cool_down <= clock_timestamp()) < w.approvals_due THEN 'approval'
        ELSE 'ok' END;
    IF verdict <> 'ok' THEN RETURN; END IF;
    taken_to := least(p_lo + p_want, b.hi);
    skipped := skip_bitmap(p_wave, p_kind, p_seq, p_lo, taken_to);
    UPDATE batch SET cursor = taken_to, stalls = 0 WHERE wave = p_wave AND kind = p_kind AND seq = p_seq;
    INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)
        VALUES (p_id, p_wave, p_kind, p_seq, b.epoch, p_lo, taken_to, skipped, b.account, p_journal);
END $$;
-- Which indexes of [lo, hi) must not leave: bit i - lo of the answer; empty when none (the common case).
CREATE FUNCTION skip_bitmap(p_wave bigint, p_kind batch_kind, p_seq integer, p_lo integer, p_hi integer)
RETURNS bytea LANGUAGE plpgsql STABLE AS $$
DECLARE
    found integer[]; map bytea := ''; i integer;
BEGIN
    IF p_kind = 'first' THEN
        SELECT array_agg(message_no - p_lo) INTO found FROM wave_skip
            WHERE wave = p_wave AND message_no >= p_lo AND message_no < p_hi;
    ELSE
        -- also whom a late receipt has shown as reached since: a retry is for messages that wait, of this very attempt
        EXECUTE format('SELECT array_agg(r.idx - $1) FROM retry_item r JOIN message_%s m ON m.no = r.message_no
            WHERE r.wave = $2 AND r.batch = $3 AND r.idx >= $1 AND r.idx < $4 AND (m.state <> 0 OR m.attempt <> r.attempt
            OR EXISTS (SELECT FROM wave_skip s WHERE s.wave = r.wave AND s.message_no = r.message_no))', p_wave)
            INTO found USING p_lo, p_wave, p_seq, p_hi;
    END IF;
    IF found IS NULL THEN RETURN map; END IF;
    map := decode(repeat('00', (p_hi - p_lo + 7) / 8), 'hex');
    FOREACH i IN ARRAY found LOOP map := set_bit(map, i, 1); END LOOP;
    RETURN map;
END $$;

-- What the program may do. No DDL; no change of what was recorded, beyond the columns named here.
GRANT USAGE ON SCHEMA public TO {app};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {app};
GRANT INSERT ON person, person_key, campaign, carrier, account, audience, audience_file, audience_row, audience_verdict,
    audience_block, suppression, wave, approval, batch, send_window, retry_item, chunk, number_block, wave_count,
    wave_tally, wave_skip, share, inbox, journal, audit TO {app};
GRANT UPDATE (incarnation, locked_reason) ON installation TO {app};
GRANT UPDATE (name, roles, disabled_at) ON person TO {app};
GRANT UPDATE (revoked_at) ON person_key TO {app};
GRANT UPDATE (provider, simulated, enabled, licence) ON account TO {app};
GRANT UPDATE (frozen_at, root) ON audience TO {app};
GRANT UPDATE (complete, rows, accepted, duplicate, invalid, landline, "foreign", suppressed, capped) ON audience_file TO {app};
GRANT UPDATE (state, state_reason, stop_seq, text, text_sha256, choice, started_at, finished_at) ON wave TO {app};
GRANT UPDATE (contradictions, receipts, repeats) ON wave_tally TO {app};
GRANT UPDATE (hi, size, cursor, epoch, lease_token, lease_until, not_before, stalls) ON batch TO {app};
GRANT UPDATE (closed) ON send_window TO {app};
GRANT UPDATE (folded) ON chunk TO {app};
GRANT UPDATE (n) ON wave_count TO {app};
GRANT UPDATE (holder, rate, until), DELETE ON share TO {app};
GRANT UPDATE (verdict) ON inbox TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
REVOKE ALL ON FUNCTION open_wave(bigint), seal_wave(bigint), open_inbox_day(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_wave(bigint), seal_wave(bigint), open_inbox_day(date) TO {app};
