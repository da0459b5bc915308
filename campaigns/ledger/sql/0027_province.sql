-- Signing in by the province's accounts (docs/console.md): which subject of an issuer is which person, and proofs that were
-- used. A subject is tied to a person at its first sign-in, by the address that an operator gave the person, and stays so.
CREATE TABLE province_subject (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer   text NOT NULL,
    subject  text NOT NULL CHECK (subject <> '' AND length(subject) <= 255),
    person   text NOT NULL REFERENCES person,
    at       timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX province_subject_one ON province_subject (issuer, subject) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX province_subject_person ON province_subject (issuer, person) WHERE ended_at IS NULL;
CREATE TABLE province_proof (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),   -- of the nonce: each sign-in is good once
    at     timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE web_session ADD COLUMN way text NOT NULL DEFAULT 'password' CHECK (way IN ('password', 'province'));
GRANT SELECT, INSERT ON province_subject, province_proof TO {app};
GRANT UPDATE (ended_at) ON province_subject TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
