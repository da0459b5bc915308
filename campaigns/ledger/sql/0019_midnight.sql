-- Hours that end at midnight and begin later than that end at the next midnight, not with the wave: a window that was
-- taken just before would have gone on behind it.
CREATE OR REPLACE FUNCTION hours_end(p_opens timestamptz, p_closes timestamptz, p_day_opens time, p_day_closes time)
RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN now_at < p_opens OR now_at >= p_closes OR local::time < p_day_opens THEN NULL
        WHEN p_day_closes = '00:00' AND p_day_opens = '00:00' THEN p_closes
        WHEN p_day_closes = '00:00' THEN least(p_closes, (local::date + 1)::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh')
        WHEN local::time >= p_day_closes THEN NULL
        ELSE least(p_closes, (local::date + p_day_closes) AT TIME ZONE 'Asia/Ho_Chi_Minh') END
    FROM (SELECT now_at, now_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS local FROM (SELECT clock_timestamp() AS now_at) x) y
$$;
