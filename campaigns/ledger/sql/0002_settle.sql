-- Poison batches (docs/ledger.md, section 8, and decision 011): a message whose turn ends its worker, again and again.

-- Two kinds. (a) The worker dies between the claim and the end of T1: no window tells. `stalls` counts such claims;
-- from the third on the range [cursor, suspect) is under suspicion, and the next window takes its first half.
-- (b) It dies after T1 with nothing on the wire: the journal gives the window back, and the crashes stand in the log.
ALTER TABLE batch ADD COLUMN suspect integer;
GRANT UPDATE (suspect) ON batch TO {app};

-- What a claim makes of the claims before it, and whether the one message that is left must be parked. A window of a
-- suspected range is half of it, so a claim after a stall knows which half was tried. One message alone is tried five
-- times: a worker that is killed at random dies in other places too.
CREATE FUNCTION suspicion(b batch, p_most integer, OUT stalls smallint, OUT suspect integer, OUT park boolean)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n integer := greatest(0, least(coalesce(b.suspect, 0), b.hi) - b.cursor);
BEGIN
    IF n = 0 AND b.stalls >= 3 THEN
        stalls := 1; suspect := least(b.hi, b.cursor + p_most);
    ELSIF n > 1 AND b.stalls >= 1 THEN
        stalls := 1; suspect := b.cursor + n / 2;
    ELSE
        stalls := least(b.stalls + 1, 100); suspect := b.cursor + n;
    END IF;
    park := b.class = 'parked' OR (suspect - b.cursor = 1 AND stalls > 5);
END $$;

-- Messages that came back unsent: due at once. Whose windows three crashes have ended: in two halves, each due a little
-- later; whom five crashes have ended alone in a window: to be parked by whoever claims it. An adapter that fails without
-- ending the worker is split likewise, but parks nobody: a fault of ours must not expire a wave.
CREATE FUNCTION place_given_back(
    p_wave bigint, p_account text, p_carrier smallint, p_pause double precision, p_nos integer[], p_attempts smallint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record; now_at timestamptz := clock_timestamp(); half integer; i integer;
BEGIN
    IF (SELECT max(a) FROM unnest(p_attempts) AS a) <= 3 THEN                  -- nobody can have crashed three times
        PERFORM place_retry(p_wave, p_account, p_carrier, 'given-back', date_trunc('second', now_at), p_nos, p_attempts);
        RETURN;
    END IF;
    FOR g IN EXECUTE format($q$
        WITH t AS (SELECT * FROM unnest($2, $3) AS t (no, attempt)
        ), tried AS (
            SELECT no, 'first'::batch_kind AS kind, no / (SELECT batch_size FROM wave WHERE id = $1) AS batch, no AS idx FROM t
            UNION ALL
            SELECT t.no, 'retry', r.batch, r.idx FROM t JOIN retry_item r ON r.wave = $1 AND r.message_no = t.no AND r.attempt < t.attempt
        ), ended AS (
            SELECT d.no, count(*) AS crashes, count(*) FILTER (WHERE l.provider_code = '~crash' AND w.hi - w.lo = 1) AS alone
            FROM tried d JOIN send_window w ON w.wave = $1 AND w.kind = d.kind AND w.batch = d.batch AND int4range(w.lo, w.hi) @> d.idx
            JOIN log_%s l ON l."window" = w.id AND l.idx = d.idx AND l.kind = 'closed' AND l.provider_code IN ('~crash', '~~broken')
            GROUP BY d.no
        )
        SELECT CASE WHEN e.alone >= 5 THEN 'parked' WHEN e.crashes >= 3 THEN 'crashed' ELSE 'given-back' END AS class,
            array_agg(t.no ORDER BY t.no) AS nos, array_agg(t.attempt ORDER BY t.no) AS attempts
        FROM t LEFT JOIN ended e USING (no) GROUP BY 1
    $q$, p_wave) USING p_wave, p_nos, p_attempts
    LOOP
        half := CASE g.class WHEN 'parked' THEN 1 WHEN 'crashed' THEN (cardinality(g.nos) + 1) / 2 ELSE cardinality(g.nos) END;
        i := 0;
        WHILE i < cardinality(g.nos) LOOP                                      -- due times that differ: no two batches grow together
            PERFORM place_retry(p_wave, p_account, p_carrier, g.class,
                now_at + make_interval(secs => CASE g.class WHEN 'crashed' THEN p_pause ELSE 0 END + i * 1e-6),
                g.nos[i + 1 : i + half], g.attempts[i + 1 : i + half]);
            i := i + half;
        END LOOP;
    END LOOP;
END $$;
