"""Fixtures of the workers' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import Started
from tests.workers.post import SEEDS, Post, Sent
from tests.workers.stage import ACCOUNT
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
