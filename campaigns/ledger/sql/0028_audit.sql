-- The record is looked at by person, by act and by what it was done to; newest first within each.
CREATE INDEX audit_person ON audit (person, id);
CREATE INDEX audit_act ON audit (act text_pattern_ops, id);
CREATE INDEX audit_subject ON audit (subject, id);
