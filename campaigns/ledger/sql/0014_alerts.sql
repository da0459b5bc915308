-- What people must be told, and by which outlet they were (docs/control.md, "Alerts"). No number of a recipient is here.

CREATE TABLE alert (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     text NOT NULL,                       -- campaigns/alerts.py has the sentences
    about    text NOT NULL,                       -- id of a wave or an order, name of an account
    facts    jsonb NOT NULL,                      -- what the sentence needs
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX alert_open ON alert (kind, about) WHERE ended_at IS NULL;
CREATE TABLE alert_message (
    alert    bigint NOT NULL REFERENCES alert,
    outlet  text NOT NULL CHECK (outlet IN ('mail', 'webhook')),
    tries    smallint NOT NULL DEFAULT 0,
    next_try timestamptz NOT NULL DEFAULT now(),
    told_at  timestamptz,
    error    text NOT NULL DEFAULT '',
    PRIMARY KEY (alert, outlet)
);
CREATE INDEX alert_message_due ON alert_message (next_try) WHERE told_at IS NULL;
GRANT SELECT, INSERT ON alert, alert_message TO {app};
GRANT UPDATE (ended_at, facts) ON alert TO {app};
GRANT UPDATE (tries, next_try, told_at, error) ON alert_message TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
