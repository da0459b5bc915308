-- Routes and senders are agreed on like hotlines and prices (docs/decisions/021-settings.md). A new label of an enum may
-- not be used before its transaction ends, hence the text.
ALTER TYPE setting_topic ADD VALUE 'route';
ALTER TYPE setting_topic ADD VALUE 'sender';
ALTER TABLE setting_change
    -- none: each campaign's definition decides again
    ADD CONSTRAINT route_names_accounts CHECK (topic::text <> 'route'
        OR coalesce(jsonb_typeof(value -> 'accounts') = 'array', false)),
    -- Decree 91/2020: at most 11 Latin letters, digits, - _ . or spaces; carriers take no sender of digits alone
    ADD CONSTRAINT sender_is_a_name CHECK (topic::text <> 'sender'
        OR coalesce(value ->> 'sender' ~ '^[A-Za-z0-9._ -]{1,11}$' AND value ->> 'sender' ~ '[^0-9]'
            AND value ->> 'account' <> '' AND value ->> 'carrier' <> '', false)),
    -- what the second person read in the carrier's confirmation
    ADD CONSTRAINT sender_registered CHECK (topic::text <> 'sender' OR agreed_at IS NULL OR tested <> '');
