"""Fixtures of the workers' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.assemble import Site
from tests.cluster import Started
from tests.workers.post import SEEDS, Post, Sent
from tests.workers.stage import ACCOUNT, Stage, stage
from workers.house import House


@pytest.fixture
def post(house: House) -> Iterator[Post]:
    for path in house.folder("spool").rglob("*~*"):
        path.unlink()
    with house.begin() as conn:
        conn.execute("UPDATE inbox SET verdict = 'ignored' WHERE verdict = 'unknown'")
    made = Post(house)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def sent(post: Post, started: Started) -> Sent:
    wave = started(n=20, account=ACCOUNT, seed=next(SEEDS))  # people whom no other test has in doubt
    window, lo, numbers = post.window()
    return wave.id, window, lo, numbers


@pytest.fixture
def play(site: Site, house: House, tmp_path: Path) -> Iterator[Stage]:
    """A carrier and senders as processes of their own."""
    with stage(site, house, tmp_path) as made:
        yield made
