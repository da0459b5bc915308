-- Backup, restore, and windows that only a journal knows (docs/ledger.md).

SELECT;
