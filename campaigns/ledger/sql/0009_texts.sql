-- Variants of a text, each approved on its own; and no text without its own hash.

ALTER TABLE approval DROP CONSTRAINT approval_choice_check;
ALTER TABLE approval ADD CONSTRAINT approval_choice_check CHECK (choice ~ '^[a-z][a-z0-9-]{0,39}$');
-- What is stored as the text to send must have the hash that was approved, whoever writes it.
ALTER TABLE wave ADD CONSTRAINT wave_text_hash
    CHECK (text IS NULL OR text_sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex'));
