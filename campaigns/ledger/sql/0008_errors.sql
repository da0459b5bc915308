-- What a carrier's errors stop, and where the rest goes (docs/control.md, section 3).

-- Stopped by itself, for a person to mend: an account whole, one network's sender of it, or one text (wave) on it.
CREATE TABLE route_stop (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    account   text NOT NULL REFERENCES account,
    carrier   smallint REFERENCES carrier,        -- NULL: all networks
    wave      bigint REFERENCES wave,             -- NULL: all waves
    scope     text NOT NULL CHECK (scope IN ('account', 'sender', 'text')),
    code      text NOT NULL,                      -- the carrier's own, or ours beginning with "~"
    detail    text NOT NULL,
    lifted_at timestamptz,
    lifted_by text,
    CHECK ((scope = 'account') = (carrier IS NULL) AND (scope = 'text') = (wave IS NOT NULL))
);
CREATE UNIQUE INDEX route_stop_open ON route_stop (account, coalesce(carrier, 0), coalesce(wave, 0)) WHERE lifted_at IS NULL;
-- Of a whole account: account.enabled, which T1 looks at.
CREATE FUNCTION route_stopped(p_account text, p_carrier smallint, p_wave bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM route_stop r WHERE r.lifted_at IS NULL AND r.account = p_account AND r.carrier = p_carrier
        AND (r.wave IS NULL OR r.wave = p_wave))
$$;

-- What waits on an account that cannot send goes to the next one of the wave's approved route. Only what waits in batches
-- moves: never sent, or proved not sent or refused for now; an attempt in doubt is in no batch. `p_resting`: accounts
-- whose breaker is open.
CREATE FUNCTION fail_over(p_resting text[]) RETURNS TABLE (wave bigint, carrier text, was text, became text, messages bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH due AS (
        SELECT b.wave, b.kind, b.seq, b.account AS was, c.name AS carrier, b.hi - b.cursor AS n, n.account AS became
        FROM batch b JOIN wave w ON w.id = b.wave AND w.state = 'running' JOIN carrier c ON c.id = b.carrier
            JOIN account a ON a.name = b.account,
        LATERAL (
            SELECT r.account FROM jsonb_array_elements_text(w.plan -> 'routes' -> c.name) WITH ORDINALITY AS r (account, no)
                JOIN account o ON o.name = r.account AND o.enabled AND o.simulated = a.simulated
            WHERE r.account <> b.account AND r.account <> ALL (p_resting) AND NOT route_stopped(r.account, b.carrier, b.wave)
            ORDER BY r.no LIMIT 1) n
        WHERE b.cursor < b.hi AND b.class <> 'parked' AND (b.lease_until IS NULL OR b.lease_until < clock_timestamp())
            AND (NOT a.enabled OR b.account = ANY (p_resting) OR route_stopped(b.account, b.carrier, b.wave))
        FOR UPDATE OF b SKIP LOCKED
    ), moved AS (
        UPDATE batch b SET account = due.became, lease_token = NULL, lease_until = NULL FROM due
        WHERE b.wave = due.wave AND b.kind = due.kind AND b.seq = due.seq
    )
    SELECT due.wave, due.carrier, due.was, due.became, sum(due.n)::bigint FROM due GROUP BY 1, 2, 3, 4;
END $$;
REVOKE ALL ON FUNCTION fail_over(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fail_over(text[]) TO {app};
GRANT SELECT, INSERT, UPDATE (lifted_at, lifted_by) ON route_stop TO {app};
