-- Indexes and storage for speed (docs/ledger.md).

-- The guard stands behind the update, not before it: a BEFORE trigger locks each row first, with a record of its own in
-- the write-ahead log. A refused update still ends its transaction.
CREATE OR REPLACE FUNCTION open_wave(p_wave bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF p_wave <= 0 THEN
        RAISE EXCEPTION 'open_wave: bad argument';
    END IF;
    EXECUTE format('CREATE TABLE message_%s (
        no          integer PRIMARY KEY,
        unit        integer NOT NULL,
        carrier     smallint NOT NULL,
        state       smallint NOT NULL DEFAULT 0,
        attempt     smallint NOT NULL DEFAULT 1,
        tries       smallint NOT NULL DEFAULT 0,
        number_hash bytea NOT NULL
    ) WITH (fillfactor = 50)', p_wave);
    EXECUTE format('CREATE TABLE log_%s (
        chunk         bigint NOT NULL,
        "window"      bigint NOT NULL,
        idx           integer NOT NULL,
        kind          log_kind NOT NULL,
        outcome       smallint NOT NULL,
        provider_code text NOT NULL,
        provider_ref  text NOT NULL,
        at            timestamptz NOT NULL DEFAULT now()
    )', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s (chunk)', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s (provider_ref) WHERE kind = ''answer'' AND provider_ref <> ''''', p_wave);
    EXECUTE format('CREATE INDEX ON log_%s ("window", idx) WHERE outcome = 1', p_wave);
    EXECUTE format('CREATE TRIGGER legal AFTER UPDATE OF state ON message_%s FOR EACH ROW
        WHEN ({guard}) EXECUTE FUNCTION refuse_transition()', p_wave);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE (state, attempt, tries) ON message_%s TO {app}', p_wave);
    EXECUTE format('GRANT SELECT, INSERT ON log_%s TO {app}', p_wave);
END $$;
DO $$
DECLARE
    w bigint;
BEGIN
    FOR w IN SELECT id FROM wave LOOP
        EXECUTE format('DROP TRIGGER legal ON message_%s', w);
        EXECUTE format('CREATE TRIGGER legal AFTER UPDATE OF state ON message_%s FOR EACH ROW
            WHEN ({guard}) EXECUTE FUNCTION refuse_transition()', w);
    END LOOP;
END $$;
