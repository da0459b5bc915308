-- People who must not be texted, and how often one person is texted (docs/audience.md).

-- By the installation's hash, as it compares across campaigns. 10^9 possible numbers can be hashed by whoever has the
-- key, so the program's role cannot read this table: it asks about numbers that it has.
CREATE TYPE suppression_list AS ENUM ('request', 'police', 'staff', 'opt_out', 'do_not_call');
CREATE TABLE suppression_entry (
    number_hash bytea NOT NULL CHECK (length(number_hash) = 16),
    list        suppression_list NOT NULL,
    person      text NOT NULL REFERENCES person,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (number_hash, list)
);
INSERT INTO suppression_entry SELECT number_hash, 'request', person, at FROM suppression;
REVOKE ALL ON suppression FROM {app};           -- what stood in it before, with its sources

-- Who is in which wave, by the same hash. Kept for comparing only; forget_people() ends it.
CREATE TABLE wave_person (
    wave        bigint NOT NULL,
    message_no  integer NOT NULL,
    number_hash bytea NOT NULL,
    PRIMARY KEY (wave, message_no)
);
CREATE INDEX wave_person_hash ON wave_person (number_hash);

-- Which lists a wave obeys: those of its approved plan; a wave planned before there were several obeys all.
CREATE FUNCTION obeys(p_plan jsonb) RETURNS suppression_list[] LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT array_agg(l::suppression_list) FROM jsonb_array_elements_text(p_plan -> 'compliance' -> 'lists') AS l),
        enum_range(NULL::suppression_list))
$$;

-- Planning and putting somebody on a list exclude each other: whoever comes second sees the other's rows.
CREATE FUNCTION suppress(p_list suppression_list, p_hashes bytea[], p_person text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    added integer;
BEGIN
    PERFORM pg_advisory_xact_lock(20240730, 1);
    INSERT INTO suppression_entry (number_hash, list, person) SELECT DISTINCT h, p_list, p_person FROM unnest(p_hashes) AS h
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    INSERT INTO wave_skip (wave, message_no) SELECT p.wave, p.message_no FROM wave_person p JOIN wave w ON w.id = p.wave
        WHERE p.number_hash = ANY (p_hashes) AND w.state IN ('planned', 'running', 'paused') AND p_list = ANY (obeys(w.plan))
        ON CONFLICT DO NOTHING;
    RETURN added;
END $$;
CREATE FUNCTION unsuppress(p_list suppression_list, p_hashes bytea[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    removed integer;
BEGIN
    PERFORM pg_advisory_xact_lock(20240730, 1);
    DELETE FROM suppression_entry WHERE list = p_list AND number_hash = ANY (p_hashes);
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
-- Of these people, who is on one of these lists; not on which, so that a row tells nothing of a protected person.
CREATE FUNCTION suppressed_of(p_hashes bytea[], p_lists suppression_list[]) RETURNS SETOF bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT e.number_hash FROM unnest(p_hashes) AS h JOIN suppression_entry e ON e.number_hash = h AND e.list = ANY (p_lists)
$$;
CREATE FUNCTION suppression_counts() RETURNS TABLE (list suppression_list, n bigint, newest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.list, count(*), max(e.at) FROM suppression_entry e GROUP BY e.list
$$;

-- Called by planning, last: marks who is on a list now. From then on suppress() does it.
CREATE FUNCTION skip_listed(p_wave bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    marked integer;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(20240730, 1);
    INSERT INTO wave_skip (wave, message_no) SELECT p.wave, p.message_no FROM wave_person p
        WHERE p.wave = p_wave AND EXISTS (SELECT FROM suppression_entry e WHERE e.number_hash = p.number_hash
            AND e.list = ANY ((SELECT obeys(plan) FROM wave WHERE id = p_wave)::suppression_list[]))
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END $$;

-- Of these people, whom messages that have left since p_since, or waves that are planned round p_at, bring to p_most.
CREATE FUNCTION capped_of(p_hashes bytea[], p_at timestamptz, p_most integer) RETURNS SETOF bytea LANGUAGE sql STABLE AS $$
    SELECT p.number_hash FROM wave_person p JOIN wave w ON w.id = p.wave
    WHERE p.number_hash = ANY (p_hashes) AND (w.state <> 'cancelled' OR w.started_at IS NOT NULL)
      AND coalesce(w.started_at, w.opens_at) <= p_at AND coalesce(w.finished_at, w.closes_at) > p_at - interval '24 h'
      AND NOT EXISTS (SELECT FROM wave_skip s WHERE s.wave = p.wave AND s.message_no = p.message_no)
    GROUP BY p.number_hash HAVING count(*) >= p_most
$$;

-- Of these messages of a wave, those whose people were texted p_most times within 24 h by other waves. A window counts
-- from its intent on. Two waves at the same moment take turns: both would see the other's message not sent yet.
CREATE FUNCTION over_cap(p_wave bigint, p_nos integer[], p_most integer) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    found integer[]; since timestamptz := clock_timestamp() - interval '24 h'; lately bigint[];
BEGIN
    SELECT array_agg(id) INTO lately FROM wave
        WHERE id <> p_wave AND started_at IS NOT NULL AND coalesce(finished_at, 'infinity') > since;
    IF lately IS NULL THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(20240730, 2);
    SELECT array_agg(p.message_no) INTO found FROM wave_person p WHERE p.wave = p_wave AND p.message_no = ANY (p_nos) AND p_most <= (
        SELECT count(*) FROM wave_person o JOIN wave ow ON ow.id = o.wave
        WHERE o.number_hash = p.number_hash AND o.wave = ANY (lately) AND (EXISTS (
            SELECT FROM send_window w WHERE w.wave = o.wave AND w.kind = 'first' AND w.batch = o.message_no / ow.batch_size
                AND int4range(w.lo, w.hi) @> o.message_no AND w.at > since
                AND (w.skip = '' OR get_bit(w.skip, o.message_no - w.lo) = 0)
        ) OR EXISTS (
            SELECT FROM retry_item r JOIN send_window w ON w.wave = r.wave AND w.kind = 'retry' AND w.batch = r.batch
                AND int4range(w.lo, w.hi) @> r.idx AND w.at > since AND (w.skip = '' OR get_bit(w.skip, r.idx - w.lo) = 0)
            WHERE r.wave = o.wave AND r.message_no = o.message_no)));
    RETURN found;
END $$;

-- As in the baseline, and whom the cap holds back. VOLATILE: what the lock of over_cap waited for must be seen.
CREATE OR REPLACE FUNCTION skip_bitmap(p_wave bigint, p_kind batch_kind, p_seq integer, p_lo integer, p_hi integer)
RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found integer[]; nos integer[]; capped integer[]; most integer; map bytea := ''; i integer;
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
    SELECT (plan -> 'compliance' ->> 'most_a_day')::integer INTO most FROM wave WHERE id = p_wave;
    IF most IS NOT NULL THEN
        IF p_kind = 'first' THEN
            SELECT array_agg(no) INTO nos FROM generate_series(p_lo, p_hi - 1) AS no;
        ELSE
            SELECT array_agg(message_no) INTO nos FROM retry_item
                WHERE wave = p_wave AND batch = p_seq AND idx >= p_lo AND idx < p_hi;
        END IF;
        capped := over_cap(p_wave, nos, most);
        IF capped IS NOT NULL AND p_kind = 'retry' THEN
            SELECT array_agg(idx) INTO capped FROM retry_item
                WHERE wave = p_wave AND batch = p_seq AND idx >= p_lo AND idx < p_hi AND message_no = ANY (capped);
        END IF;
        FOREACH i IN ARRAY coalesce(capped, '{}') LOOP found := found || (i - p_lo); END LOOP;
    END IF;
    IF found IS NULL THEN RETURN map; END IF;
    map := decode(repeat('00', (p_hi - p_lo + 7) / 8), 'hex');
    FOREACH i IN ARRAY found LOOP map := set_bit(map, i, 1); END LOOP;
    RETURN map;
END $$;

-- Waves that send or have sent one of this wave's texts to some of its people: another campaign, or the same wave again.
CREATE FUNCTION same_text(p_wave bigint) RETURNS TABLE (wave bigint, campaign text, name text, people bigint)
LANGUAGE sql STABLE AS $$
    SELECT o.id, o.campaign, o.name, count(*) FROM wave me
    JOIN wave o ON o.id <> me.id AND (o.state <> 'cancelled' OR o.started_at IS NOT NULL)
        AND (o.campaign <> me.campaign OR o.no = me.no)
    JOIN wave_person mine ON mine.wave = me.id
    JOIN wave_person theirs ON theirs.wave = o.id AND theirs.number_hash = mine.number_hash
    WHERE me.id = p_wave AND EXISTS (SELECT FROM jsonb_each(me.plan -> 'texts') t WHERE CASE WHEN o.text_sha256 IS NULL
        THEN EXISTS (SELECT FROM jsonb_each(o.plan -> 'texts') u WHERE u.value ->> 'sha256' = t.value ->> 'sha256')
        ELSE o.text_sha256 = t.value ->> 'sha256' END)
    GROUP BY o.id, o.campaign, o.name ORDER BY o.id
$$;

-- Waves that ended so many days ago are compared with no more. Writes its own record.
CREATE FUNCTION forget_people(p_days integer, p_person text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    IF p_days < 2 THEN RAISE EXCEPTION 'forget_people: less than the cap looks back'; END IF;
    DELETE FROM wave_person p USING wave w WHERE w.id = p.wave AND w.state IN ('finished', 'cancelled')
        AND coalesce(w.finished_at, w.closes_at) < now() - make_interval(days => p_days);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    INSERT INTO audit (person, act, subject, details)
        VALUES (p_person, 'people.forget', 'wave_person', jsonb_build_object('days', p_days, 'rows', forgotten));
    RETURN forgotten;
END $$;

GRANT SELECT, INSERT ON wave_person TO {app};
REVOKE ALL ON FUNCTION suppress(suppression_list, bytea[], text), unsuppress(suppression_list, bytea[]),
    suppressed_of(bytea[], suppression_list[]), suppression_counts(), skip_listed(bigint), forget_people(integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION suppress(suppression_list, bytea[], text), unsuppress(suppression_list, bytea[]),
    suppressed_of(bytea[], suppression_list[]), suppression_counts(), skip_listed(bigint), forget_people(integer, text) TO {app};
