"""Fixtures of the orders' journeys: a server, two keys, and an issued order of its own."""

from __future__ import annotations

import pytest

from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, letter
from tests.ordering import Desk, Http
from tests.serving import Served, key_of
from workers.house import House


@pytest.fixture(scope="module")
def keys(built: House) -> tuple[str, str]:
    letter(built)
    return key_of(built, AUTHOR, "read", "write"), key_of(built, APPROVER, "read", "approve")


@pytest.fixture
def desk(served: Served, keys: tuple[str, str], built: House, request: pytest.FixtureRequest) -> Desk:
    face = Http(served, *keys, carrier="mobifone")
    wanted = {"campaign": CAMPAIGN, "carriers": ["mobifone"], "contact": request.node.name[:200], "text": "verbatim"}
    order = str(face.post("", wanted)[0]["id"])
    face.approve(order)
    face.issue(order)
    return Desk(served, keys[0], order, face.post(f"/{order}/link", {})["code"], built)
