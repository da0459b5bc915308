"""The embedded PostgreSQL and Valkey: found, started and watched by us."""
