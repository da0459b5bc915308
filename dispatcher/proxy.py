"""Callers behind a named proxy: only its word about them is believed, and only what came to it over TLS is let in.

Without trusted_proxies nothing of this stands before the application. With them and without a certificate of ours,
whoever connects past the proxy, from another machine, is turned away: keys and approvals would travel in clear.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from config.settings import Settings, proxies
from dispatcher.callbacks import Receive, Scope, Send, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Face = Callable[[Scope, Receive, Send], Awaitable[None]]

WITHOUT_TLS = ("/healthz", "/readyz")
"""What a proxy may ask for itself: it tells nothing of anybody."""


def through(face: Face, settings: Settings) -> Face:
    """The application behind its proxies, or as it is where none is named."""
    named = proxies(settings.trusted_proxies)

    def trusted(address: str) -> bool:
        known = _address(address)
        return known is not None and any(known in network for network in named)

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer = scope["client"][0] if scope["client"] else ""
            if trusted(peer):
                _believe(scope, trusted)
            here = _address(peer)
            local = here is not None and here.is_loopback and not trusted(peer)
            if settings.tls_key is None and not local and not _over_tls(scope, by_proxy=trusted(peer)):
                await answer(send, 403)
                return
        await face(scope, receive, send)

    return door if named else face


def _over_tls(scope: Scope, *, by_proxy: bool) -> bool:
    return by_proxy and (scope["scheme"] == "https" or scope["path"] in WITHOUT_TLS)


def _believe(scope: Scope, trusted: Callable[[str], bool]) -> None:
    """Put the caller's address and scheme in: the last address of the chain that no proxy of ours added itself.

    What stands before it may be invented by the caller. A word that is no address is nobody's.
    """
    scope["scheme"] = "https" if _last(scope, b"x-forwarded-proto") == "https" else "http"
    for each in reversed(_values(scope, b"x-forwarded-for")):
        if _address(each) is None:
            return
        scope["client"] = (each, 0)
        if not trusted(each):
            return


def _values(scope: Scope, wanted: bytes) -> list[str]:
    found: Any = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return [each.strip() for value in found for each in value.split(",")]


def _last(scope: Scope, wanted: bytes) -> str:
    return next(reversed(_values(scope, wanted)), "").lower()


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
