-- Trial mode (docs/control.md, section 10): an account that is new, or put back, sends only to numbers of its allow-list,
-- until one person asks for it to go live and an approver, who is another one, agrees.

CREATE TABLE account_trial (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account   text NOT NULL REFERENCES account,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    by        text NOT NULL,                      -- a person, or 'dispatcher': the account is new, or another one by its name
    reason    text NOT NULL,
    asked_by  text REFERENCES person,             -- who says that it may go live
    asked_why text NOT NULL DEFAULT '',
    asked_at  timestamptz,
    live_by   text REFERENCES person,             -- the second person, who agrees
    live_why  text NOT NULL DEFAULT '',
    live_at   timestamptz,
    CHECK ((asked_at IS NULL) = (asked_by IS NULL)),
    CHECK ((live_at IS NULL) = (live_by IS NULL)),
    CHECK (live_by IS NULL OR coalesce(live_by <> asked_by, false))
);
CREATE UNIQUE INDEX account_trial_open ON account_trial (account) WHERE live_at IS NULL;
-- Whom it may reach meanwhile, by the installation's hash. As for suppression_entry: the program's role cannot read it.
CREATE TABLE trial_number (
    account     text NOT NULL REFERENCES account,
    number_hash bytea NOT NULL CHECK (length(number_hash) = 16),
    person      text NOT NULL REFERENCES person,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, number_hash)
);
-- Asked first, agreed to afterwards, by an approver; what was decided stays as it is. Nobody enters a trial as over.
CREATE FUNCTION keep_trial() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' THEN
        IF new.asked_by IS NULL AND new.live_by IS NULL THEN RETURN new; END IF;
    ELSIF old.live_at IS NULL AND (new.live_by IS NULL OR new.asked_by IS NOT DISTINCT FROM old.asked_by
            AND EXISTS (SELECT FROM person WHERE login = new.live_by AND 'approver' = ANY (roles) AND disabled_at IS NULL)) THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'account % goes live by two persons, the second an approver', new.account USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER two_persons BEFORE INSERT OR UPDATE ON account_trial FOR EACH ROW EXECUTE FUNCTION keep_trial();

CREATE FUNCTION in_trial(p_account text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM account_trial t WHERE t.account = p_account AND t.live_at IS NULL)
$$;
-- Back into trial, by one person alone: what was taken and has not left is given back, as by a pause. An intent holds its
-- wave's row: it is either before this, or refused for its stop_seq.
CREATE FUNCTION stop_account_waves(p_account text) RETURNS void LANGUAGE sql AS $$
    UPDATE wave SET stop_seq = stop_seq + 1 WHERE state = 'running' AND EXISTS (SELECT FROM batch WHERE wave = wave.id AND account = p_account);
    SELECT pg_notify('dispatcher', '{}')
$$;
CREATE FUNCTION enter_trial(p_account text, p_by text, p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    made bigint;
BEGIN
    INSERT INTO account_trial (account, by, reason) VALUES (p_account, p_by, p_reason)
        ON CONFLICT (account) WHERE live_at IS NULL DO NOTHING RETURNING id INTO made;
    IF made IS NULL THEN RETURN false; END IF;
    PERFORM stop_account_waves(p_account);
    INSERT INTO audit (person, act, subject, details) VALUES (p_by, 'account.trial', p_account, jsonb_build_object('reason', p_reason));
    RETURN true;
END $$;
-- A new account, and one that is another carrier's under the same name. A rehearsal's reach nobody: they are live.
CREATE FUNCTION begin_in_trial() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT coalesce((SELECT rehearsal FROM installation), false) THEN
        PERFORM enter_trial(new.name, 'dispatcher', CASE tg_op WHEN 'INSERT' THEN 'new' ELSE 'changed' END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER new_in_trial AFTER INSERT ON account FOR EACH ROW EXECUTE FUNCTION begin_in_trial();
CREATE TRIGGER changed_in_trial AFTER UPDATE OF provider, simulated ON account FOR EACH ROW
    WHEN ((old.provider, old.simulated) IS DISTINCT FROM (new.provider, new.simulated)) EXECUTE FUNCTION begin_in_trial();

-- The list: our own phones, so it is short. Whoever is taken off gets nothing more, also of what is taken already.
CREATE FUNCTION trial_allow(p_account text, p_hashes bytea[], p_person text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    added integer;
BEGIN
    PERFORM pg_advisory_xact_lock(20240733, hashtext(p_account));
    INSERT INTO trial_number (account, number_hash, person) SELECT DISTINCT p_account, h, p_person FROM unnest(p_hashes) AS h
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF (SELECT count(*) FROM trial_number WHERE account = p_account) > 100 THEN
        RAISE EXCEPTION 'an allow-list holds 100 numbers at most' USING ERRCODE = 'check_violation';
    END IF;
    RETURN added;
END $$;
CREATE FUNCTION trial_disallow(p_account text, p_hashes bytea[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    removed integer;
BEGIN
    PERFORM pg_advisory_xact_lock(20240733, hashtext(p_account));
    DELETE FROM trial_number WHERE account = p_account AND number_hash = ANY (p_hashes);
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed > 0 AND in_trial(p_account) THEN PERFORM stop_account_waves(p_account); END IF;
    RETURN removed;
END $$;
CREATE FUNCTION trial_counts() RETURNS TABLE (account text, n bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.account, count(*) FROM trial_number t GROUP BY t.account
$$;

-- Whether what a batch has left holds somebody of its account's list. By keys, from the list on: at most 100 people.
CREATE FUNCTION trial_some(p_wave bigint, p_kind batch_kind, p_seq integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM batch b JOIN trial_number t ON t.account = b.account
        JOIN wave_person p ON p.number_hash = t.number_hash AND p.wave = b.wave
        WHERE b.wave = p_wave AND b.kind = p_kind AND b.seq = p_seq AND CASE b.kind
            WHEN 'first' THEN p.message_no >= b.cursor AND p.message_no < b.hi
            ELSE EXISTS (SELECT FROM retry_item r WHERE r.wave = b.wave AND r.message_no = p.message_no AND r.batch = b.seq
                AND r.idx >= b.cursor) END)
$$;
-- Whether anything of a batch may leave now, as far as a trial says. Asked at each claim and in each intent.
CREATE FUNCTION trial_open(b batch) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT in_trial(b.account) OR trial_some(b.wave, b.kind, b.seq)
$$;
-- Who of a window is not on the list and would get the text. By keys, at most a window of rows.
CREATE FUNCTION trial_strangers(p_account text, p_wave bigint, p_kind batch_kind, p_seq integer, p_lo integer, p_hi integer, p_skip bytea)
RETURNS TABLE (idx integer, no integer, attempt smallint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.* FROM (
        SELECT no AS idx, no, 1::smallint AS attempt FROM generate_series(p_lo, p_hi - 1) AS no WHERE p_kind = 'first'
        UNION ALL SELECT r.idx, r.message_no, r.attempt FROM retry_item r
            WHERE p_kind = 'retry' AND r.wave = p_wave AND r.batch = p_seq AND r.idx >= p_lo AND r.idx < p_hi) e
    WHERE (p_skip = '' OR get_bit(p_skip, e.idx - p_lo) = 0) AND NOT EXISTS (SELECT FROM wave_person p
        JOIN trial_number t ON t.number_hash = p.number_hash AND t.account = p_account WHERE p.wave = p_wave AND p.message_no = e.no)
$$;
-- In T1, under the fold's lock: strangers of the window wait in a batch of their own, as another attempt of theirs, and
-- this attempt is skipped; so the cursor passes them, no sum changes and nobody is lost. Returns the new bitmap.
CREATE FUNCTION trial_aside(p_account text, p_wave bigint, p_kind batch_kind, p_seq integer, p_lo integer, p_hi integer, p_skip bytea)
RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    at integer[]; nos integer[]; attempts smallint[]; map bytea; i integer; s integer;
BEGIN
    SELECT array_agg(idx ORDER BY idx), array_agg(no ORDER BY idx), array_agg(attempt ORDER BY idx) INTO at, nos, attempts
        FROM trial_strangers(p_account, p_wave, p_kind, p_seq, p_lo, p_hi, p_skip);
    IF at IS NULL THEN RETURN p_skip; END IF;
    INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor, not_before, class)
        SELECT p_wave, 'retry', (SELECT coalesce(max(seq) + 1, 0) FROM batch WHERE wave = p_wave AND kind = 'retry'), account, carrier,
            cardinality(at), cardinality(at), 0, clock_timestamp(), 'trial' FROM batch WHERE wave = p_wave AND kind = p_kind AND seq = p_seq
        RETURNING seq INTO s;
    INSERT INTO retry_item (wave, batch, idx, message_no, attempt)
        SELECT p_wave, s, t.ord - 1, t.no, t.attempt + 1 FROM unnest(nos, attempts) WITH ORDINALITY AS t (no, attempt, ord);
    EXECUTE format('UPDATE message_%s SET attempt = attempt + 1 WHERE no = ANY ($1)', p_wave) USING nos;
    map := CASE WHEN p_skip = '' THEN decode(repeat('00', (p_hi - p_lo + 7) / 8), 'hex') ELSE p_skip END;
    FOREACH i IN ARRAY at LOOP map := set_bit(map, i - p_lo, 1); END LOOP;
    RETURN map;
END $$;
-- The last line of defence, as for budgets: whoever writes an intent.
CREATE FUNCTION refuse_in_trial() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF in_trial(new.account) AND EXISTS (SELECT FROM trial_strangers(new.account, new.wave, new.kind, new.batch, new.lo, new.hi, new.skip)) THEN
        RAISE EXCEPTION 'account % is in trial: only numbers of its list', new.account USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_trial AFTER INSERT ON send_window FOR EACH ROW WHEN (current_user = '{app}')
    EXECUTE FUNCTION refuse_in_trial();

-- T1 sets strangers aside; a route goes on by an account that is live; who waits for a trial is told, not called stalled.
DO $do$
DECLARE
    was text; became text; change text[];
BEGIN
    FOREACH change SLICE 1 IN ARRAY ARRAY[
        ['take_window', $q$ELSE 'ok' END;$q$,
            $q$WHEN in_trial(a.name) AND NOT pg_try_advisory_xact_lock(p_wave) THEN 'turn'      -- the fold counts attempts too
        WHEN NOT trial_open(b) THEN 'trial'
        ELSE 'ok' END;$q$],
        ['take_window', 'skipped := skip_bitmap(p_wave, p_kind, p_seq, p_lo, taken_to);',
            $q$skipped := skip_bitmap(p_wave, p_kind, p_seq, p_lo, taken_to);
    IF in_trial(a.name) THEN skipped := trial_aside(a.name, p_wave, p_kind, p_seq, p_lo, taken_to, skipped); END IF;$q$],
        ['fail_over', 'AND NOT route_stopped(r.account, b.carrier, b.wave)',
            'AND NOT route_stopped(r.account, b.carrier, b.wave) AND NOT in_trial(r.account)'],
        ['fail_over', 'OR route_stopped(b.account, b.carrier, b.wave))',
            'OR route_stopped(b.account, b.carrier, b.wave) OR NOT trial_open(b))'],
        ['alerts_now', 'AND canary_open(w.id, carrier)) b', 'AND canary_open(w.id, carrier) AND NOT in_trial(account)) b'],
        ['alerts_now', $q$SELECT 'closing', w.id::text$q$,
            $q$SELECT 'trial', w.id::text, jsonb_build_object('name', w.name, 'waiting', b.n, 'accounts', b.accounts)
    FROM wave w, LATERAL (SELECT sum(hi - cursor)::bigint AS n, array_to_string(array_agg(DISTINCT account), ', ') AS accounts
        FROM batch WHERE wave = w.id AND cursor < hi AND in_trial(account)) b
    WHERE w.state = 'running' AND b.n > 0
    UNION ALL
    SELECT 'closing', w.id::text$q$]]
    LOOP
        was := pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = change[1] AND pronamespace = 'public'::regnamespace));
        became := replace(was, change[2], change[3]);
        IF became = was THEN RAISE EXCEPTION '% is another than this change knows', change[1]; END IF;
        EXECUTE became;
    END LOOP;
END $do$;

-- By account in trial and carrier: what of a wave waits there, how many of these are on the list, and which live account of
-- the route the others go to; NULL: they wait. Reads batches of the wave, and the list from its people on.
CREATE FUNCTION trial_standing(p_wave bigint) RETURNS TABLE (account text, carrier text, waiting bigint, allowed bigint, next text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.account, c.name, b.waiting, (
            SELECT count(DISTINCT p.message_no) FROM trial_number t
            JOIN wave_person p ON p.number_hash = t.number_hash AND p.wave = p_wave
            JOIN batch f ON f.wave = p_wave AND f.account = b.account AND f.carrier = b.carrier AND f.cursor < f.hi
            WHERE t.account = b.account AND CASE f.kind WHEN 'first' THEN p.message_no >= f.cursor AND p.message_no < f.hi
                ELSE EXISTS (SELECT FROM retry_item r WHERE r.wave = p_wave AND r.message_no = p.message_no AND r.batch = f.seq
                    AND r.idx >= f.cursor) END),
        (SELECT r.account FROM jsonb_array_elements_text(w.plan -> 'routes' -> c.name) WITH ORDINALITY AS r (account, no)
            JOIN account o ON o.name = r.account AND o.enabled WHERE NOT in_trial(r.account) ORDER BY r.no LIMIT 1)
    FROM wave w, (SELECT account, carrier, sum(hi - cursor)::bigint AS waiting FROM batch
            WHERE wave = p_wave AND cursor < hi AND in_trial(account) GROUP BY account, carrier) b
        JOIN carrier c ON c.id = b.carrier
    WHERE w.id = p_wave ORDER BY b.account, c.id
$$;

-- An account that has sent for real is live; one whose answers nobody has in this ledger begins anew.
CREATE FUNCTION has_sent(p_account text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    w bigint; found_one boolean;
BEGIN
    FOR w IN SELECT DISTINCT wave FROM send_window WHERE account = p_account LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM log_%s l JOIN send_window s ON s.id = l."window" WHERE s.account = $1
            AND l.outcome >= 5)', w) INTO found_one USING p_account;
        IF found_one THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
REVOKE ALL ON FUNCTION has_sent(text) FROM PUBLIC;
SELECT enter_trial(name, 'dispatcher', 'new') FROM account WHERE NOT (SELECT rehearsal FROM installation) AND NOT has_sent(name);

GRANT SELECT, INSERT, UPDATE (asked_by, asked_why, asked_at, live_by, live_why, live_at) ON account_trial TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
REVOKE ALL ON FUNCTION trial_allow(text, bytea[], text), trial_disallow(text, bytea[]), trial_counts(), trial_standing(bigint),
    trial_some(bigint, batch_kind, integer), trial_strangers(text, bigint, batch_kind, integer, integer, integer, bytea),
    trial_aside(text, bigint, batch_kind, integer, integer, integer, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trial_allow(text, bytea[], text), trial_disallow(text, bytea[]), trial_counts(), trial_standing(bigint),
    trial_some(bigint, batch_kind, integer), trial_strangers(text, bigint, batch_kind, integer, integer, integer, bytea),
    trial_aside(text, bigint, batch_kind, integer, integer, integer, bytea) TO {app};
