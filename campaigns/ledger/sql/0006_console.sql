-- Signing in to the pages: invitations, passwords, authenticators, tries and sessions. No secret stands here in clear:
-- what was shown to a person is kept as its digest, a password as its argon2id hash, an authenticator sealed.
CREATE TABLE invitation (
    digest     bytea PRIMARY KEY CHECK (length(digest) = 32),
    person     text NOT NULL REFERENCES person,
    made_by    text NOT NULL REFERENCES person,
    made_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE TABLE password (                          -- the newest of a person counts
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person text NOT NULL REFERENCES person,
    hash   text NOT NULL CHECK (hash LIKE '$argon2id$%'),
    at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON password (person, id);
CREATE TABLE authenticator (                     -- the newest confirmed one of a person counts
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person       text NOT NULL REFERENCES person,
    sealed       bytea NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    last_step    bigint NOT NULL DEFAULT 0       -- 30 s steps since 1970: a code is good once
);
CREATE INDEX ON authenticator (person, id);
CREATE TABLE sign_in (                           -- every try that was looked at; refused ones beyond the limit are not
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    person  text REFERENCES person,              -- null: nobody of that name
    address text NOT NULL,
    what    text NOT NULL CHECK (what IN ('password', 'code')),
    passed  boolean NOT NULL
);
CREATE INDEX ON sign_in (person, at);
CREATE INDEX ON sign_in (address, at);
CREATE TABLE web_session (
    digest   bytea PRIMARY KEY CHECK (length(digest) = 32),
    person   text NOT NULL REFERENCES person,
    address  text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    seen_at  timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX ON web_session (person) WHERE ended_at IS NULL;

GRANT SELECT, INSERT ON invitation, password, authenticator, sign_in, web_session TO {app};
GRANT UPDATE (used_at) ON invitation TO {app};
GRANT UPDATE (confirmed_at, last_step) ON authenticator TO {app};
GRANT UPDATE (seen_at, ended_at) ON web_session TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
