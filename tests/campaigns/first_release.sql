-- What the first release's program wrote, as its schema (0001) has it: a wave of 40 that is being sent.
-- {wave}, {audience}: ids; {text}, {sha}: the approved text. Messages, numbers and windows follow from Python.
INSERT INTO installation (rehearsal, incarnation) VALUES (true, 4711);
INSERT INTO person (login, name, roles) VALUES ('an', 'An', '{{officer}}'), ('binh', 'Bình', '{{approver}}');
INSERT INTO person_key (person, digest, scopes, expires_at) VALUES ('an', decode(repeat('ab', 32), 'hex'), '{{read,write}}', now() + interval '1 day');
INSERT INTO campaign (id, version, definition, digest, author) VALUES ('20-BCD-2024', 1, '{{}}', 'd', 'an');
INSERT INTO carrier (id, name) VALUES (1, 'viettel');
INSERT INTO account (name, provider, simulated, enabled, licence) VALUES ('sim-smpp', 'smpp', true, true, 500);
INSERT INTO audience (id, campaign, name, author, frozen_at, root) VALUES ({audience}, '20-BCD-2024', 'list', 'an', now(), 'r');
INSERT INTO audience_file (audience, file, name, digest, complete, rows, accepted) VALUES ({audience}, 1, 'list.csv', 'd', true, 40, 40);
INSERT INTO wave (id, campaign, version, no, name, rehearsal, audience, author, state, stop_seq, plan, plan_hash, approvals_due, n,
        batch_size, opens_at, closes_at, day_opens, day_closes, cool_down, text, text_sha256, choice, started_at)
    VALUES ({wave}, '20-BCD-2024', 1, 1, 'Đợt 1', true, {audience}, 'an', 'running', 1, jsonb_build_object(
            'texts', jsonb_build_object('corrected', jsonb_build_object('text', {text}::text, 'sha256', {sha}::text, 'segments', 1)),
            'senders', jsonb_build_object('viettel', 'GIAOTHONG'), 'accounts', jsonb_build_object('viettel', 'sim-smpp')),
        'hash', 1, 40, 1000, now() - interval '1 hour', now() + interval '1 hour', '00:00', '00:00', '0', {text}, {sha}, 'corrected', now());
INSERT INTO wave_tally (wave) VALUES ({wave});
INSERT INTO approval (wave, plan_hash, person, choice, reason, typed) VALUES ({wave}, 'hash', 'binh', 'corrected', 'tested', 40);
SELECT open_wave({wave});
INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor, epoch) VALUES ({wave}, 'first', 0, 'sim-smpp', 1, 1000, 40, 20, 1);
INSERT INTO wave_count (wave, carrier, unit, state, n) SELECT {wave}, 1, 0, state, CASE state WHEN 0 THEN 40 ELSE 0 END
    FROM unnest(ARRAY[0, 1, 4, 5, 6, 7, 8, 9, 10]) AS state;
-- a window whose answers are folded (one of them "later", one "no"), and one on its way: five answers wait for the fold
INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal, closed) VALUES
    (101, {wave}, 'first', 0, 1, 0, 10, '', 'sim-smpp', {journal}, now()),
    (102, {wave}, 'first', 0, 1, 10, 20, '', 'sim-smpp', {journal}, NULL);
INSERT INTO chunk (id, wave) OVERRIDING SYSTEM VALUE VALUES (1, {wave});
SELECT setval(pg_get_serial_sequence('chunk', 'id'), 10);
INSERT INTO log_{wave} (chunk, "window", idx, kind, outcome, provider_code, provider_ref)
    SELECT 1, 101, i, 'answer', CASE i WHEN 8 THEN 3 WHEN 9 THEN 4 ELSE 5 END, '0x00', 'old' || i FROM generate_series(0, 9) AS i;
