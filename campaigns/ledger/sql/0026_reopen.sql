-- New hours take over the ceilings in force (0012_late.sql): what two persons agreed to would end with the old plan's hash,
-- and a wave that had used more than its first ceilings would stand still at once. They are approved anew with the hours.
DO $do$
DECLARE
    was text; became text;
BEGIN
    was := pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'reopen_wave' AND pronamespace = 'public'::regnamespace));
    became := replace(was, $q$p_plan - '{window,before}'::text[] IS DISTINCT FROM w.plan - '{window,before}'::text[]$q$,
        $q$p_plan - '{window,before,budget}'::text[] IS DISTINCT FROM w.plan - '{window,before,budget}'::text[]
            OR p_plan -> 'budget' IS DISTINCT FROM budget_of(p_wave)$q$);
    IF became = was THEN RAISE EXCEPTION 'reopen_wave is another than this change knows'; END IF;
    EXECUTE became;
END $do$;
