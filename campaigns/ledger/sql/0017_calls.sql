-- Hotline-aware pacing (docs/control.md, section 2): of a wave whose plan says "calls": {"messages_an_hour": n, ...} no more
-- intents in any ten seconds, or in as long as one message takes, than their part of the hour; all accounts together.
CREATE INDEX send_window_lately ON send_window (wave, at);
CREATE FUNCTION calls_room(p_wave bigint) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    most integer := (SELECT (plan -> 'calls' ->> 'messages_an_hour')::integer FROM wave WHERE id = p_wave);
    span double precision := greatest(10, ceil(3600.0 / nullif(most, 0)));
BEGIN
    IF most IS NULL THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(20240732, hashint8(p_wave));
    RETURN floor(most * span / 3600) - (SELECT coalesce(sum(hi - lo), 0) FROM send_window
        WHERE wave = p_wave AND at > clock_timestamp() - make_interval(secs => span));
END $$;
