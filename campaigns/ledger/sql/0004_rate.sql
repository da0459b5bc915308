-- A licence in shares (docs/ledger.md, section 9): several workers of one account, together never above it.

DELETE FROM share;                                -- they run out within seconds anyway
ALTER TABLE share DROP CONSTRAINT share_pkey, ADD PRIMARY KEY (account, holder),
    ADD COLUMN journal text NOT NULL DEFAULT '',  -- of the worker: who gets its lock may call the worker dead
    ADD COLUMN wants boolean NOT NULL DEFAULT true,        -- has work; an idle worker leaves its part to the others
    ADD COLUMN says jsonb NOT NULL DEFAULT '{}';  -- what the worker tells of itself: for people, nothing depends on it
ALTER TABLE share ADD CHECK (rate >= 0);
ALTER TABLE account ADD COLUMN rate_set double precision CHECK (rate_set > 0);    -- a person's, below the licence
ALTER TABLE account ADD CHECK (rate_set <= licence);
CREATE TABLE sender_rate (                        -- a brandname whose contract says less than its account's
    account text NOT NULL REFERENCES account,
    sender  text NOT NULL,
    rate    double precision NOT NULL CHECK (rate > 0),
    PRIMARY KEY (account, sender)
);
-- A licence that the configuration lowers takes a person's rate down with it.
CREATE FUNCTION lower_rate_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.rate_set >= new.licence THEN new.rate_set := NULL; END IF;
    RETURN new;
END $$;
CREATE TRIGGER rate_within_licence BEFORE UPDATE OF licence ON account FOR EACH ROW EXECUTE FUNCTION lower_rate_set();

-- The last line of defence: nobody's share grows while the sum is above the licence, whoever writes it.
CREATE FUNCTION refuse_share() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    most double precision; held double precision;
BEGIN
    IF TG_OP = 'UPDATE' AND new.rate <= old.rate THEN RETURN NULL; END IF;
    SELECT coalesce(rate_set, licence) INTO most FROM account WHERE name = new.account FOR NO KEY UPDATE;
    SELECT sum(rate) INTO held FROM share WHERE account = new.account;
    IF new.rate > 0 AND held > most * (1 + 1e-9) THEN
        RAISE EXCEPTION 'shares of % would be % segments/s of %', new.account, held, most USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_licence AFTER INSERT OR UPDATE ON share FOR EACH ROW EXECUTE FUNCTION refuse_share();

-- One renewal: what this worker may send from now on. `p_using` is what its own stamps of the last second still show, so
-- a lowered share is handed on only when it is truly no longer used; the row holds the larger of the two. A share that
-- ran out counts for one second more. The account's row is the lock: other accounts are untouched.
CREATE FUNCTION hold_share(
    p_account text, p_holder bigint, p_journal text, p_using double precision, p_wants boolean, p_seconds double precision,
    p_says jsonb, OUT granted double precision, OUT most double precision, OUT senders jsonb, OUT asks boolean, OUT short boolean,
    OUT peers text[]
) LANGUAGE plpgsql AS $$
DECLARE
    now_at timestamptz; mine share; others double precision; n integer; any_wants boolean; target double precision; was double precision;
BEGIN
    SELECT coalesce(a.rate_set, a.licence) INTO most FROM account a WHERE a.name = p_account FOR NO KEY UPDATE;
    now_at := clock_timestamp();
    DELETE FROM share s WHERE s.account = p_account AND s.until < now_at - interval '1 s';
    SELECT * INTO mine FROM share s WHERE s.account = p_account AND s.holder = p_holder;
    SELECT coalesce(sum(s.rate), 0), coalesce(bool_or(s.wants) FILTER (WHERE s.until > now_at), false)
        INTO others, any_wants FROM share s WHERE s.account = p_account AND s.holder <> p_holder;
    any_wants := any_wants OR p_wants;
    SELECT count(*) INTO n FROM share s WHERE s.account = p_account AND s.holder <> p_holder AND s.until > now_at
        AND (s.wants OR NOT any_wants);
    was := coalesce(mine.rate, 0);
    target := CASE WHEN p_wants OR NOT any_wants THEN most / (n + 1) ELSE 0 END;
    granted := least(target, greatest(was, most - others, 0));      -- to go down needs no room
    IF granted < most * 1e-6 THEN granted := 0; END IF;
    short := granted < target * (1 - 1e-9);
    INSERT INTO share (account, holder, rate, until, journal, wants, says)
        VALUES (p_account, p_holder, granted, now_at + make_interval(secs => p_seconds), p_journal, p_wants, p_says)
        ON CONFLICT (account, holder) DO UPDATE SET until = excluded.until, wants = excluded.wants, says = excluded.says,
            rate = greatest(excluded.rate, least(p_using, share.rate));
    SELECT coalesce(jsonb_object_agg(r.sender, r.rate), '{}') INTO senders FROM sender_rate r WHERE r.account = p_account;
    SELECT NOT EXISTS (SELECT FROM share s WHERE s.account = p_account AND s.rate > 0 AND s.until > now_at
        AND s.holder < p_holder) AND granted > 0 INTO asks;
    SELECT coalesce(array_agg(s.journal) FILTER (WHERE s.until > now_at AND s.journal <> ''), '{}') INTO peers
        FROM share s WHERE s.account = p_account AND s.holder <> p_holder;
    IF cardinality(peers) > 0
            AND (mine IS NULL OR mine.wants <> p_wants OR granted < was OR least(p_using, was) < was) THEN
        PERFORM pg_notify('dispatcher', json_build_object('share', p_account)::text);       -- somebody waits for room
    END IF;
END $$;

GRANT SELECT, INSERT, UPDATE (rate), DELETE ON sender_rate TO {app};
GRANT UPDATE (journal, wants, says) ON share TO {app};
GRANT UPDATE (rate_set) ON account TO {app};
