"""Routes and senders: two operators agree; plans made from then on follow, older ones keep what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from campaigns import schedule
from campaigns.definition import Campaign, CarrierRoute
from campaigns.ledger import agreed, waves
from campaigns.ledger.agreed import ROUTE, SENDER
from campaigns.ledger.plans import Draft
from campaigns.ledger.waves import Wave
from campaigns.terms import Account, Problem, Problems
from dispatcher import acts, standards, ways
from dispatcher.assemble import Site
from tests.agreeing import agree_on, forget, operator, page, pair, tomorrow, with_account
from tests.cluster import CAMPAIGN, Planned, letter
from tests.console import signed_in
from tests.serving import Served
from workers.house import House

FIRST, OTHER = "sim-smpp", "sim-two"
WAY = {"account": FIRST, "carrier": "viettel", "sender": "UBNDLaiChau"}


@pytest.fixture(autouse=True)
def _forgotten(site: Site) -> Iterator[None]:
    """No change outlives its test."""
    yield
    forget(site)


@pytest.fixture
def two(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The house with a second account for the networks of the first one, under the same sender name."""
    with_account(monkeypatch, house, OTHER, FIRST)
    return house


def draft_of(house: House, planned: Planned, *, seed: int = 80) -> Draft:
    """A rehearsal's draft as the house would plan it now."""
    audience = planned.audience(n=40, seed=seed)
    campaign, version = letter(house)
    return acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True)


# -- routes ------------------------------------------------------------------------------------------------------------


def test_an_agreed_route_is_followed_by_plans_from_its_day_on(two: House, planned: Planned) -> None:
    """The other account carries, the first one takes over; another network is untouched; an empty route ends it."""
    before = draft_of(two, planned)
    assert (before.accounts["viettel"], before.routes["viettel"]) == (FIRST, (FIRST, OTHER))
    agree_on(two, ROUTE, "viettel", {"accounts": [OTHER, FIRST]}, tomorrow())
    assert draft_of(two, planned).accounts["viettel"] == FIRST
    agree_on(two, ROUTE, "viettel", {"accounts": [OTHER]})
    after = draft_of(two, planned)
    assert (after.accounts["viettel"], after.routes["viettel"]) == (OTHER, (OTHER,))
    assert after.accounts["mobifone"] == before.accounts["mobifone"]
    agree_on(two, ROUTE, "viettel", {"accounts": []})
    assert draft_of(two, planned).routes == before.routes


def test_a_plan_that_is_there_keeps_its_account_and_its_hash(house: House, planned: Planned) -> None:
    """Whatever is agreed on."""
    wave = planned(n=40, seed=81)
    first, second = pair(house)
    with house.begin() as conn:
        change = agreed.propose(conn, ROUTE, "viettel", {"accounts": []}, standards.today(), "x", first,
                                standards.today())  # fmt: skip
        agreed.agree(conn, change, second, standards.today())
        again = waves.get(conn, wave.id)
    assert (again.plan, again.plan_hash) == (wave.plan, wave.plan_hash)


def test_a_route_is_proposed_from_the_form_and_agreed_to_by_another_operator(
    served: Served, house: House, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong networks and accounts, one twice, a second without a first: named, nothing kept."""
    wave = planned(n=40, seed=82)
    ours = served.front.house
    with_account(monkeypatch, ours, OTHER, FIRST)
    with_account(monkeypatch, ours, "sim-off", FIRST, enabled=False)
    first, second = operator(served, house), operator(served, house)
    path = "/console/settings/routes"
    form = {"carrier": "viettel", "first": OTHER, "second": FIRST, "third": "", "reason": "tuyến mới",
            "effective": standards.today().isoformat()}  # fmt: skip
    for wrong in (
        {"carrier": "none"}, {"first": "sim-off"}, {"first": "sim-esms"}, {"second": OTHER},
        {"first": "", "second": OTHER}, {"reason": " "}, {"effective": "mai"},
    ):  # fmt: skip
        assert first.post(path, **(form | wrong), code="1").status == 422, wrong
    assert first.post(path, **form, code=first.code()).status == 303
    with house.begin() as conn:
        [change] = agreed.changes(conn, ROUTE)
    assert change.value == {"accounts": [OTHER, FIRST]}
    own = f"/console/settings/changes/{change.id}"
    shown = page(second, own)
    assert f"/console/waves/{wave.id}" in shown
    assert f"giữ {FIRST}" in shown
    assert 'name="tested"' not in shown
    assert first.post(f"{own}/agree", code=first.code()).status == 409  # one's own
    assert second.post(f"{own}/agree", code=second.code()).status == 303
    with house.begin() as conn:
        assert standards.routes(conn, standards.today()) == {"viettel": (OTHER, FIRST)}
    assert f"<b>{OTHER}</b>" in page(second, path)


def test_the_form_is_filled_from_a_dry_run(served: Served, house: House) -> None:
    """Its links name network and accounts; who may not propose sees none."""
    path = "/console/settings/routes?carrier=viettel&first=sim-smpp"
    assert '<option value="sim-smpp" selected>' in page(operator(served, house), path)
    assert '<option value="sim-smpp" selected>' not in page(signed_in(served, house, "s-officer", "officer"), path)


# -- senders -----------------------------------------------------------------------------------------------------------


def test_a_sender_needs_the_carriers_confirmation_of_a_second_operator(
    served: Served, house: House, planned: Planned
) -> None:
    """Names that no carrier takes are refused; without the paper nobody agrees; then plans say the new name."""
    wave = planned(n=40, seed=83)
    was = wave.plan["senders"]["viettel"]
    first, second = operator(served, house), operator(served, house)
    path = "/console/settings/senders"
    form = {"way": f"{FIRST} viettel", "sender": "UBNDLaiChau", "reason": "đăng ký tên tỉnh",
            "effective": standards.today().isoformat()}  # fmt: skip
    for wrong in ({"way": "sim-esms viettel"}, {"sender": "Lai Châu"}, {"sender": "123456"}, {"sender": "x" * 12}):
        assert first.post(path, **(form | wrong), code="1").status == 422, wrong
    assert first.post(path, **form, code=first.code()).status == 303
    with house.begin() as conn:
        [change] = agreed.changes(conn, SENDER)
    own = f"/console/settings/changes/{change.id}"
    shown = page(second, own)
    assert f"kế hoạch ghi {was}" in shown
    assert second.post(f"{own}/agree", tested=" ", code="1").status == 422
    assert planned.draft(planned.audience(n=40, seed=83)).senders["viettel"] == was
    assert second.post(f"{own}/agree", tested="CV 12/VT ngày 3/6", code=second.code()).status == 303
    assert "CV 12/VT" in page(first, own)
    after = planned.draft(planned.audience(n=40, seed=84))
    assert after.senders["viettel"] == "UBNDLaiChau"
    assert after.senders["vinaphone"] == was
    assert f"trong tệp {was}" in page(first, path)


def test_the_database_asks_for_the_confirmation_too(house: House) -> None:
    """Whoever writes the row."""
    first, second = pair(house)
    today = standards.today()
    with house.begin() as conn:
        change = agreed.propose(conn, SENDER, f"{FIRST} viettel", WAY, today, "x", first, today)
        with pytest.raises(Problem, match="confirmation"):
            agreed.agree(conn, change, second, today)
    with pytest.raises(psycopg.errors.CheckViolation) as caught, house.begin() as conn:
        conn.execute("UPDATE setting_change SET agreed_by = %s, agreed_at = now() WHERE id = %s", (second, change))
    assert caught.value.diag.constraint_name == "sender_registered"


# -- real sending ------------------------------------------------------------------------------------------------------


REAL = {
    "a": Account("a", "esms", simulated=False, enabled=True, licence=9.0, carriers=("viettel",), price=1),
    "b": Account("b", "esms", simulated=False, enabled=True, licence=9.0, carriers=("viettel",), price=1),
}


@pytest.fixture
def real(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[House, Campaign]:
    """Two real accounts, and the shipped campaign routed over them; only `b` has the campaign's sender."""
    campaign = acts.read_definition(house.settings, acts.Path(__file__).parents[2] / "campaigns/definitions" / CAMPAIGN)
    names: Mapping[str, str] = {"a": "KHAC", "b": "UBNDLaiChau"}

    class Row:
        def __init__(self, name: str) -> None:
            self.name, self.senders = name, {"viettel": names[name]}

    monkeypatch.setattr(ways, "load_accounts", lambda _path: [Row("a"), Row("b")])
    return replace(house, accounts=REAL), replace(campaign, routes=(CarrierRoute("viettel", ("a", "b")),))


def way_of(house: House, campaign: Campaign) -> ways.Ways:
    """Of today."""
    with house.begin() as conn:
        return ways.of(house, conn, campaign, standards.today(), rehearsal=False)


def test_nothing_real_is_planned_under_a_name_that_its_account_has_not(real: tuple[House, Campaign]) -> None:
    """The first account that has the campaign's sender carries; none: the names that there are, told."""
    house, campaign = real
    assert way_of(house, campaign).routes == {"viettel": ("b",)}
    agree_on(house, SENDER, "a viettel", {"account": "a", "carrier": "viettel", "sender": "UBNDLaiChau"})
    assert way_of(house, campaign).routes == {"viettel": ("a", "b")}
    agree_on(house, ROUTE, "viettel", {"accounts": ["b", "a"]})
    assert way_of(house, campaign).routes == {"viettel": ("b", "a")}
    for name in ("a", "b"):
        agree_on(house, SENDER, f"{name} viettel", {"account": name, "carrier": "viettel", "sender": "Cu"})
    with pytest.raises(Problem, match=r"UBNDLaiChau.*b: Cu, a: Cu"):
        way_of(house, campaign)


def test_an_agreed_route_adds_no_network_and_names_no_account_that_is_gone(real: tuple[House, Campaign]) -> None:
    """A campaign reaches what its definition says; a route of before names what is missing."""
    house, campaign = real
    agree_on(house, ROUTE, "mobifone", {"accounts": ["b"]})
    assert set(way_of(house, campaign).accounts) == {"viettel"}
    agree_on(house, ROUTE, "viettel", {"accounts": ["b", "gone"]})
    with pytest.raises(Problem, match="gone"):
        way_of(house, campaign)
    nobody = replace(house, accounts={name: replace(each, enabled=False) for name, each in REAL.items()})
    with pytest.raises(Problem, match="no account"):
        way_of(nobody, campaign)


def test_a_start_asks_when_a_sender_is_gone(house: House, planned: Planned) -> None:
    """Real waves only; with a reason it goes, and the record names the sender."""
    wave = planned(n=40, seed=85)
    mine: Wave = replace(wave, rehearsal=False, opens_at=datetime.now(UTC).astimezone(schedule.ZONE))
    with house.begin() as conn:
        standards.verify(conn, house.settings, "111", "an", "gọi thử")
        assert ways.asks(house, conn, wave) == ways.asks(house, conn, mine) == []
    agree_on(house, SENDER, f"{FIRST} viettel", WAY | {"sender": "Moi"})
    with house.begin() as conn:
        with pytest.raises(Problems, match="no longer registered"):
            acts.ask_first(house, conn, mine, "an", " ")
        acts.ask_first(house, conn, mine, "an", "nhà mạng vẫn nhận tên cũ đến hết tháng")
        row = conn.execute("SELECT details FROM audit WHERE act = 'sender.gone' ORDER BY id DESC LIMIT 1").fetchone()
    assert row is not None
    assert wave.plan["senders"]["viettel"] in str(row[0])
