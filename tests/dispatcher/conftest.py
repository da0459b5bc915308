"""Fixtures of the faces' tests."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from dispatcher.assemble import Site


@pytest.fixture
def owner(site: Site) -> Iterator[psycopg.Connection]:
    """The owner's line; what a test does on it is kept."""
    with psycopg.connect(site.owner) as conn:
        yield conn
