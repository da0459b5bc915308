-- Where a person is reached, and letters that ask for an approval: one for each plan and person, never a second one.
ALTER TABLE person ADD COLUMN email text
    CHECK (length(email) <= 254 AND email ~ '^[a-z0-9.!#$%&''*+/=?^_`{|}~-]+@[a-z0-9]([a-z0-9.-]*[a-z0-9])?$');
CREATE UNIQUE INDEX person_email ON person (email);
GRANT UPDATE (email) ON person TO {app};
CREATE TABLE approval_letter (
    wave      bigint NOT NULL REFERENCES wave,
    plan_hash text NOT NULL,                      -- another version of the plan: another letter
    person    text NOT NULL REFERENCES person,
    outlet    text NOT NULL CHECK (outlet IN ('mail', 'webhook')),
    tries     smallint NOT NULL DEFAULT 0,
    next_try  timestamptz NOT NULL DEFAULT now(),
    told_at   timestamptz,
    error     text NOT NULL DEFAULT '',
    PRIMARY KEY (wave, plan_hash, person)
);
CREATE INDEX approval_letter_due ON approval_letter (next_try) WHERE told_at IS NULL;
GRANT SELECT, INSERT ON approval_letter TO {app};
GRANT UPDATE (tries, next_try, told_at, error) ON approval_letter TO {app};

-- Who could give an approval that a wave still needs: not who made it, not who has given one, nor their deputies.
CREATE FUNCTION asked_of(w wave) RETURNS SETOF person LANGUAGE sql VOLATILE AS $$
    SELECT p.* FROM person p
    WHERE w.state = 'planned' AND may_approve(p.login) AND NOT as_one(p.login) && ARRAY[w.author, w.reopened_by]
        AND NOT EXISTS (SELECT FROM approval a WHERE a.wave = w.id AND a.plan_hash = w.plan_hash
            AND (a.person = ANY (as_one(p.login)) OR a.stands_for = ANY (as_one(p.login))))
$$;
