-- Drafts of campaigns: what people type before a definition is made of it. Every saving is a version; none is changed.
-- {draft_guard} is generated from campaigns/drafting.py.

CREATE TYPE draft_state AS ENUM ('open', 'submitted', 'deleted');

CREATE TABLE draft (
    id       bigint PRIMARY KEY,                 -- random 63 bit
    author   text NOT NULL REFERENCES person,
    state    draft_state NOT NULL DEFAULT 'open',   -- moved by draft_event's trigger only
    began_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE draft_version (
    draft   bigint NOT NULL REFERENCES draft,
    version integer NOT NULL CHECK (version > 0),
    step    text NOT NULL CHECK (step IN ('letter', 'text', 'people', 'schedule')),
    fields  jsonb NOT NULL CHECK (jsonb_typeof(fields) = 'object'),   -- all of them, as typed
    person  text NOT NULL REFERENCES person,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (draft, version)
);
-- Every step of a draft's life. Inserting one is the only way to another state.
CREATE TABLE draft_event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    draft   bigint NOT NULL,
    version integer NOT NULL,                    -- what it was when this was done
    state   draft_state NOT NULL,
    person  text NOT NULL REFERENCES person,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    details jsonb NOT NULL,                      -- of a submission: campaign, version, waves, orders
    FOREIGN KEY (draft, version) REFERENCES draft_version
);
CREATE INDEX ON draft_event (draft, id);

-- A version follows the newest one and no other, and a draft that was submitted or deleted takes none.
CREATE FUNCTION refuse_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was draft_state; newest integer;
BEGIN
    SELECT state INTO was FROM draft WHERE id = new.draft FOR UPDATE;
    SELECT coalesce(max(version), 0) INTO newest FROM draft_version WHERE draft = new.draft;
    IF was <> 'open' THEN
        RAISE EXCEPTION 'draft % is %: it takes no version', new.draft, was USING ERRCODE = 'check_violation';
    END IF;
    IF new.version <> newest + 1 THEN
        RAISE EXCEPTION 'draft % is at version %, not before %', new.draft, newest, new.version
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON draft_version FOR EACH ROW EXECUTE FUNCTION refuse_version();

CREATE FUNCTION move_draft() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was draft_state;
BEGIN
    SELECT state INTO was FROM draft WHERE id = new.draft FOR UPDATE;
    IF {draft_guard} OR was = new.state THEN
        RAISE EXCEPTION 'draft % may not go from state % to %', new.draft, was, new.state USING ERRCODE = 'check_violation';
    END IF;
    IF new.version <> (SELECT max(version) FROM draft_version WHERE draft = new.draft) THEN
        RAISE EXCEPTION 'draft %: version % is not its newest', new.draft, new.version USING ERRCODE = 'check_violation';
    END IF;
    IF was = 'deleted' AND (SELECT at FROM draft_event WHERE draft = new.draft ORDER BY id DESC LIMIT 1) < now() - interval '30 days' THEN
        RAISE EXCEPTION 'draft % was deleted more than 30 days ago', new.draft USING ERRCODE = 'check_violation';
    END IF;
    UPDATE draft SET state = new.state WHERE id = new.draft;
    RETURN new;
END $$;
CREATE TRIGGER moves BEFORE INSERT ON draft_event FOR EACH ROW EXECUTE FUNCTION move_draft();

-- What the cell of a row said that was not accepted, digits covered as in every log.
ALTER TABLE audience_verdict ADD COLUMN cell text NOT NULL DEFAULT '' CHECK (length(cell) <= 60);

GRANT SELECT, INSERT (id, author, began_at) ON draft TO {app};
GRANT SELECT, INSERT ON draft_version, draft_event TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
REVOKE ALL ON FUNCTION refuse_version(), move_draft() FROM PUBLIC;
