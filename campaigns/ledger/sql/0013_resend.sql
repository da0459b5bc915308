-- A wave to some of the people of another one: a correction, or what failed or was never sent (docs/control.md, section 6).

ALTER TABLE wave ADD COLUMN parent bigint REFERENCES wave,
    ADD COLUMN resend text CHECK (resend IN ('correction', 'failed', 'rest')),
    ADD CHECK ((parent IS NULL) = (resend IS NULL));
-- Nobody gets two corrections of one wave: one that was started is not planned again.
CREATE UNIQUE INDEX wave_resend_once ON wave (parent, resend) WHERE state <> 'cancelled' OR started_at IS NOT NULL;

-- Of which messages each kind is: whose text may have gone out; which no carrier took before tries or hours ran out; which
-- were stopped before their turn.
CREATE FUNCTION resend_states(p_kind text) RETURNS smallint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_kind WHEN 'correction' THEN '{1,5,7}' WHEN 'failed' THEN '{10}' WHEN 'rest' THEN '{9}' END::smallint[]
$$;
-- Reads the messages of the parent once; for "failed" also its log, once. At planning and in previews only.
CREATE FUNCTION resend_set(p_parent bigint, p_kind text) RETURNS TABLE (number_hash bytea, carrier smallint, state smallint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format($q$
        SELECT m.number_hash, m.carrier, m.state FROM message_%1$s m WHERE m.state = ANY ($2)
            AND ($3 <> 'failed' OR m.no NOT IN (         -- a message that ended its worker again and again stays where it is
                SELECT CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END FROM log_%1$s l
                    JOIN send_window w ON w.id = l."window"
                    LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = $1 AND r.batch = w.batch AND r.idx = l.idx
                WHERE l.kind = 'closed' AND l.provider_code = '~parked'
                    AND CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END IS NOT NULL))
    $q$, p_parent) USING p_parent, resend_states(p_kind), p_kind;
END $$;
-- What of a wave is still between an intent and its counting.
CREATE FUNCTION resend_moving(p_wave bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM send_window WHERE wave = p_wave AND closed IS NULL)
            OR EXISTS (SELECT FROM chunk WHERE wave = p_wave AND NOT folded)
        THEN greatest(1, (SELECT coalesce(sum(n), 0) FROM wave_count WHERE wave = p_wave AND state = 0)
            - (SELECT coalesce(sum(hi - cursor), 0) FROM batch WHERE wave = p_wave))
        ELSE 0 END
$$;
-- Called by each intent of such a wave: whoever is not in the set now is left out, as if on a list. A late receipt may
-- have shown that the text did not leave, or that it did; somebody who was never in the set was never to be here.
-- Both message tables by their keys, at most a window of rows.
CREATE FUNCTION resend_leave_out(p_wave bigint, p_kind batch_kind, p_seq integer, p_want integer) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    w record; made integer;
BEGIN
    SELECT parent, resend INTO w FROM wave WHERE id = p_wave;
    IF w.parent IS NULL THEN RETURN 0; END IF;
    EXECUTE format($q$
        INSERT INTO wave_skip (wave, message_no)
        SELECT $1, c.no FROM batch b
            JOIN LATERAL (
                SELECT no FROM generate_series(b.cursor, least(b.cursor + $4, b.hi) - 1) AS no WHERE b.kind = 'first'
                UNION ALL SELECT r.message_no FROM retry_item r WHERE b.kind = 'retry' AND r.wave = b.wave AND r.batch = b.seq
                    AND r.idx >= b.cursor AND r.idx < b.cursor + $4) t ON true
            JOIN message_%s c ON c.no = t.no
            LEFT JOIN message_%s p ON p.number_hash = c.number_hash
        WHERE b.wave = $1 AND b.kind = $2 AND b.seq = $3 AND coalesce(p.state <> ALL ($5), true)
        ON CONFLICT DO NOTHING
    $q$, p_wave, w.parent) USING p_wave, p_kind, p_seq, p_want, resend_states(w.resend);
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END $$;
-- The set is whole only when the wave before can send nothing more: cancelled and finished are for good.
CREATE FUNCTION refuse_early_resend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT state FROM wave WHERE id = new.parent) NOT IN ('cancelled', 'finished') THEN
        RAISE EXCEPTION 'wave % follows wave %, which may still send', new.id, new.parent USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER after_its_parent BEFORE UPDATE OF state ON wave FOR EACH ROW
    WHEN (new.state = 'running' AND new.parent IS NOT NULL) EXECUTE FUNCTION refuse_early_resend();
CREATE TRIGGER planned_after_its_parent BEFORE INSERT ON wave FOR EACH ROW
    WHEN (new.parent IS NOT NULL) EXECUTE FUNCTION refuse_early_resend();
