-- A person who lost the password or the phone begins anew (docs/console.md): one operator asks, another one agrees, and
-- in that moment password, authenticator, sessions and open links of the person end, whoever wrote the row.
ALTER TABLE password ADD COLUMN ended_at timestamptz;
ALTER TABLE authenticator ADD COLUMN ended_at timestamptz;
CREATE TABLE person_reset (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person     text NOT NULL REFERENCES person,
    reason     text NOT NULL CHECK (btrim(reason) <> ''),
    asked_by   text NOT NULL REFERENCES person,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    agreed_by  text REFERENCES person,
    agreed_at  timestamptz,
    alone      boolean NOT NULL DEFAULT false,            -- on the command line, where no second operator is there to agree
    dropped_by text REFERENCES person,
    dropped_at timestamptz,
    CONSTRAINT not_oneself CHECK (person NOT IN (asked_by, agreed_by, dropped_by)),
    CONSTRAINT another_person CHECK (agreed_by <> asked_by OR alone),
    CONSTRAINT agreed_whole CHECK ((agreed_by IS NULL) = (agreed_at IS NULL)),
    CONSTRAINT dropped_whole CHECK ((dropped_by IS NULL) = (dropped_at IS NULL)),
    CONSTRAINT decided_once CHECK (agreed_at IS NULL OR dropped_at IS NULL)
);
CREATE UNIQUE INDEX reset_waits ON person_reset (person) WHERE agreed_at IS NULL AND dropped_at IS NULL;
-- Operators who may decide on this person; the person itself never.
CREATE FUNCTION other_operators(p_person text) RETURNS text[] LANGUAGE sql VOLATILE AS $$
    SELECT array(SELECT login FROM person WHERE disabled_at IS NULL AND 'operator' = ANY (roles) AND login <> p_person)
$$;
CREATE FUNCTION end_credentials() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF new.agreed_at IS NULL THEN RETURN new; END IF;
    IF NOT new.agreed_by = ANY (other_operators(new.person)) THEN
        RAISE EXCEPTION '% may not agree to this', new.agreed_by USING ERRCODE = 'check_violation';
    END IF;
    IF new.alone AND cardinality(other_operators(new.person)) > 1 THEN
        RAISE EXCEPTION 'there is a second operator' USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('sign in'), hashtext(new.person));   -- a try that is looked at now is before this
    UPDATE password SET ended_at = clock_timestamp() WHERE person = new.person AND ended_at IS NULL;
    UPDATE authenticator SET ended_at = clock_timestamp() WHERE person = new.person AND ended_at IS NULL;
    UPDATE web_session SET ended_at = clock_timestamp() WHERE person = new.person AND ended_at IS NULL;
    UPDATE invitation SET used_at = clock_timestamp() WHERE person = new.person AND used_at IS NULL;
    RETURN new;
END $$;
CREATE TRIGGER ends BEFORE UPDATE ON person_reset FOR EACH ROW EXECUTE FUNCTION end_credentials();
CREATE TRIGGER decided BEFORE UPDATE ON person_reset FOR EACH ROW
    WHEN (old.agreed_at IS NOT NULL OR old.dropped_at IS NOT NULL) EXECUTE FUNCTION refuse_decided();
REVOKE ALL ON FUNCTION end_credentials() FROM PUBLIC;
GRANT SELECT, INSERT (person, reason, asked_by), UPDATE (agreed_by, agreed_at, alone, dropped_by, dropped_at)
    ON person_reset TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
