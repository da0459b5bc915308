"""The work: RQ jobs, sending, receipts, settling. The only floor that knows RQ."""
