-- What people agreed to change of the installation's files (docs/decisions/021-settings.md): one proposes, another one
-- agrees. The files are what an installation begins with; a row replaces one entry of one file from a day on.
CREATE TYPE setting_topic AS ENUM ('hotline', 'price');
CREATE TABLE setting_change (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic        setting_topic NOT NULL,
    subject      text NOT NULL CHECK (subject <> ''),       -- a hotline's number, an account's name
    version      integer NOT NULL CHECK (version > 0),      -- of this subject
    value        jsonb NOT NULL,
    effective_on date NOT NULL,                             -- in the province
    reason       text NOT NULL CHECK (reason <> ''),
    proposed_by  text NOT NULL REFERENCES person,
    proposed_at  timestamptz NOT NULL DEFAULT now(),
    agreed_by    text REFERENCES person,
    agreed_at    timestamptz,
    tested       text NOT NULL DEFAULT '',                  -- of a hotline: who answered when it was dialled
    dropped_by   text REFERENCES person,
    dropped_at   timestamptz,
    UNIQUE (topic, subject, version),
    CONSTRAINT another_person CHECK (agreed_by <> proposed_by),
    CONSTRAINT agreed_whole CHECK ((agreed_by IS NULL) = (agreed_at IS NULL)),
    CONSTRAINT dropped_whole CHECK ((dropped_by IS NULL) = (dropped_at IS NULL)),
    CONSTRAINT decided_once CHECK (agreed_at IS NULL OR dropped_at IS NULL),
    CONSTRAINT hotline_dialled CHECK (topic <> 'hotline' OR agreed_at IS NULL OR tested <> ''),
    CONSTRAINT price_is_dong CHECK (topic <> 'price' OR coalesce((value ->> 'price')::bigint >= 0, false)),
    -- nothing changes what was in force on a day that is over
    CONSTRAINT not_backwards CHECK ((agreed_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date <= effective_on)
);
CREATE UNIQUE INDEX setting_waits ON setting_change (topic, subject) WHERE agreed_at IS NULL AND dropped_at IS NULL;
CREATE FUNCTION refuse_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'change % is decided and stays as it is', old.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER setting_decided BEFORE UPDATE ON setting_change FOR EACH ROW
    WHEN (old.agreed_at IS NOT NULL OR old.dropped_at IS NOT NULL) EXECUTE FUNCTION refuse_decided();
GRANT SELECT, INSERT (topic, subject, version, value, effective_on, reason, proposed_by),
    UPDATE (agreed_by, agreed_at, tested, dropped_by, dropped_at) ON setting_change TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
