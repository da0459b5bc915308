"""Schema changes, oldest first; run by the owner role only."""
