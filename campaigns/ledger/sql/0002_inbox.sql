-- Receipts (section 7): what one sync made durable is sealed as one group; its inbox row says how many events it holds.
-- A row of 1 is a group too, or one event sealed by itself as before this change; the opened bytes tell which.
ALTER TABLE inbox ADD COLUMN events integer NOT NULL DEFAULT 1 CHECK (events > 0);
