"""A wrong name or key in the configuration is told by name, and routes never mix rehearsal and earnest."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.terms import Account, Problem
from providers.catalog import CLASSES, build, find
from providers.esms import Esms
from providers.routes import usable

GOOD = {"api_key": "geheim-1", "secret_key": "geheim-2"}


@pytest.mark.parametrize("name", CLASSES)
def test_every_line_of_the_catalog_loads(name: str) -> None:
    """Each name leads to a class that calls itself so."""
    assert find(name).name == name


def test_a_class_from_elsewhere_is_found_by_its_path() -> None:
    """An installation's own adapter needs no change here."""
    assert find("providers.esms:Esms") is Esms
    assert isinstance(build("providers.esms:Esms", GOOD), Esms)


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("pigeon", {}, ["pigeon", "esms"]),
    ("no.such:Thing", {}, ["no.such:Thing"]),
    ("json:loads", {}, ["json:loads"]),
    ("esms", {"api_key": "geheim-1"}, ["account north", "secret_key", "missing"]),
    ("esms", GOOD | {"apikey": "geheim-3"}, ["account north", '"apikey"', "api_key"]),
    ("esms", GOOD | {"secret_key": 12}, ["account north", "secret_key", "str"]),
    ("esms", GOOD | {"connections": True}, ["account north", "connections", "int"]),
    ("esms", GOOD | {"connections": 0}, ["account north", "connections"]),
    ("esms", GOOD | {"base_url": "http://a.vn"}, ["account north", "base_url"]),
]


@pytest.mark.parametrize(("name", "settings", "said"), WRONG)
def test_wrong_settings_are_named_and_not_shown(name: str, settings: dict[str, Any], said: list[str]) -> None:
    """The sentence has the account and the key, and no value of any key."""
    with pytest.raises(Problem) as problem:
        build(name, settings, "north")
    assert [word for word in said if word not in str(problem.value)] == []
    assert "geheim" not in str(problem.value)


def account(name: str, *, simulated: bool = False, enabled: bool = True) -> Account:
    """An account for one network."""
    return Account(name, "esms", simulated, enabled, 10.0, ("viettel",), 500)


ACCOUNTS = {
    a.name: a for a in (account("a"), account("off", enabled=False), account("b"), account("sim", simulated=True))
}


@pytest.mark.parametrize(
    ("route", "left"), [(["a", "b"], ["a", "b"]), (["off", "b", "a"], ["b", "a"]), (["sim"], ["sim"]), (["off"], [])]
)
def test_enabled_accounts_carry_in_the_order_written(route: list[str], left: list[str]) -> None:
    """The order is the order of preference; a network without any is left out."""
    found = usable({"viettel": route}, ACCOUNTS)
    assert [each.name for each in found.get("viettel", [])] == left
    assert ("viettel" in found) == bool(left)


BAD_ROUTES = [
    ({"viettel": ["c"]}, ['"c"', "does not exist"]),
    ({"mobifone": ["a"]}, ['"a"', "viettel"]),
    ({"viettel": ["a", "sim"]}, ["mix", "sim"]),
]


@pytest.mark.parametrize(("routes", "said"), BAD_ROUTES)
def test_unusable_routes_are_explained(routes: dict[str, list[str]], said: list[str]) -> None:
    """Unknown accounts, accounts for other networks and mixed ones are Problems that name the culprit."""
    with pytest.raises(Problem) as problem:
        usable(routes, ACCOUNTS)
    assert [word for word in said if word not in str(problem.value)] == []
