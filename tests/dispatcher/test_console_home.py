"""Waves at home: each stopped and sent on from there, told apart from its namesakes, none left out without a word."""

from __future__ import annotations

import re
import secrets

from campaigns.alerts import Found
from campaigns.ledger import alerts, waves
from tests.cluster import Planned, start
from tests.console import Browser, signed_in
from tests.hand import open_window
from tests.serving import Served
from workers.house import House


def person(served: Served, house: House, role: str) -> Browser:
    return signed_in(served, house, f"h-{secrets.token_hex(4)}", role)


def home(browser: Browser, query: str = "") -> str:
    said = browser.get(f"/console{query}")
    assert said.status == 200
    return said.body.decode()


def part_of(page: str, wave: int) -> str:
    """What home says of one wave: from its link to the next one's."""
    found = page.split(f'id="wave-{wave}"', 1)[1]
    return re.split(r'id="wave-|</section>', found)[0]


def test_a_wave_is_paused_and_sent_on_from_home_by_those_who_may(
    served: Served, house: House, planned: Planned
) -> None:
    """The counts stand beside the button; pressing it leads to the wave's page with what the stop led to."""
    wave = start(house, planned(n=40, seed=611, account="sim-smpp", batch_size=1000))
    officer, operator, auditor = (person(served, house, role) for role in ("officer", "operator", "auditor"))
    with house.begin() as conn:
        open_window(conn, wave.id, want=5)
    path = f"/console/waves/{wave.id}"
    for browser, may in ((officer, True), (operator, True), (auditor, False)):
        told = part_of(home(browser), wave.id)
        assert (f'action="{path}/pause"' in told) is may
        assert "bản tin chờ gửi" in told
    home(officer)
    said = officer.post(f"{path}/pause")
    assert said.headers["location"] == path
    page = officer.get(path).body.decode()
    assert re.search(r"Dừng sau [\d,]+ giây", page)
    assert "bản tin còn trên đường" in page
    left = re.search(r"Tiếp tục gửi ([\d.]+) bản tin</button>", part_of(home(officer), wave.id))
    assert left
    assert f"{left[1]} bản tin chờ gửi" in part_of(home(officer), wave.id), "one count, in the button and beside it"
    for browser in (operator, auditor):
        assert "<button" not in part_of(home(browser), wave.id)
    home(officer)
    assert officer.post(f"{path}/resume").headers["location"] == path
    with house.begin() as conn:
        assert waves.get(conn, wave.id).state == "running"


def test_waves_of_one_name_are_told_apart_wherever_home_lists_them(
    served: Served, house: House, planned: Planned
) -> None:
    """By reach and list: those that move, the one to look at first, and what an alert says of one."""
    first = start(house, planned(n=30, seed=612, account="sim-smpp"))
    second = planned(n=20, seed=613, account="sim-smpp")
    assert first.name == second.name
    with house.begin() as conn:
        facts = {"name": first.name, "waiting": 3, "accounts": "sim-smpp"}
        alerts.note(conn, [Found("stalled", str(first.id), facts)], [])
    page = home(person(served, house, "approver"))
    title = f"{first.name} · 30 người · seed 612"
    assert f"<b>{title}</b>" in page
    assert f"“{title}” đứng yên" in page
    assert f">Xem {second.name} · 20 người · seed 613</a>" in page
    with house.begin() as conn:
        alerts.note(conn, [], [])


def test_more_waves_than_home_shows_are_counted_and_a_click_away(
    served: Served, house: House, planned: Planned
) -> None:
    """What is being sent comes before what is paused."""
    made = [start(house, planned(n=10, seed=620 + each, account="sim-smpp")) for each in range(6)]
    officer = person(served, house, "officer")
    with house.begin() as conn:
        waves.move(conn, made[-1].id, waves.approvals(conn, made[-1])[0].person, "pause", "tested")
        moving = [each for each in waves.all_waves(conn) if each.state in {"running", "paused"}]
    page = home(officer)
    assert page.count('id="wave-') == 5
    assert f'<a class="alone" href="/console?waves=all">Còn {len(moving) - 5} đợt' in page
    assert f'id="wave-{made[-1].id}"' not in page, "five others are being sent"
    every = home(officer, "?waves=all")
    assert {f'id="wave-{each.id}"' in every for each in moving} == {True}
    assert "waves=all" not in every
