-- How long receipts take is asked of a few chunks of a span of time, not of a wave's whole log.
CREATE INDEX chunk_receipts ON chunk (wave, at) WHERE receipts;
