-- Hours of an account, stricter than a wave's, and its carrier's maintenance (docs/control.md, section 2).

CREATE TABLE sending_hours (
    account text NOT NULL REFERENCES account,
    carrier smallint REFERENCES carrier,          -- NULL: every network of the account
    opens   time NOT NULL,                        -- in the province's time, each day
    closes  time NOT NULL CHECK (closes = '00:00' OR closes > opens),        -- 00:00: the end of the day
    UNIQUE NULLS NOT DISTINCT (account, carrier)
);
CREATE TABLE maintenance (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    starts  timestamptz NOT NULL,
    ends    timestamptz NOT NULL CHECK (ends > starts),
    note    text NOT NULL,
    person  text NOT NULL REFERENCES person
);
-- Until when an account may send to a network, as far as its own hours and its carrier's maintenance say; NULL: not now.
CREATE FUNCTION route_hours_end(p_account text, p_carrier smallint) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN bool_or(ends IS NULL) THEN NULL ELSE coalesce(min(ends), 'infinity') END FROM (
        SELECT hours_end('-infinity', 'infinity', h.opens, h.closes) AS ends FROM sending_hours h
            WHERE h.account = p_account AND (h.carrier IS NULL OR h.carrier = p_carrier)
        UNION ALL
        SELECT CASE WHEN m.starts > clock_timestamp() THEN m.starts END FROM maintenance m
            WHERE m.account = p_account AND m.ends > clock_timestamp()) x
$$;
GRANT SELECT, INSERT, UPDATE (opens, closes), DELETE ON sending_hours TO {app};
GRANT SELECT, INSERT, DELETE ON maintenance TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
