-- The fold (section 4): the only writer of states. One transaction takes unfolded chunks, moves each message by the
-- strongest evidence of its attempts, moves the counts by exactly the difference, and makes retry batches.

-- Places messages that provably did not leave into the retry batch of their (account, class, due time).
CREATE OR REPLACE FUNCTION place_retry(p_wave bigint, p_account text, p_carrier smallint, p_class text, p_due timestamptz, p_nos integer[], p_attempts smallint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    b batch; n integer := cardinality(p_nos); base integer;
BEGIN
    SELECT * INTO b FROM batch WHERE wave = p_wave AND kind = 'retry' AND account = p_account AND carrier = p_carrier AND class = p_class
        AND not_before = p_due AND not_before > clock_timestamp() + interval '0.2 s' AND lease_token IS NULL AND cursor = 0
        ORDER BY seq DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF b IS NULL THEN
        base := 0;
        INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor, not_before, class)
            VALUES (p_wave, 'retry', (SELECT coalesce(max(seq) + 1, 0) FROM batch WHERE wave = p_wave AND kind = 'retry'),
                    p_account, p_carrier, n, n, 0, p_due, p_class) RETURNING * INTO b;
    ELSE
        base := b.hi;
        UPDATE batch SET hi = b.hi + n, size = b.hi + n WHERE wave = p_wave AND kind = 'retry' AND seq = b.seq;
    END IF;
    INSERT INTO retry_item (wave, batch, idx, message_no, attempt)
        SELECT p_wave, b.seq, base + t.ord - 1, t.no, t.attempt
        FROM unnest(p_nos, p_attempts) WITH ORDINALITY AS t (no, attempt, ord);
END $$;

-- p_cap: tries a message gets; p_backoff: seconds before the second try, doubled each time up to 2^6; p_slot: retry
-- batches are at most one per this many seconds of due time. Returns chunks and rows folded and the retries made.
CREATE OR REPLACE FUNCTION fold(p_wave bigint, p_chunks integer, p_cap integer, p_backoff double precision, p_slot double precision,
    OUT chunks integer, OUT rows integer, OUT retries integer)
LANGUAGE plpgsql AS $$
DECLARE
    g record; over boolean; due timestamptz;
BEGIN
    chunks := 0; rows := 0; retries := 0;
    IF NOT pg_try_advisory_xact_lock(p_wave) THEN RETURN; END IF;   -- another folder is at this wave
    -- past its hours or finished, nothing can be tried again: a late "not sent" expires
    SELECT finished_at IS NOT NULL OR closes_at <= clock_timestamp() INTO over FROM wave WHERE id = p_wave;
    FOR g IN EXECUTE format($q$
        WITH c AS (
            SELECT id FROM chunk WHERE wave = $1 AND NOT folded ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        ), marked AS (
            UPDATE chunk SET folded = true FROM c WHERE chunk.id = c.id RETURNING chunk.id
        ), e AS MATERIALIZED (
            SELECT CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END AS no,
                   CASE w.kind WHEN 'first' THEN 1 ELSE r.attempt END AS attempt,
                   l.outcome, l.kind = 'closed' AS given_back, l.kind = 'receipt' AS receipt, w.account
            FROM c JOIN log_%1$s l ON l.chunk = c.id
                   JOIN send_window w ON w.id = l."window"
                   LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = $1 AND r.batch = w.batch AND r.idx = l.idx
            WHERE l.outcome > 1 OR l.kind <> 'look-up'      -- a question without an answer says nothing
        ), best AS (
            SELECT DISTINCT ON (no) no, attempt, outcome, given_back, receipt, account FROM e
            ORDER BY no, (outcome >= 5) DESC, attempt DESC, outcome DESC
        ), weak AS (
            SELECT DISTINCT no, attempt FROM e WHERE outcome IN (2, 3, 4)
        ), moved AS (
            UPDATE message_%1$s m SET
                state = CASE
                    WHEN b.outcome >= 5 THEN b.outcome
                    WHEN b.outcome = 0 THEN 8
                    WHEN b.outcome IN (1, 4) THEN b.outcome
                    WHEN NOT $4 AND (b.given_back OR m.tries + 1 < $3) THEN 0
                    ELSE 10 END,
                attempt = CASE WHEN b.outcome IN (2, 3) AND NOT $4 AND (b.given_back OR m.tries + 1 < $3)
                    THEN m.attempt + 1 ELSE m.attempt END,
                tries = CASE WHEN b.outcome IN (2, 3) AND NOT b.given_back THEN m.tries + 1 ELSE m.tries END
            FROM best b
            WHERE m.no = b.no AND (
                (b.outcome >= 5 AND (m.state < b.outcome OR m.state > 7))
                OR (b.attempt = m.attempt AND (
                    (b.outcome = 0 AND m.state = 0)
                    OR (b.outcome = 1 AND m.state IN (0, 8, 9, 10))
                    OR (b.outcome IN (2, 3, 4) AND m.state IN (0, 1)))))
            RETURNING m.no, m.carrier, m.unit, old.state AS was, new.state AS became, new.attempt AS attempt,
                old.attempt AS attempt_was, new.tries AS tries, b.given_back, b.receipt, b.outcome, b.account
        ), counted AS (
            UPDATE wave_count wc SET n = wc.n + d.n FROM (
                SELECT carrier, unit, state, sum(n) AS n FROM (
                    SELECT carrier, unit, was AS state, -1 AS n FROM moved WHERE was <> became
                    UNION ALL SELECT carrier, unit, became, 1 FROM moved WHERE was <> became) x
                GROUP BY carrier, unit, state ORDER BY carrier, unit, state) d
            WHERE wc.wave = $1 AND wc.carrier = d.carrier AND wc.unit = d.unit AND wc.state = d.state AND d.n <> 0
        ), tallied AS (
            UPDATE wave_tally SET
                receipts = receipts + (SELECT count(*) FROM e WHERE receipt),
                repeats = repeats + (SELECT count(*) FROM e WHERE receipt) - (SELECT count(*) FROM moved WHERE receipt AND became IN (6, 7)),
                contradictions = contradictions + (SELECT count(*) FROM best b
                    JOIN message_%1$s m ON m.no = b.no                                    -- as it was before this fold
                    LEFT JOIN moved v ON v.no = b.no
                    LEFT JOIN weak k ON k.no = b.no AND k.attempt = m.attempt
                    WHERE (v.became >= 5 AND (v.was IN (4, 8, 9, 10) OR b.attempt < v.attempt_was))
                       OR (coalesce(v.became, m.state) IN (5, 6, 7) AND k.no IS NOT NULL)
                       OR (v.no IS NULL AND m.state = 7 AND b.outcome = 6))
            WHERE wave = $1
        ), again AS (
            SELECT account, carrier, CASE WHEN given_back THEN 'given-back' WHEN outcome = 2 THEN 'not-sent' ELSE 'deferred' END AS class,
                CASE WHEN given_back THEN 0 ELSE tries END AS tries, no, attempt
            FROM moved WHERE became = 0 AND attempt > attempt_was
        )
        SELECT '' AS account, 0::smallint AS carrier, '' AS class, 0 AS tries, NULL::integer[] AS nos, NULL::smallint[] AS attempts,
            (SELECT count(*) FROM marked)::integer AS chunks, (SELECT count(*) FROM e)::integer AS rows
        UNION ALL
        SELECT account, carrier, class, tries, array_agg(no ORDER BY no), array_agg(attempt ORDER BY no), 0, 0
        FROM again GROUP BY account, carrier, class, tries
    $q$, p_wave) USING p_wave, p_chunks, p_cap, over
    LOOP
        chunks := chunks + g.chunks; rows := rows + g.rows;
        IF g.nos IS NULL THEN CONTINUE; END IF;
        -- exponential, with up to half of itself as jitter, in slots; a message given back by a pause is due at once
        due := CASE WHEN g.class = 'given-back' THEN date_trunc('second', clock_timestamp())
            ELSE to_timestamp(ceil((extract(epoch FROM clock_timestamp())
                + p_backoff * power(2, least(g.tries, 7) - 1) * (1 + random() / 2)) / p_slot) * p_slot) END;
        PERFORM place_retry(p_wave, g.account, g.carrier, g.class, due, g.nos, g.attempts);
        retries := retries + cardinality(g.nos);
    END LOOP;
END $$;

-- Stopped for good: what waits and is on no wire becomes cancelled. Call when no window is open, no chunk unfolded.
CREATE OR REPLACE FUNCTION cancel_rest(p_wave bigint, p_state smallint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(p_wave);
    PERFORM FROM wave WHERE id = p_wave FOR UPDATE;            -- waits for a T1 taken in the last moment of the hours
    IF EXISTS (SELECT FROM send_window WHERE wave = p_wave AND closed IS NULL)
        OR EXISTS (SELECT FROM chunk WHERE wave = p_wave AND NOT folded) THEN RETURN -1; END IF;
    EXECUTE format($q$
        WITH moved AS (
            UPDATE message_%s SET state = $2 WHERE state = 0 RETURNING carrier, unit
        ), d AS (SELECT carrier, unit, count(*) AS n FROM moved GROUP BY carrier, unit
        ), off AS (UPDATE wave_count wc SET n = wc.n - d.n FROM d
            WHERE wc.wave = $1 AND wc.carrier = d.carrier AND wc.unit = d.unit AND wc.state = 0
        ), onto AS (UPDATE wave_count wc SET n = wc.n + d.n FROM d
            WHERE wc.wave = $1 AND wc.carrier = d.carrier AND wc.unit = d.unit AND wc.state = $2
        ) SELECT coalesce(sum(n), 0) FROM d
    $q$, p_wave) USING p_wave, p_state INTO n;
    RETURN n;
END $$;
