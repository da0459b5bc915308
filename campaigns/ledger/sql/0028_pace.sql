-- How fast a wave went: what carriers took and which receipts came, in slots of ten seconds, a row a slot (docs/control.md).

-- Moved only by the fold, in its transaction: all rows of a wave sum to its messages that are accepted, undelivered or
-- delivered, and to its receipts without repeats. The slot is that of the oldest chunk of a fold.
CREATE TABLE wave_pace (
    wave     bigint NOT NULL REFERENCES wave,
    at       timestamptz NOT NULL CHECK (at = date_bin('10 s', at, 'epoch')),
    taken    bigint NOT NULL CHECK (taken >= 0),
    receipts bigint NOT NULL CHECK (receipts >= 0),
    PRIMARY KEY (wave, at)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE (taken, receipts) ON wave_pace TO {app};

-- The fold of 0008, which now keeps the pace; one row more a fold, no message is read for it.
CREATE OR REPLACE FUNCTION fold(p_wave bigint, p_chunks integer, p_cap integer, p_backoff double precision, p_slot double precision,
    p_most double precision, p_throttled text[], p_throttled_cap integer, p_throttled_first double precision,
    OUT chunks integer, OUT rows integer, OUT retries integer)
LANGUAGE plpgsql AS $$
DECLARE
    g record; over boolean; due timestamptz;
BEGIN
    chunks := 0; rows := 0; retries := 0;
    IF NOT pg_try_advisory_xact_lock(p_wave) THEN RETURN; END IF;   -- another folder is at this wave
    -- past its hours or finished, nothing can be tried again: a late "not sent" expires; not of a wave that asks (0012)
    SELECT finished_at IS NOT NULL OR closes_at <= clock_timestamp() AND NOT is_late(wave) INTO over FROM wave WHERE id = p_wave;
    FOR g IN EXECUTE format($q$
        WITH c AS (
            SELECT id, at FROM chunk WHERE wave = $1 AND NOT folded ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        ), marked AS (
            UPDATE chunk SET folded = true FROM c WHERE chunk.id = c.id RETURNING chunk.id
        ), e AS MATERIALIZED (
            SELECT CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END AS no,
                   CASE w.kind WHEN 'first' THEN 1 ELSE r.attempt END AS attempt,
                   l.outcome, l.kind = 'closed' AND l.provider_code <> '~parked' AS given_back,
                   l.kind = 'closed' AND l.provider_code = '~parked' AS parked, l.kind = 'receipt' AS receipt, w.account,
                   l.outcome = 3 AND l.provider_code = ANY ($5) AS throttled
            FROM c JOIN log_%1$s l ON l.chunk = c.id
                   JOIN send_window w ON w.id = l."window"
                   LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = $1 AND r.batch = w.batch AND r.idx = l.idx
            WHERE l.outcome > 1 OR l.kind <> 'look-up'      -- a question without an answer says nothing
        ), best AS (
            -- the strongest evidence of a message as one number, so that a hash finds it and nothing is sorted:
            -- bit 40: it left; below it outcome, then attempt. Where nothing left: attempt, then outcome.
            SELECT no, (rank >> 20 & 7)::smallint AS outcome,
                (CASE WHEN rank >= 1::bigint << 40 THEN rank >> 4 & 65535 ELSE rank >> 23 END)::smallint AS attempt,
                rank & 8 <> 0 AS throttled, rank & 4 <> 0 AS parked, rank & 2 <> 0 AS given_back, rank & 1 <> 0 AS receipt, weak
            FROM (
                SELECT no, max((outcome::bigint << 20) + throttled::int * 8 + parked::int * 4 + given_back::int * 2
                        + receipt::int
                        + CASE WHEN outcome >= 5 THEN (1::bigint << 40) + (attempt << 4) ELSE attempt::bigint << 23 END) AS rank,
                    array_agg(attempt) FILTER (WHERE outcome IN (2, 3, 4)) AS weak        -- attempts that say "not taken"
                FROM e GROUP BY no) ranked ORDER BY no                                                       -- page by page
        ), moved AS (
            UPDATE message_%1$s m SET
                state = CASE
                    WHEN b.outcome >= 5 THEN b.outcome
                    WHEN b.outcome = 0 THEN 8
                    WHEN b.outcome IN (1, 4) THEN b.outcome
                    WHEN NOT $4 AND NOT b.parked AND (b.given_back OR m.tries + 1 < CASE WHEN b.throttled THEN $6 ELSE $3 END) THEN 0
                    ELSE 10 END,
                attempt = CASE WHEN b.outcome IN (2, 3) AND NOT $4 AND NOT b.parked
                        AND (b.given_back OR m.tries + 1 < CASE WHEN b.throttled THEN $6 ELSE $3 END)
                    THEN m.attempt + 1 ELSE m.attempt END,
                tries = CASE WHEN b.outcome IN (2, 3) AND NOT b.given_back AND NOT b.parked THEN m.tries + 1 ELSE m.tries END
            FROM best b
            WHERE m.no = b.no AND (
                (b.outcome >= 5 AND (m.state < b.outcome OR m.state > 7))
                OR (b.attempt = m.attempt AND (
                    (b.outcome = 0 AND m.state = 0)
                    OR (b.outcome = 1 AND m.state IN (0, 8, 9, 10))
                    OR (b.outcome IN (2, 3, 4) AND m.state IN (0, 1)))))
            RETURNING m.no, m.carrier, m.unit, old.state AS was, new.state AS became, old.attempt AS attempt_was,
                new.attempt AS attempt, new.tries AS tries, b.given_back, b.throttled, b.receipt, b.outcome,
                new.state >= 5 AND (old.state IN (4, 8, 9, 10) OR b.attempt < old.attempt)
                    OR new.state IN (5, 6, 7) AND old.attempt = ANY (b.weak) AS contradicts
        ), counted AS (
            UPDATE wave_count wc SET n = wc.n + d.n FROM (
                SELECT carrier, unit, s.state, sum(s.n) AS n
                FROM (SELECT carrier, unit, was, became, count(*) AS n FROM moved WHERE was <> became
                      GROUP BY carrier, unit, was, became) g, LATERAL (VALUES (was, -g.n), (became, g.n)) AS s (state, n)
                GROUP BY carrier, unit, s.state) d
            WHERE wc.wave = $1 AND wc.carrier = d.carrier AND wc.unit = d.unit AND wc.state = d.state AND d.n <> 0
        ), sums AS (
            SELECT (SELECT count(*) FROM e WHERE receipt) AS told,
                count(*) FILTER (WHERE receipt AND became IN (6, 7)) AS news, count(*) FILTER (WHERE contradicts) AS contradicting,
                count(*) FILTER (WHERE became IN (5, 6, 7) AND was NOT IN (5, 6, 7)) AS taken
            FROM moved
        ), paced AS (
            INSERT INTO wave_pace AS p (wave, at, taken, receipts)
            SELECT $1, date_bin('10 s', (SELECT min(at) FROM c), 'epoch'), taken, news FROM sums WHERE taken > 0 OR news > 0
            ON CONFLICT (wave, at) DO UPDATE SET taken = p.taken + excluded.taken, receipts = p.receipts + excluded.receipts
        ), tallied AS (
            UPDATE wave_tally t SET
                receipts = t.receipts + s.told, repeats = t.repeats + s.told - s.news,
                contradictions = t.contradictions + s.contradicting + (
                    SELECT count(*) FROM best b JOIN message_%1$s m ON m.no = b.no        -- as it was before this fold
                    WHERE (b.weak IS NOT NULL OR b.outcome = 6) AND NOT EXISTS (SELECT FROM moved v WHERE v.no = b.no)
                        AND (m.state IN (5, 6, 7) AND m.attempt = ANY (b.weak) OR m.state = 7 AND b.outcome = 6))
            FROM sums s WHERE wave = $1
        ), again AS (
            SELECT DISTINCT e.account, v.carrier,
                CASE WHEN v.given_back THEN 'given-back' WHEN v.outcome = 2 THEN 'not-sent'
                    WHEN v.throttled THEN 'throttled' ELSE 'deferred' END AS class,
                CASE WHEN v.given_back THEN 0 ELSE v.tries END AS tries, v.no, v.attempt
            FROM moved v JOIN e ON e.no = v.no AND e.attempt = v.attempt_was AND e.outcome = v.outcome
            WHERE v.became = 0 AND v.attempt > v.attempt_was
        )
        SELECT '' AS account, 0::smallint AS carrier, '' AS class, 0 AS tries, NULL::integer[] AS nos, NULL::smallint[] AS attempts,
            (SELECT count(*) FROM marked)::integer AS chunks, (SELECT count(*) FROM e)::integer AS rows
        UNION ALL
        SELECT account, carrier, class, tries, array_agg(no ORDER BY no), array_agg(attempt ORDER BY no), 0, 0
        FROM again GROUP BY account, carrier, class, tries
    $q$, p_wave) USING p_wave, p_chunks, p_cap, over, p_throttled, p_throttled_cap
    LOOP
        chunks := chunks + g.chunks; rows := rows + g.rows;
        IF g.nos IS NULL THEN CONTINUE; END IF;
        IF g.class = 'given-back' THEN                  -- by a pause, or by a crash: due at once, see 0002_settle.sql
            PERFORM place_given_back(p_wave, g.account, g.carrier, p_backoff, g.nos, g.attempts);
        ELSE
            -- exponential, with up to half of itself as jitter, in slots
            due := to_timestamp(ceil((extract(epoch FROM clock_timestamp())
                + least(p_most, CASE g.class WHEN 'throttled' THEN p_throttled_first ELSE p_backoff END
                    * power(2, least(g.tries, 20) - 1)) * (1 + random() / 2)) / p_slot) * p_slot);
            PERFORM place_retry(p_wave, g.account, g.carrier, g.class, due, g.nos, g.attempts);
        END IF;
        retries := retries + cardinality(g.nos);
    END LOOP;
END $$;
