-- A wave whose hours passed while nothing could send: it asks a person (docs/control.md, section 2).

ALTER TABLE wave ADD COLUMN asks_since timestamptz,           -- its hours passed while the system was down; a person decides
    ADD COLUMN reopened_by text REFERENCES person;            -- who gave it new hours: may not approve them
GRANT UPDATE (asks_since) ON wave TO {app};

-- When an account last had a living worker, and the times when it had none.
CREATE TABLE account_seen (
    account text PRIMARY KEY REFERENCES account,
    at      timestamptz NOT NULL
);
CREATE TABLE outage (
    account text NOT NULL REFERENCES account,
    since   timestamptz NOT NULL,                 -- -infinity: before its first worker
    until   timestamptz NOT NULL CHECK (until > since)
);
CREATE INDEX ON outage (account, until);
INSERT INTO account_seen SELECT name, now() FROM account;     -- what was before this change is not held against anybody
GRANT SELECT, INSERT, UPDATE (at) ON account_seen TO {app};
GRANT SELECT, INSERT ON outage TO {app};

-- The open hours of a wave, one row a day.
CREATE FUNCTION open_hours(w wave) RETURNS TABLE (since timestamptz, until timestamptz) LANGUAGE sql STABLE AS $$
    SELECT greatest(w.opens_at, (d + w.day_opens) AT TIME ZONE 'Asia/Ho_Chi_Minh'),
        least(w.closes_at, CASE WHEN w.day_closes = '00:00' THEN d + interval '1 day' ELSE d + w.day_closes END
            AT TIME ZONE 'Asia/Ho_Chi_Minh')
    FROM generate_series((w.opens_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date::timestamp,
        (w.closes_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date::timestamp, interval '1 day') AS d
$$;
-- How much of a wave's open hours, since it was started, the worst of its accounts had no worker.
CREATE FUNCTION missed_hours(w wave) RETURNS interval LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(max(missed), '0') FROM (
        SELECT sum(greatest(least(o.until, h.until) - greatest(o.since, h.since, w.started_at), '0')) AS missed
        FROM (SELECT DISTINCT account FROM batch WHERE wave = w.id) b
        LEFT JOIN account_seen s ON s.account = b.account
        CROSS JOIN LATERAL (
            SELECT since, until FROM outage WHERE account = b.account
            UNION ALL SELECT coalesce(s.at, '-infinity'), clock_timestamp()) o
        CROSS JOIN open_hours(w) h
        GROUP BY b.account) x
$$;
-- Whether it is to be asked instead of ended: more than a minute is no restart.
CREATE FUNCTION is_late(w wave) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT w.closes_at <= clock_timestamp() AND w.started_at IS NOT NULL
        AND (w.asks_since IS NOT NULL OR missed_hours(w) > interval '1 min')
$$;

-- The fold of 0008 ends what is not sent once the hours are over; not of a wave that asks: it may go on with new hours.
DO $do$
DECLARE
    was text; became text;
BEGIN
    was := pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'fold' AND pronamespace = 'public'::regnamespace));
    became := replace(was, 'SELECT finished_at IS NOT NULL OR closes_at <= clock_timestamp() INTO over FROM wave',
        'SELECT finished_at IS NOT NULL OR closes_at <= clock_timestamp() AND NOT is_late(wave) INTO over FROM wave');
    IF became = was THEN RAISE EXCEPTION 'the fold is another than this change knows'; END IF;
    EXECUTE became;
END $do$;

-- New hours for a wave that was started once. Nothing else of the plan may change; it is planned again, under another
-- hash: no approval given before counts. The plan names the one before.
CREATE FUNCTION reopen_wave(p_wave bigint, p_plan jsonb, p_hash text, p_person text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    w wave; hours jsonb := p_plan -> 'window';
BEGIN
    SELECT * INTO w FROM wave WHERE id = p_wave FOR UPDATE;
    IF w.started_at IS NULL OR w.finished_at IS NOT NULL OR NOT (w.state = 'paused' AND w.asks_since IS NOT NULL OR w.state = 'planned')
            OR p_plan ->> 'before' IS DISTINCT FROM w.plan_hash OR p_hash = w.plan_hash
            OR p_plan - '{window,before}'::text[] IS DISTINCT FROM w.plan - '{window,before}'::text[]
            OR EXISTS (SELECT FROM send_window WHERE wave = p_wave AND closed IS NULL) THEN
        RAISE EXCEPTION 'wave % cannot be given new hours', p_wave USING ERRCODE = 'check_violation';
    END IF;
    UPDATE wave SET state = 'planned', plan = p_plan, plan_hash = p_hash, reopened_by = p_person, asks_since = NULL,
        stop_seq = stop_seq + 1, state_reason = '',
        opens_at = (hours ->> 'opens')::timestamptz, closes_at = (hours ->> 'closes')::timestamptz,
        day_opens = (hours ->> 'day_opens')::time, day_closes = (hours ->> 'day_closes')::time WHERE id = p_wave;
END $$;
REVOKE ALL ON FUNCTION reopen_wave(bigint, jsonb, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reopen_wave(bigint, jsonb, text, text) TO {app};
-- Whoever gave the new hours may not approve them, whoever writes it.
CREATE FUNCTION refuse_own_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM wave WHERE id = new.wave AND plan_hash = new.plan_hash AND reopened_by = new.person) THEN
        RAISE EXCEPTION 'who gave a wave new hours may not approve them' USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER own_hours BEFORE INSERT ON approval FOR EACH ROW EXECUTE FUNCTION refuse_own_hours();
