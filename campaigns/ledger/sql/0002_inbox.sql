-- Receipts: sealed in groups (docs/ledger.md).

SELECT;
