"""Fixtures that every room of the tests may ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from config.settings import Settings, load
from dispatcher.assemble import Site
from tests.cluster import Planned, Started, open_house, started_site
from tests.serving import Served, serving
from workers.house import House

# Two cores shared by all tests: a slow example is no failure.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

# Files are handed out in this order and kept whole: a long file begun last leaves one process alone with it.
LONG_FIRST = ("workers", "journey")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rooms whose files take longest come first; within them, and after them, the order stays as it was."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in LONG_FIRST)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that is run here takes all logs over, to a standard error that ends with its test."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation of its own, on this machine, with the waits of a drill and none of the environment."""
    return load({"DISPATCHER_LISTEN_PORT": "0"}, data=tmp_path / "var", profile="drill")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation for rehearsals, its servers running and migrated: one for all tests of this process."""
    with started_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def served(site: Site) -> Iterator[Served]:
    """The API, the callbacks and the console of that installation, or of the module's own."""
    with serving(site) as running:
        yield running


@pytest.fixture(scope="module")
def built(site: Site) -> Iterator[House]:
    """A House that lasts as long as a module, for waves that many of its tests look at."""
    with open_house(site) as house:
        yield house


@pytest.fixture
def house(site: Site) -> Iterator[House]:
    """A House of this test alone; what it leaves running is put to rest, so that no later test works on it."""
    with open_house(site) as house:
        yield house


@pytest.fixture
def planned(house: House, tmp_path: Path) -> Planned:
    """`planned(n=40, seed=1, account="sim-smpp", ...)`: a wave from an invented list, ready for approval."""
    return Planned(house, tmp_path)


@pytest.fixture
def started(planned: Planned) -> Started:
    """`started(...)`: as `planned`, then approved by another person and set running."""
    return Started(planned)
