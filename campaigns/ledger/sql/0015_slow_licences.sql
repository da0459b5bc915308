-- The renewal of 0004, where a slow licence is not cut: below 20 segments a second whole messages in halves of it do not
-- fit into its period (7.5/s is 15 in two seconds; two workers of 3.75/s sent 18 in two seconds and used four fifths).
-- One worker then holds all of it, the one that has most of it already; the others stand by and take it over.
CREATE FUNCTION whole_licence(p_most double precision) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT p_most < 20 $$;

CREATE OR REPLACE FUNCTION hold_share(
    p_account text, p_holder bigint, p_journal text, p_using double precision, p_wants boolean, p_seconds double precision,
    p_says jsonb, OUT granted double precision, OUT most double precision, OUT senders jsonb, OUT asks boolean, OUT short boolean,
    OUT peers text[]
) LANGUAGE plpgsql AS $$
DECLARE
    now_at timestamptz; mine share; others double precision; n integer; any_wants boolean; target double precision; was double precision;
BEGIN
    SELECT coalesce(a.rate_set, a.licence) INTO most FROM account a WHERE a.name = p_account FOR NO KEY UPDATE;
    now_at := clock_timestamp();
    DELETE FROM share s WHERE s.account = p_account AND s.until < now_at - interval '1 s';
    SELECT * INTO mine FROM share s WHERE s.account = p_account AND s.holder = p_holder;
    SELECT coalesce(sum(s.rate), 0), coalesce(bool_or(s.wants) FILTER (WHERE s.until > now_at), false)
        INTO others, any_wants FROM share s WHERE s.account = p_account AND s.holder <> p_holder;
    any_wants := any_wants OR p_wants;
    was := coalesce(mine.rate, 0);
    SELECT count(*) INTO n FROM share s WHERE s.account = p_account AND s.holder <> p_holder AND s.until > now_at
        AND (s.wants OR NOT any_wants) AND (NOT whole_licence(most) OR (s.rate, -s.holder) > (was, -p_holder));
    target := CASE WHEN NOT p_wants AND any_wants OR whole_licence(most) AND n > 0 THEN 0 ELSE most / (n + 1) END;
    granted := least(target, greatest(was, most - others, 0));      -- to go down needs no room
    IF granted < most * 1e-6 THEN granted := 0; END IF;
    short := granted < target * (1 - 1e-9);
    INSERT INTO share (account, holder, rate, until, journal, wants, says)
        VALUES (p_account, p_holder, granted, now_at + make_interval(secs => p_seconds), p_journal, p_wants, p_says)
        ON CONFLICT (account, holder) DO UPDATE SET until = excluded.until, wants = excluded.wants, says = excluded.says,
            rate = greatest(excluded.rate, least(p_using, share.rate));
    SELECT coalesce(jsonb_object_agg(r.sender, r.rate), '{}') INTO senders FROM sender_rate r WHERE r.account = p_account;
    SELECT NOT EXISTS (SELECT FROM share s WHERE s.account = p_account AND s.rate > 0 AND s.until > now_at
        AND s.holder < p_holder) AND granted > 0 INTO asks;
    SELECT coalesce(array_agg(s.journal) FILTER (WHERE s.until > now_at AND s.journal <> ''), '{}') INTO peers
        FROM share s WHERE s.account = p_account AND s.holder <> p_holder;
    IF cardinality(peers) > 0
            AND (mine IS NULL OR mine.wants <> p_wants OR granted < was OR least(p_using, was) < was) THEN
        PERFORM pg_notify('dispatcher', json_build_object('share', p_account)::text);       -- somebody waits for room
    END IF;
END $$;
