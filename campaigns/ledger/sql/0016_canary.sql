-- Seed phones get a wave's text first; the rest of a carrier waits for a person's word (docs/control.md, section 7).

-- Lists of our own phones, sealed as every list; the newest of a campaign is the one in use.
CREATE TABLE seed_list (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign text NOT NULL,
    audience bigint NOT NULL UNIQUE REFERENCES audience,
    person   text NOT NULL REFERENCES person,
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE wave ADD COLUMN canary bigint UNIQUE REFERENCES wave;      -- the wave to the seeds, which goes first
-- What persons said of a carrier's canary; the newest word counts.
CREATE TABLE canary_word (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wave    bigint NOT NULL REFERENCES wave,      -- the one that waits
    carrier smallint NOT NULL REFERENCES carrier,
    word    text NOT NULL CHECK (word IN ('right', 'wrong')),
    despite boolean NOT NULL,                     -- right, though not every seed phone is known to have it
    person  text NOT NULL REFERENCES person,
    reason  text NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (word = 'right' AND NOT despite OR reason ~ '\S')
);
CREATE INDEX ON canary_word (wave, carrier, id);

-- By carrier: seed messages, how many arrived (where a carrier promises no receipts: were taken), how many never will, and
-- the newest word.
CREATE FUNCTION canary_standing(p_wave bigint)
RETURNS TABLE (carrier smallint, n bigint, arrived bigint, failed bigint, word text, despite boolean) LANGUAGE sql STABLE AS $$
    SELECT c.id, sum(wc.n)::bigint,
        coalesce(sum(wc.n) FILTER (WHERE wc.state = 7 OR wc.state = 5 AND NOT (w.plan -> 'canary' -> 'receipts' ->> c.name)::boolean), 0)::bigint,
        coalesce(sum(wc.n) FILTER (WHERE wc.state IN (4, 6, 8, 9, 10)), 0)::bigint, min(s.word), bool_or(s.despite)
    FROM wave w JOIN wave_count wc ON wc.wave = w.canary JOIN carrier c ON c.id = wc.carrier
        LEFT JOIN LATERAL (SELECT cw.word, cw.despite FROM canary_word cw WHERE cw.wave = w.id AND cw.carrier = c.id
            ORDER BY cw.id DESC LIMIT 1) s ON true
    WHERE w.id = p_wave GROUP BY c.id ORDER BY c.id
$$;
-- Whether messages of a wave to this carrier may leave. Asked at each claim and in each intent; by key.
CREATE FUNCTION canary_open(p_wave bigint, p_carrier smallint) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT (SELECT canary FROM wave WHERE id = p_wave) IS NULL OR coalesce((SELECT word = 'right' FROM canary_word
        WHERE wave = p_wave AND carrier = p_carrier ORDER BY id DESC LIMIT 1), false)
$$;
-- "Right" is said of a text that arrived on each seed phone; despite that only by an approver who is not the author.
CREATE FUNCTION refuse_blind_word() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.word = 'right' AND NOT (CASE WHEN new.despite THEN EXISTS (SELECT FROM person p, wave w WHERE p.login = new.person
            AND 'approver' = ANY (p.roles) AND p.disabled_at IS NULL AND w.id = new.wave AND w.author <> p.login)
        ELSE EXISTS (SELECT FROM canary_standing(new.wave) s WHERE s.carrier = new.carrier AND s.arrived = s.n AND s.n > 0) END) THEN
        RAISE EXCEPTION 'the canary of wave % has not arrived', new.wave USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER seen BEFORE INSERT ON canary_word FOR EACH ROW EXECUTE FUNCTION refuse_blind_word();
-- The last line of defence, as for budgets: whoever writes an intent.
CREATE FUNCTION refuse_before_canary() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT canary_open(new.wave, (SELECT carrier FROM batch WHERE wave = new.wave AND kind = new.kind AND seq = new.batch)) THEN
        RAISE EXCEPTION 'wave % waits for its canary', new.wave USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER after_canary AFTER INSERT ON send_window FOR EACH ROW WHEN (current_user = '{app}')
    EXECUTE FUNCTION refuse_before_canary();

GRANT SELECT, INSERT ON seed_list, canary_word TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
