"""The embedded PostgreSQL and Valkey: found, started and watched by us (docs/decisions/003-embedded-servers.md)."""

from __future__ import annotations

from config.servers.servers import Servers, Urls, connect_existing, superuser

__all__ = ["Servers", "Urls", "connect_existing", "superuser"]
