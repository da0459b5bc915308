-- What people must be told (tables: 0014_alerts.sql). A wave that waits for its canary is not stalled: somebody is told to
-- look at the seed phones.

-- Everything that people must be told now. `p_receipts`: accounts whose carriers promise receipts.
CREATE FUNCTION alerts_now(p_receipts text[]) RETURNS TABLE (kind text, about text, facts jsonb) LANGUAGE sql VOLATILE AS $$
    -- hours are open, something is due, nobody stopped it, and for ten minutes no window was made
    SELECT 'stalled', w.id::text, jsonb_build_object('name', w.name, 'waiting', b.n, 'accounts', b.accounts)
    FROM wave w, LATERAL (SELECT sum(hi - cursor)::bigint AS n, array_to_string(array_agg(DISTINCT account), ', ') AS accounts
        FROM batch WHERE wave = w.id AND cursor < hi AND not_before <= now() - interval '10 min' AND canary_open(w.id, carrier)) b
    WHERE w.state = 'running' AND b.n > 0 AND w.started_at < now() - interval '10 min'
        AND NOT EXISTS (SELECT FROM halt WHERE lifted_at IS NULL)
        AND EXISTS (SELECT FROM open_hours(w) h WHERE h.since <= now() - interval '10 min' AND h.until > now())
        AND NOT EXISTS (SELECT FROM send_window s WHERE s.wave = w.id AND s.at > now() - interval '10 min')
    UNION ALL
    -- seed phones have had ten minutes, and nobody has said that the text is right
    SELECT 'canary', w.id::text, jsonb_build_object('name', w.name, 'carriers', string_agg(c.name, ', ' ORDER BY c.name))
    FROM wave w, LATERAL canary_standing(w.id) s JOIN carrier c ON c.id = s.carrier
    WHERE w.state = 'running' AND w.started_at < now() - interval '10 min' AND NOT canary_open(w.id, s.carrier)
        AND EXISTS (SELECT FROM batch WHERE wave = w.id AND carrier = s.carrier AND cursor < hi)
        AND NOT EXISTS (SELECT FROM canary_word WHERE wave = w.id AND carrier = s.carrier)
    GROUP BY w.id, w.name
    UNION ALL
    SELECT 'closing', w.id::text, jsonb_build_object('name', w.name, 'waiting', c.n,
        'closes', to_char(w.closes_at AT TIME ZONE 'Asia/Ho_Chi_Minh', 'HH24:MI DD/MM/YYYY'))
    FROM wave w, LATERAL (SELECT sum(n)::bigint AS n FROM wave_count WHERE wave = w.id AND state = 0) c
    WHERE w.state IN ('running', 'paused') AND w.asks_since IS NULL AND c.n > 0
        AND w.closes_at BETWEEN now() AND now() + interval '30 min'
    UNION ALL
    SELECT 'asks', w.id::text, jsonb_build_object('name', w.name) FROM wave w WHERE w.asks_since IS NOT NULL AND w.finished_at IS NULL
    UNION ALL
    -- paused by the program: the newest act of the wave is not a person's
    SELECT 'paused', w.id::text, jsonb_build_object('name', w.name)
    FROM wave w, LATERAL (SELECT person FROM audit WHERE subject = w.id::text AND act = 'wave.pause' ORDER BY id DESC LIMIT 1) a
    WHERE w.state = 'paused' AND w.asks_since IS NULL AND a.person = 'dispatcher'
    UNION ALL
    SELECT 'budget', w.id::text, jsonb_build_object('name', w.name, 'percent', (100 * b.part)::int)
    FROM wave w, LATERAL (SELECT max(used::float8 / ceiling) AS part FROM budget_lines(w.id)) b
    WHERE w.state IN ('running', 'paused') AND b.part >= 0.8
    UNION ALL
    SELECT 'approval', w.id::text, jsonb_build_object('name', w.name, 'author', w.author, 'n', w.n)
    FROM wave w WHERE w.state = 'planned' AND w.planned_at < now() - interval '30 min' AND w.closes_at > now()
    UNION ALL
    SELECT 'route', r.account || coalesce(' ' || c.name, '') || coalesce(' ' || r.wave, ''),
        jsonb_build_object('account', r.account, 'code', r.code)
    FROM route_stop r LEFT JOIN carrier c ON c.id = r.carrier WHERE r.lifted_at IS NULL
    UNION ALL
    SELECT 'carrier', s.account, jsonb_build_object('account', s.account, 'code', max(s.says ->> 'code'))
    FROM share s WHERE s.until > now() AND (s.says ->> 'down')::float8 > 120 GROUP BY s.account
    UNION ALL
    -- a hundred messages answered between an hour and a quarter of an hour ago, and no receipt since
    SELECT 'drought', s.account, jsonb_build_object('account', s.account, 'n', sum(s.hi - s.lo))
    FROM send_window s WHERE s.account = ANY (p_receipts) AND s.closed BETWEEN now() - interval '1 h' AND now() - interval '15 min'
        AND NOT EXISTS (SELECT FROM inbox i WHERE i.account = s.account AND i.received_at > now() - interval '15 min')
    GROUP BY s.account HAVING sum(s.hi - s.lo) >= 100
    UNION ALL
    SELECT 'locked', 'installation', jsonb_build_object('reason', locked_reason) FROM installation
    WHERE locked_reason <> '' OR restoring_since IS NOT NULL
$$;
