"""One byte form for one value (RFC 8785), so that equal content has an equal hash."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Raises rfc8785.CanonicalizationError: what JSON lacks (dates, bytes), NaN, integers beyond 2**53.
    """
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
