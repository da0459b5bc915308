-- Indexes and storage for speed (docs/ledger.md).

SELECT;
