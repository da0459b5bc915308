-- Which lines of the log can be a window's: those of chunks that began after it. So what a dead worker left is looked for
-- in the newest part of the log alone, however young the wave is. A line exists only after its window's commit, and a
-- chunk takes its number before its lines. 0, of windows of before this change: from the first chunk on.
CREATE FUNCTION newest_chunk() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM chunk_id_seq
$$;
REVOKE ALL ON FUNCTION newest_chunk() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION newest_chunk() TO {app};
ALTER TABLE send_window ADD COLUMN after_chunk bigint NOT NULL DEFAULT 0;
ALTER TABLE send_window ALTER COLUMN after_chunk SET DEFAULT newest_chunk();
