-- An answer waits a moment for its receipt: folded together the two move their message once, and a message's UPDATE is
-- most of what a fold costs. Receipts do not wait. So a chunk says whether it holds receipts, and the fold is told how old
-- a chunk of answers must be.
ALTER TABLE chunk ADD COLUMN receipts boolean NOT NULL DEFAULT false;
DO $do$
DECLARE
    was text; became text;
BEGIN
    was := pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'fold' AND pronamespace = 'public'::regnamespace));
    became := replace(replace(replace(was,
        'p_throttled_first double precision, OUT', 'p_throttled_first double precision, p_young double precision, OUT'),
        'SELECT id, at FROM chunk WHERE wave = $1 AND NOT folded ORDER BY id LIMIT $2',
        'SELECT id, at FROM chunk WHERE wave = $1 AND NOT folded
                AND (receipts OR at <= clock_timestamp() - make_interval(secs => $7)) ORDER BY id LIMIT $2'),
        'p_throttled, p_throttled_cap
    LOOP', 'p_throttled, p_throttled_cap, p_young
    LOOP');
    IF became NOT LIKE '%p_young double precision, OUT%secs => $7%p_throttled_cap, p_young%' THEN
        RAISE EXCEPTION 'the fold is another than this change knows';
    END IF;
    EXECUTE became;
END $do$;
DROP FUNCTION fold(bigint, integer, integer, double precision, double precision, double precision, text[], integer, double precision);
