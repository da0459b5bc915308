-- Deputies of approvers (docs/decisions/022-who-approves.md). While the dates run, an approver and the deputy count as ONE person:
-- what one may not approve the other may not, and the two give one approval of a plan.
CREATE TABLE deputy (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    principal    text NOT NULL REFERENCES person,
    person       text NOT NULL REFERENCES person,          -- who stands in
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL,                     -- the first moment after it
    reason       text NOT NULL CHECK (btrim(reason) <> ''),
    named_at     timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,
    withdrawn_by text REFERENCES person,
    CHECK (person <> principal),
    CHECK (since < until AND until <= since + interval '93 days'),
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL)),
    EXCLUDE USING gist (principal WITH =, tstzrange(since, until) WITH &&) WHERE (withdrawn_at IS NULL),
    EXCLUDE USING gist (person WITH =, tstzrange(since, until) WITH &&) WHERE (withdrawn_at IS NULL)
);
GRANT SELECT, INSERT ON deputy TO {app};
GRANT UPDATE (withdrawn_at, withdrawn_by) ON deputy TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};

-- A deputy has no deputy, so there is no chain and no circle; an approver names whoever drafts or approves, nobody else.
CREATE FUNCTION refuse_deputy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('deputy'));      -- two that are named at once see each other
    IF NOT EXISTS (SELECT FROM person WHERE login = new.principal AND disabled_at IS NULL AND 'approver' = ANY (roles)) THEN
        RAISE EXCEPTION 'only an approver has a deputy' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM person WHERE login = new.person AND disabled_at IS NULL AND roles && ARRAY['approver','officer']) THEN
        RAISE EXCEPTION 'only an approver or an officer can be a deputy' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM deputy WHERE withdrawn_at IS NULL AND tstzrange(since, until) && tstzrange(new.since, new.until)
            AND (principal = new.person OR person = new.principal)) THEN
        RAISE EXCEPTION 'a deputy has no deputy' USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER no_chain BEFORE INSERT ON deputy FOR EACH ROW EXECUTE FUNCTION refuse_deputy();
CREATE FUNCTION refuse_undoing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a deputy that was withdrawn stays withdrawn' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER once BEFORE UPDATE ON deputy FOR EACH ROW WHEN (old.withdrawn_at IS NOT NULL) EXECUTE FUNCTION refuse_undoing();

-- For whom a person may approve now; NULL: for nobody. It ends with the dates, and with the principal's own right.
CREATE FUNCTION principal_of(p_person text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT d.principal FROM deputy d JOIN person p ON p.login = d.principal
    WHERE d.person = p_person AND d.withdrawn_at IS NULL AND d.since <= clock_timestamp() AND clock_timestamp() < d.until
        AND p.disabled_at IS NULL AND 'approver' = ANY (p.roles)
$$;
-- A person's roles now: 'deputy' is one only while it lasts.
CREATE FUNCTION roles_now(p person) RETURNS text[] LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN principal_of(p.login) IS NULL THEN p.roles ELSE p.roles || 'deputy'::text END
$$;
-- Everybody who counts as one person with this one now.
CREATE FUNCTION as_one(p_person text) RETURNS text[] LANGUAGE sql VOLATILE AS $$
    SELECT p_person || array(SELECT unnest(ARRAY[principal, person]) FROM deputy WHERE p_person IN (principal, person)
        AND withdrawn_at IS NULL AND since <= clock_timestamp() AND clock_timestamp() < until)
$$;

-- Approvals: for whom, written by the database alone.
ALTER TABLE approval ADD COLUMN stands_for text REFERENCES person;
ALTER TABLE order_approval ADD COLUMN stands_for text REFERENCES person;
CREATE FUNCTION may_approve(p_person text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (SELECT FROM person p WHERE p.login = p_person AND p.disabled_at IS NULL
        AND roles_now(p) && ARRAY['approver','deputy'])
$$;
CREATE FUNCTION refuse_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    w wave; one text[] := as_one(new.person);
BEGIN
    SELECT * INTO w FROM wave WHERE id = new.wave FOR UPDATE;        -- two at once are looked at in turn
    -- a canary takes over the approvals of the wave that waits for it, whatever has ended since
    SELECT a.stands_for INTO new.stands_for FROM wave p JOIN approval a ON a.wave = p.id AND a.plan_hash = p.plan_hash
        WHERE p.canary = new.wave AND a.person = new.person;
    IF FOUND THEN RETURN new; END IF;
    new.stands_for := principal_of(new.person);
    IF NOT may_approve(new.person) THEN
        RAISE EXCEPTION '% may approve nothing now', new.person USING ERRCODE = 'check_violation';
    END IF;
    IF one && ARRAY[w.author, w.reopened_by] THEN
        RAISE EXCEPTION 'nobody approves what is of his own, nor through a deputy' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM approval WHERE wave = new.wave AND plan_hash = new.plan_hash AND person <> new.person
            AND (person = ANY (one) OR stands_for = ANY (one))) THEN
        RAISE EXCEPTION 'a deputy and the principal give one approval' USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
DROP TRIGGER own_hours ON approval;                                  -- this one says it too
DROP FUNCTION refuse_own_hours();
CREATE TRIGGER one_voice BEFORE INSERT ON approval FOR EACH ROW EXECUTE FUNCTION refuse_approval();
CREATE FUNCTION refuse_order_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    o carrier_order; one text[] := as_one(new.person);
BEGIN
    SELECT * INTO o FROM carrier_order WHERE id = new.order_id FOR UPDATE;
    new.stands_for := principal_of(new.person);
    IF NOT may_approve(new.person) OR o.author = ANY (one) THEN
        RAISE EXCEPTION '% may not approve this order', new.person USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM order_approval WHERE order_id = new.order_id AND plan_hash = new.plan_hash AND person <> new.person
            AND (person = ANY (one) OR stands_for = ANY (one))) THEN
        RAISE EXCEPTION 'a deputy and the principal give one approval' USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER one_voice BEFORE INSERT ON order_approval FOR EACH ROW EXECUTE FUNCTION refuse_order_approval();

-- T1 counts persons, and a deputy with the principal once, whatever stands in the table.
DO $do$
DECLARE
    was text; became text;
BEGIN
    was := pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'take_window' AND pronamespace = 'public'::regnamespace));
    became := replace(replace(was, 'SELECT count(*) FROM approval ap', 'SELECT count(DISTINCT coalesce(ap.stands_for, ap.person)) FROM approval ap'),
        'AND ap.person <> w.author', 'AND ap.person <> w.author AND ap.stands_for IS DISTINCT FROM w.author');
    IF became = was OR position('ap.stands_for IS DISTINCT' IN became) = 0 THEN RAISE EXCEPTION 'T1 is another than this change knows'; END IF;
    EXECUTE became;
END $do$;
