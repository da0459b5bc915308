-- The letter's own file, kept with its draft: a newer one is a newer row, none is changed or taken away. The bytes lie
-- sealed in the data folder under their SHA-256.
CREATE TABLE draft_file (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    draft  bigint NOT NULL REFERENCES draft,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    name   text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    media  text NOT NULL CHECK (media IN ('application/pdf', 'text/plain', 'image/png', 'image/jpeg',
        'application/vnd.openxmlformats-officedocument.wordprocessingml.document')),   -- found from its first bytes
    bytes  bigint NOT NULL CHECK (bytes > 0),
    lines  integer NOT NULL CHECK (lines >= 0),      -- that were read from it; 0: a scan
    person text NOT NULL REFERENCES person,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pictures_are_not_read CHECK (lines = 0 OR media NOT LIKE 'image/%')
);
CREATE INDEX ON draft_file (draft, id);

-- A draft that was submitted or deleted takes no file, as it takes no version.
CREATE FUNCTION refuse_file() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was draft_state;
BEGIN
    SELECT state INTO was FROM draft WHERE id = new.draft FOR UPDATE;
    IF was <> 'open' THEN
        RAISE EXCEPTION 'draft % is %: it takes no file', new.draft, was USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER open BEFORE INSERT ON draft_file FOR EACH ROW EXECUTE FUNCTION refuse_file();

GRANT SELECT, INSERT (draft, sha256, name, media, bytes, lines, person) ON draft_file TO {app};
REVOKE ALL ON FUNCTION refuse_file() FROM PUBLIC;
