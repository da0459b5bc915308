"""What can go wrong with a carrier, each saying what to do next.

An answer about one message is an Outcome: refused for good, deferred ("not now"), uncertain; a too fast one is deferred
with one of the adapter's `throttle_codes`. What concerns more than one message is raised:

ProviderError
|-- Unreachable      proved not sent: back off, try again, or another provider
|-- Misconfigured    credentials, sender or text: stop that account, sender or text and call a person
|-- Forged           a callback that is not the carrier's: refuse and log
`-- Unreadable       a callback that cannot be read: keep it, alarm
"""

from __future__ import annotations


class ProviderError(Exception):
    """Something a carrier's interface did; `code` is the carrier's own code or ours beginning with "~"."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


class Unreachable(ProviderError):
    """No connection: nothing left. Try again later."""


class Misconfigured(ProviderError):
    """The carrier refuses us, not the message: a person must act. `detail` begins with what it refuses."""

    @property
    def scope(self) -> str:
        """What must stop: "sender" (at this network), "text" (this wave), else all of the "account"."""
        return next((scope for scope in ("sender", "text") if self.detail.startswith(f"{scope}:")), "account")


class Forged(ProviderError):
    """A callback without the carrier's proof."""


class Unreadable(ProviderError):
    """A callback whose body makes no sense."""
