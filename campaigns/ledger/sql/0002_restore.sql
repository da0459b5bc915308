-- Backup, restore, and windows that only a journal knows (docs/ledger.md, sections 5 and 6).

-- Set while this database is older than the journals: nothing is sent until the last of them is in.
ALTER TABLE installation ADD COLUMN restoring_since timestamptz;
GRANT UPDATE (restoring_since) ON installation TO {app};
-- False: a line of it may be missing (another boot, damaged), so what it does not name may have been sent all the same.
ALTER TABLE journal ADD COLUMN proof boolean NOT NULL DEFAULT true;

-- A negative attempt is void: a journal shows that this attempt was made in a window of its own. T1 skips such an item,
-- as it is not the message's latest attempt, and the fold finds nothing in it.
ALTER TABLE retry_item DROP CONSTRAINT retry_item_attempt_check;
ALTER TABLE retry_item ADD CONSTRAINT retry_item_attempt_check CHECK (attempt > 1 OR attempt < -1);

-- A window that only a journal knows, entered. Returns 'known' (it is here already), 'placed', 'absent' (no such wave or
-- messages), or 'twice': this database has its own window for some of these messages, so that there are two histories,
-- and of those nothing may be called unsent.
CREATE FUNCTION recover_window(
    p_id bigint, p_wave bigint, p_kind batch_kind, p_seq integer, p_epoch integer, p_lo integer, p_hi integer,
    p_account text, p_journal text, p_nos integer[], p_attempts smallint[]
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b batch; f batch; other boolean; s integer;
BEGIN
    PERFORM pg_advisory_xact_lock(p_wave);                       -- the fold, which counts attempts too, stands aside
    IF EXISTS (SELECT FROM send_window WHERE id = p_id) THEN RETURN 'known'; END IF;
    IF p_kind = 'first' THEN
        SELECT * INTO b FROM batch WHERE wave = p_wave AND kind = 'first' AND seq = p_seq FOR UPDATE;
        IF b IS NULL OR p_lo < b.lo OR p_hi > b.hi THEN RETURN 'absent'; END IF;
        UPDATE batch SET cursor = greatest(cursor, p_hi), epoch = greatest(epoch, p_epoch) + 1, lease_token = NULL, lease_until = NULL
            WHERE wave = p_wave AND kind = 'first' AND seq = p_seq;
        IF NOT EXISTS (SELECT FROM send_window WHERE wave = p_wave AND kind = 'first' AND batch = p_seq
                AND int4range(lo, hi) && int4range(p_lo, p_hi)) THEN
            INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)
                VALUES (p_id, p_wave, 'first', p_seq, p_epoch, p_lo, p_hi, '',
                    coalesce((SELECT name FROM account WHERE name = p_account), b.account), p_journal);
            RETURN 'placed';
        END IF;
        SELECT array_agg(no), array_agg(1::smallint) INTO p_nos, p_attempts FROM generate_series(p_lo, p_hi - 1) AS no;
    END IF;
    SELECT * INTO f FROM batch WHERE wave = p_wave AND kind = 'first' AND lo <= p_nos[1] AND p_nos[1] < hi;
    IF f IS NULL OR cardinality(p_nos) <> p_hi - p_lo THEN RETURN 'absent'; END IF;
    -- the same attempt still waits here: it was made, and must not be made again
    UPDATE retry_item r SET attempt = -r.attempt FROM unnest(p_nos, p_attempts) AS t (no, attempt), batch w
        WHERE r.wave = p_wave AND r.message_no = t.no AND r.attempt = t.attempt AND t.attempt > 1
          AND w.wave = r.wave AND w.kind = 'retry' AND w.seq = r.batch AND r.idx >= w.cursor;
    other := p_kind = 'first' OR EXISTS (SELECT FROM retry_item r JOIN unnest(p_nos, p_attempts) AS t (no, attempt)
        ON r.wave = p_wave AND r.message_no = t.no AND r.attempt = t.attempt);
    SELECT coalesce(max(seq) + 1, 0) INTO s FROM batch WHERE wave = p_wave AND kind = 'retry';
    INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor, epoch, class)
        VALUES (p_wave, 'retry', s, coalesce((SELECT name FROM account WHERE name = p_account), f.account), f.carrier,
            p_hi, p_hi, p_hi, p_epoch, 'journal');
    INSERT INTO retry_item (wave, batch, idx, message_no, attempt)
        SELECT p_wave, s, p_lo + t.ord - 1, t.no, CASE WHEN other THEN 1 + greatest(t.attempt,
            (SELECT max(abs(r.attempt)) FROM retry_item r WHERE r.wave = p_wave AND r.message_no = t.no)) ELSE t.attempt END
        FROM unnest(p_nos, p_attempts) WITH ORDINALITY AS t (no, attempt, ord) WHERE t.attempt > 0;
    EXECUTE format('UPDATE message_%s m SET attempt = r.attempt FROM retry_item r
        WHERE r.wave = $1 AND r.batch = $2 AND m.no = r.message_no AND m.attempt < r.attempt', p_wave) USING p_wave, s;
    INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)
        SELECT p_id, p_wave, 'retry', s, p_epoch, p_lo, p_hi, '', account, p_journal FROM batch
        WHERE wave = p_wave AND kind = 'retry' AND seq = s;
    RETURN CASE WHEN other THEN 'twice' ELSE 'placed' END;
END $$;
REVOKE ALL ON FUNCTION recover_window(bigint, bigint, batch_kind, integer, integer, integer, integer, text, text, integer[], smallint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recover_window(bigint, bigint, batch_kind, integer, integer, integer, integer, text, text, integer[], smallint[]) TO {app};
