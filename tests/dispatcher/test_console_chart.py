"""Messages a minute as picture and table: both hold every message once, and nothing of it is drawn over another."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.ledger import logbook
from campaigns.ledger.delays import Delay
from campaigns.ledger.pace import SLOT, Slot
from campaigns.schedule import Window
from campaigns.terms import Outcome
from dispatcher.console.charting import APART, MOST, ROWS, Chart, chart, delayed
from tests.cluster import Planned, start
from tests.console import signed_in
from tests.hand import fold_all, open_all, tell
from tests.serving import Served
from workers.house import House

BEGAN = datetime(2024, 7, 30, 1, 0, tzinfo=UTC)
DAY = [Window(BEGAN, BEGAN + timedelta(hours=12))]
SLOTS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 900), st.integers(0, 900)), min_size=1, max_size=60)


def made(rows: list[tuple[int, int, int]]) -> list[Slot]:
    """Slots of these places, counted from BEGAN; the same place once."""
    return [Slot(BEGAN + at * SLOT, *sums) for at, *sums in sorted({row[0]: row for row in rows}.values())]


def drawn(slots: list[Slot], *, cap: float = 1000.0, over: bool = True, after: timedelta = SLOT) -> Chart:
    found = chart(slots, DAY, cap, now=slots[-1].at + after, over=over)
    assert found
    return found


@given(SLOTS, st.booleans(), st.floats(1, 10_000))
def test_every_message_and_receipt_is_in_it_once_and_nothing_leaves_the_picture(
    rows: list[tuple[int, int, int]],
    over: bool,  # noqa: FBT001 - a case
    cap: float,
) -> None:
    """Whatever the gaps: steps and what came later sum to the slots, lines stay in the square, labels stay apart."""
    slots = made(rows)
    found = drawn(slots, cap=cap, over=over)
    later = found.later.receipts if found.later else 0
    assert sum(each.taken for each in found.points) == found.whole.taken == sum(each.taken for each in slots)
    assert sum(each.receipts for each in found.points) + later == sum(each.receipts for each in slots)
    assert len(found.points) <= MOST + 1
    for line in (found.taken, found.receipts):
        places = [int(n) for n in re.findall(r"\d+", line)]
        assert 0 <= min(places) <= max(places) <= 1000
    assert all(x >= 0 and width > 0 and x + width <= 100.01 for x, width in found.quiet)
    rows_of = [each.row for each in found.labels]
    assert all(b - a >= APART for a, b in pairwise(rows_of))
    assert 0 <= rows_of[0] <= rows_of[-1] <= ROWS
    assert found.cap_at is None or 0 <= found.cap_at <= 100


def test_a_step_that_is_not_over_is_counted_and_not_drawn_as_a_fall() -> None:
    slots = [Slot(BEGAN + n * SLOT, 100, 0) for n in range(7)]
    running = drawn(slots, over=False, after=timedelta(seconds=3))
    assert (len(running.points), running.whole.taken) == (7, 700)
    assert {each.name: each.n for each in running.labels} == {"taken": 600, "receipts": 0, "cap": 1000}
    assert "V1000" not in running.taken


def test_a_night_is_hatched_and_receipts_of_days_later_do_not_press_the_picture_flat() -> None:
    """Sending in two days' hours; the last receipts, three days on, are a number and no picture."""
    hours = [Window(BEGAN + timedelta(days=n), BEGAN + timedelta(days=n, hours=12)) for n in (0, 1)]
    slots = [Slot(BEGAN + timedelta(hours=h), 5, 5) for h in (0, 11, 24, 30)]
    slots.append(Slot(BEGAN + timedelta(days=4), 0, 7))
    found = chart(slots, hours, 100.0, now=BEGAN + timedelta(days=5), over=True)
    assert found
    assert found.later
    assert found.later.receipts == 7
    assert found.marks[-1] < BEGAN + timedelta(days=2)
    [night, end] = found.quiet
    whole = found.marks[-1] - found.marks[0]
    assert night[0] == pytest.approx(100 * (timedelta(hours=12) / whole), abs=0.01)
    assert night[1] == pytest.approx(100 * (timedelta(hours=12) / whole), abs=0.01)
    assert end[0] > night[0] + night[1]


def test_a_cap_far_above_is_told_and_not_drawn() -> None:
    slots = [Slot(BEGAN, 100, 0)]
    assert drawn(slots, cap=601.0).cap_at is not None
    high = drawn(slots, cap=60_000.0)
    assert high.cap_at is None
    assert [each.name for each in high.labels] == ["taken", "receipts"]
    assert chart([], DAY, 1.0, now=BEGAN, over=False) is None


# -- on the page -------------------------------------------------------------------------------------------------------


def test_the_page_has_it_as_a_picture_with_a_sentence_and_as_a_table_that_sums(
    served: Served, house: House, planned: Planned
) -> None:
    wave = start(house, planned(n=40, seed=57, account="sim-smpp"))
    with house.begin() as conn:
        places = open_all(conn, wave.id)
        tell(conn, wave.id, [(each, "answer", Outcome.ACCEPTED) for each in places.values()])
        tell(conn, wave.id, [(each, "receipt", Outcome.DELIVERED) for each in list(places.values())[:30]])
        fold_all(conn, wave.id)
    auditor = signed_in(served, house, f"z-{secrets.token_hex(4)}", "auditor")
    page = auditor.get(f"/console/waves/{wave.id}").body.decode()
    [alt] = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert "Nhà mạng nhận 40 bản tin; 30 biên nhận đã về." in alt
    assert page.count(alt) == 2, "the same sentence for everybody"
    assert "style=" not in page
    table = auditor.get(f"/console/waves/{wave.id}?bang=1").body.decode()
    assert 'role="img" aria-label' not in table
    [foot] = re.findall(r'<table class="top rows">.*?<tfoot>(.*?)</tfoot>', table, re.DOTALL)
    assert re.findall(r'<td class="n">([\d.]+)</td>', foot) == ["40", "30"]


def test_how_long_receipts_take_is_told_of_a_sample_beside_the_same_hours(
    served: Served, house: House, planned: Planned
) -> None:
    """Receipts a moment after their answers; the table has the same figures as the picture's sentence."""
    wave = start(house, planned(n=40, seed=58, account="sim-smpp"))
    with house.begin() as conn:
        places = open_all(conn, wave.id)
        told = [(*place, f"id-{place[0]}-{place[1]}") for place in places.values()]
        logbook.append(conn, wave.id, [(at, idx, "answer", Outcome.ACCEPTED, "0", ref) for at, idx, ref in told])
        fold_all(conn, wave.id)
    auditor = signed_in(served, house, f"z-{secrets.token_hex(4)}", "auditor")
    assert 'id="delays"' not in auditor.get(f"/console/waves/{wave.id}").body.decode(), "no receipt came"
    with house.begin() as conn:
        conn.execute("SELECT pg_sleep(0.2)")
    with house.begin() as conn:
        logbook.append(
            conn, wave.id, [(at, idx, "receipt", Outcome.DELIVERED, "ok", ref) for at, idx, ref in told[:30]]
        )
        fold_all(conn, wave.id)
    page = auditor.get(f"/console/waves/{wave.id}").body.decode()
    [finding] = re.findall(r'<section class="card" id="delays">.*?aria-label="([^"]+)"', page, re.DOTALL)
    half, most = re.findall(r"trong (\d+,\d) giây", finding)
    assert 0.1 < float(half.replace(",", ".")) <= float(most.replace(",", ".")) < 60
    table = auditor.get(f"/console/waves/{wave.id}?bang=1").body.decode()
    assert f'<td class="n">{half}</td><td class="n">{most}</td>' in table


@given(st.lists(st.tuples(st.integers(0, 59), st.floats(0, 5000), st.floats(0, 5000)), min_size=1, max_size=60))
def test_delays_are_drawn_over_the_time_of_their_chart_with_gaps(rows: list[tuple[int, float, float]]) -> None:
    """Lines stay in the square and begin anew after a step without a receipt; the largest figure is not above it."""
    picture = drawn([Slot(BEGAN + n * SLOT, 1, 1) for n in range(60)])
    steps = {at: Delay(BEGAN + at * SLOT, min(a, b), max(a, b)) for at, a, b in rows}
    found = delayed([steps[at] for at in sorted(steps)], picture, SLOT)
    assert found
    assert found.marks == picture.marks
    assert found.top >= max(each.most for each in found.points)
    begins = 1 + sum(b - a > 1 for a, b in pairwise(sorted(steps)))
    for _, line in found.lines:
        assert line.count("M") == begins
        places = [int(n) for n in re.findall(r"\d+", line)]
        assert 0 <= min(places) <= max(places) <= 1000
    assert delayed([], picture, SLOT) is None
