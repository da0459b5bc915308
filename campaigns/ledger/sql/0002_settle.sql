-- Settling of uncertain messages, poison batches (docs/ledger.md).

SELECT;
