"""Fixtures of the ledger's tests: lines of both roles that end in a rollback, and one running wave a module."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from campaigns.ledger.waves import Wave
from dispatcher.assemble import Site
from tests.cluster import Planned, start
from workers.house import House


@pytest.fixture(scope="module")
def lines(site: Site) -> Iterator[dict[str, psycopg.Connection]]:
    """One line of each role for all tests of a file: a new one for each test would cost a third of their time."""
    found = {"owner": psycopg.connect(site.owner), "app": psycopg.connect(site.app)}
    yield found
    for line in found.values():
        line.close()


@pytest.fixture
def owner(request: pytest.FixtureRequest, lines: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """A line of the owner's role; what it does is rolled back at the end."""
    yield from _rolled_back(request, lines["owner"])


@pytest.fixture
def app(request: pytest.FixtureRequest, lines: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """A line of the program's role; what it does is rolled back at the end."""
    yield from _rolled_back(request, lines["app"])


def _rolled_back(request: pytest.FixtureRequest, line: psycopg.Connection) -> Iterator[psycopg.Connection]:
    if "house" in request.fixturenames:
        request.getfixturevalue("house")  # made first, so that it is closed last: its end must not wait for this line
    yield line
    line.rollback()


@pytest.fixture(scope="module")
def running(built: House, tmp_path_factory: pytest.TempPathFactory) -> Wave:
    """A running wave of 60 messages on one account, for tests that roll back what they do to it."""
    planned = Planned(built, tmp_path_factory.mktemp("lists"))
    return start(built, planned(n=60, account="sim-smpp", batch_size=1000))
