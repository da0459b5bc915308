-- Ceilings of a wave in messages, segments and dong, whole and a day (docs/control.md, section 5). They stand in the
-- approved plan: "budget": {"wave": {"messages": n, ...}, "day": {...}, "prices": {carrier: dong a segment}}.

-- What a wave had spent of its budget when its day began, in the province's time; written by the first intent of the day.
CREATE TABLE budget_day (
    wave    bigint NOT NULL REFERENCES wave,
    day     date NOT NULL,
    carrier smallint NOT NULL REFERENCES carrier,
    base    bigint NOT NULL,
    PRIMARY KEY (wave, day, carrier)
);
-- Other ceilings for an approved wave: one person asks, an approver who is neither that one nor the author agrees.
CREATE TABLE budget_change (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wave      bigint NOT NULL REFERENCES wave,
    plan_hash text NOT NULL,
    ceilings  jsonb NOT NULL,                     -- {"wave": {...}, "day": {...}}: whole, in place of the plan's
    asked_by  text NOT NULL REFERENCES person,
    asked_why text NOT NULL,
    asked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    agreed_by text REFERENCES person,
    agreed_at timestamptz,
    CHECK ((agreed_by IS NULL) = (agreed_at IS NULL)),
    CHECK (agreed_by IS NULL OR agreed_by <> asked_by)
);
CREATE INDEX ON budget_change (wave, id);

-- The ceilings in force; NULL: none. A change counts only as an approval does.
CREATE FUNCTION budget_of(p_wave bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT w.plan -> 'budget' || coalesce((SELECT c.ceilings FROM budget_change c WHERE c.wave = w.id
        AND c.plan_hash = w.plan_hash AND c.agreed_by <> w.author ORDER BY c.agreed_at DESC LIMIT 1), '{}')
    FROM wave w WHERE w.id = p_wave
$$;
-- By carrier: messages of which an intent stands and that were not proved to be untaken, of all days and of today, and
-- how many still may come back. Of a message that a restore found made twice a retry may wait, so it is missing here.
-- Reads the wave_count and batch rows of the wave whole, as status does, and no message.
CREATE FUNCTION budget_used(p_wave bigint)
RETURNS TABLE (carrier smallint, whole bigint, today bigint, open bigint, waiting bigint) LANGUAGE sql VOLATILE AS $$
    SELECT c.carrier, c.spent - coalesce(r.n, 0), c.spent - coalesce(r.n, 0) - coalesce(d.base, c.spent - coalesce(r.n, 0)),
        greatest(0, c.queued - coalesce(r.n, 0)), coalesce(r.n, 0)
    FROM (SELECT carrier, coalesce(sum(n) FILTER (WHERE state NOT IN (4, 8, 9, 10)), 0)::bigint AS spent,
            coalesce(sum(n) FILTER (WHERE state = 0), 0)::bigint AS queued FROM wave_count WHERE wave = p_wave GROUP BY carrier) c
        LEFT JOIN (SELECT carrier, sum(hi - cursor)::bigint AS n FROM batch WHERE wave = p_wave GROUP BY carrier) r USING (carrier)
        LEFT JOIN budget_day d ON d.wave = p_wave AND d.carrier = c.carrier
            AND d.day = (clock_timestamp() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
$$;
-- Each ceiling with what is used of it.
CREATE FUNCTION budget_lines(p_wave bigint) RETURNS TABLE (scope text, unit text, ceiling bigint, used bigint)
LANGUAGE sql VOLATILE AS $$
    WITH b AS (SELECT budget_of(p_wave) AS of), s AS (
        SELECT coalesce((plan -> 'texts' -> choice ->> 'segments')::bigint,
            (SELECT max((t.value ->> 'segments')::bigint) FROM jsonb_each(plan -> 'texts') t)) AS n FROM wave WHERE id = p_wave
    ), u AS (
        SELECT sum(u.whole)::bigint AS whole, sum(u.today)::bigint AS today,
            sum(u.whole * (b.of -> 'prices' ->> c.name)::bigint)::bigint AS whole_dong,
            sum(u.today * (b.of -> 'prices' ->> c.name)::bigint)::bigint AS today_dong
        FROM b, budget_used(p_wave) u JOIN carrier c ON c.id = u.carrier
    )
    SELECT scope.key, unit.key, unit.value::bigint, coalesce(CASE scope.key || ' ' || unit.key
        WHEN 'wave messages' THEN u.whole WHEN 'wave segments' THEN u.whole * s.n WHEN 'wave dong' THEN u.whole_dong * s.n
        WHEN 'day messages' THEN u.today WHEN 'day segments' THEN u.today * s.n WHEN 'day dong' THEN u.today_dong * s.n END, 0)
    FROM b, s, u, jsonb_each(b.of - 'prices') scope, jsonb_each_text(scope.value) unit
    WHERE b.of IS NOT NULL ORDER BY 1 DESC, 2
$$;
-- How many more messages of a carrier the budget allows; NULL: no budget. Waves with one take their intents in turn.
-- p_taken: what this very transaction has taken; it is of today, also where nobody asked before.
CREATE FUNCTION budget_room(p_wave bigint, p_carrier smallint, p_taken integer DEFAULT 0) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    local_day date := (clock_timestamp() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date; found bigint;
BEGIN
    IF (SELECT plan -> 'budget' FROM wave WHERE id = p_wave) IS NULL THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(20240731, hashint8(p_wave));
    IF NOT EXISTS (SELECT FROM budget_day WHERE wave = p_wave AND day = local_day) THEN
        INSERT INTO budget_day SELECT p_wave, local_day, u.carrier, u.whole - CASE u.carrier WHEN p_carrier THEN p_taken ELSE 0 END
            FROM budget_used(p_wave) u ON CONFLICT DO NOTHING;
    END IF;
    SELECT min(floor((l.ceiling - l.used)::numeric / nullif(CASE l.unit WHEN 'messages' THEN 1
        WHEN 'segments' THEN s.n ELSE s.n * (w.plan -> 'budget' -> 'prices' ->> c.name)::bigint END, 0)))::bigint INTO found
    FROM budget_lines(p_wave) l, wave w, carrier c,
        LATERAL (SELECT (w.plan -> 'texts' -> w.choice ->> 'segments')::bigint AS n) s
    WHERE w.id = p_wave AND c.id = p_carrier;
    RETURN found;
END $$;
-- Pause a wave whose budget leaves no room, once nothing of it can come back: true when it was paused now.
CREATE FUNCTION budget_reached(p_wave bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    said text; left_over bigint;
BEGIN
    IF (SELECT sum(open) FROM budget_used(p_wave)) > 0 THEN RETURN false; END IF;
    SELECT sum(waiting) INTO left_over FROM budget_used(p_wave);
    SELECT 'budget: ' || left_over || ' wait, ' || l.scope || ' ' || l.unit || ' ' || l.ceiling INTO said
        FROM budget_lines(p_wave) l ORDER BY (l.used::numeric / nullif(l.ceiling, 0)) DESC NULLS FIRST LIMIT 1;
    UPDATE wave SET state = 'paused', stop_seq = stop_seq + 1, state_reason = said WHERE id = p_wave AND state = 'running';
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO audit (person, act, subject, details)
        VALUES ('dispatcher', 'wave.pause', p_wave::text, jsonb_build_object('reason', said));
    PERFORM pg_notify('dispatcher', json_build_object('wave', p_wave::text)::text);
    RETURN true;
END $$;
-- The last line of defence, whoever writes an intent. Not for the owner's recovery: its windows tell what happened.
CREATE FUNCTION refuse_over_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF budget_room(new.wave, (SELECT carrier FROM batch WHERE wave = new.wave AND kind = new.kind AND seq = new.batch),
            new.hi - new.lo) < 0 THEN
        RAISE EXCEPTION 'wave % would go over its budget', new.wave USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_budget AFTER INSERT ON send_window FOR EACH ROW WHEN (current_user = '{app}')
    EXECUTE FUNCTION refuse_over_budget();

GRANT SELECT, INSERT ON budget_day TO {app};
GRANT SELECT, INSERT, UPDATE (agreed_by, agreed_at) ON budget_change TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
