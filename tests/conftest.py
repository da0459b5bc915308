"""Fixtures that every room of the tests may ask for."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from config.settings import Settings, load

# Two cores shared by all tests: a slow example is no failure.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation of its own, on this machine, with the waits of a drill and none of the environment."""
    return load({"DISPATCHER_LISTEN_PORT": "0"}, data=tmp_path / "var", profile="drill")
