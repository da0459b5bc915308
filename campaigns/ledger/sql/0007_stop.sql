-- The kill switch (docs/control.md, section 4): one open row stops all sending, and only two persons close it.

CREATE TABLE halt (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    by         text NOT NULL,                    -- a person, or 'file'
    reason     text NOT NULL,
    asked_by   text REFERENCES person,           -- who says that sending may go on
    asked_why  text NOT NULL DEFAULT '',
    asked_at   timestamptz,
    lifted_by  text REFERENCES person,           -- the second person, who agrees
    lifted_why text NOT NULL DEFAULT '',
    lifted_at  timestamptz,
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
    CHECK (lifted_by IS NULL OR coalesce(lifted_by <> asked_by, false))
);
CREATE UNIQUE INDEX halt_open ON halt ((true)) WHERE lifted_at IS NULL;
GRANT SELECT, INSERT, UPDATE (asked_by, asked_why, asked_at, lifted_by, lifted_why, lifted_at) ON halt TO {app};

-- T1 looks at installation.locked_reason. Its line of the kill switch stays for as long as the row is open.
CREATE FUNCTION stop_all(p_by text, p_reason text) RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    made bigint; said text := regexp_replace(p_reason, '\s+', ' ', 'g');
BEGIN
    PERFORM FROM installation FOR UPDATE;
    INSERT INTO halt (by, reason) VALUES (p_by, said) ON CONFLICT ((true)) WHERE lifted_at IS NULL DO NOTHING RETURNING id INTO made;
    IF made IS NULL THEN RETURN false; END IF;
    UPDATE installation SET locked_reason = concat_ws(E'\n', nullif(locked_reason, ''), 'stop: by ' || p_by || ': ' || said);
    INSERT INTO audit (person, act, subject, details) VALUES (p_by, 'sending.stop', 'installation', jsonb_build_object('reason', said));
    PERFORM pg_notify('dispatcher', '{}');
    RETURN true;
END $$;
CREATE FUNCTION keep_stop() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM halt WHERE lifted_at IS NULL) THEN
        RAISE EXCEPTION 'the kill switch is on: two persons lift it' USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER keep_stop BEFORE UPDATE OF locked_reason ON installation FOR EACH ROW
    WHEN (new.locked_reason !~ '(^|\n)stop:') EXECUTE FUNCTION keep_stop();
