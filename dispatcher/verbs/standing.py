"""Where the messages of a wave are: one row a carrier, columns that add up to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.live import Live
from rich.table import Table

from campaigns.ledger import figures, stops, waves
from campaigns.ledger.figures import Standing
from campaigns.ledger.waves import Wave
from campaigns.schedule import ZONE
from campaigns.terms import State
from dispatcher.verbs.desk import Desk
from dispatcher.verbs.plan_page import carrier_names
from dispatcher.verbs.progress import show_progress
from workers.house import House

EVERY = 1.0  # seconds between two looks
COLUMNS: tuple[tuple[str, Callable[[Standing], int]], ...] = (
    ("queued", lambda each: each.waiting),
    ("in flight", lambda each: each.in_flight),
    ("accepted by the carrier", lambda each: each.counts.get(State.ACCEPTED, 0)),
    ("delivered", lambda each: each.counts.get(State.DELIVERED, 0)),
    ("not delivered", lambda each: each.counts.get(State.UNDELIVERED, 0)),
    ("refused", lambda each: each.counts.get(State.REFUSED, 0)),
    ("uncertain", lambda each: each.counts.get(State.UNCERTAIN, 0)),
    ("suppressed", lambda each: each.counts.get(State.SUPPRESSED, 0)),
    ("cancelled before its turn", lambda each: each.counts.get(State.CANCELLED, 0)),
    ("expired", lambda each: each.counts.get(State.EXPIRED, 0)),
)
"""Each message is in exactly one of these."""
KEYS = ("queued", "in_flight", "accepted", "delivered", "undelivered", "refused", "uncertain", "suppressed",
        "cancelled", "expired")  # fmt: skip
"""The same in JSON."""


def show_standing(desk: Desk, house: House, wave: Wave, rows: Sequence[Standing]) -> dict[str, Any]:
    """Print the table and the sum; the same as JSON's own types."""
    desk.out.print(_table(desk, house, wave, rows))
    with house.begin() as conn:
        again = stops.due(conn, wave.id)
    for each in again:
        desk.say("{carrier}: {n} messages are tried again from {time} on ({reason}), account {account}",
                 carrier=each.carrier, n=each.messages, time=f"{each.next_try.astimezone(ZONE):%H:%M:%S}",
                 reason=desk.words.say(each.reason), account=each.account)  # fmt: skip
    total = _figures(rows)
    number = desk.words.number
    desk.out.print(" + ".join(number(n) for n in total.values() if n) + f" = {number(sum(total.values()))}")
    return {
        "total": total,
        "carriers": {each.carrier: _figures([each]) for each in rows},
        "again": [
            {
                "carrier": each.carrier,
                "account": each.account,
                "reason": each.reason,
                "messages": each.messages,
                "next_try": each.next_try.isoformat(),
            }
            for each in again
        ],
        "adds_up": sum(total.values()) == wave.n,
        **show_progress(desk, house, wave),
    }


def watch(desk: Desk, house: House, wave: Wave) -> None:
    """Show live counts until nothing is queued or on its way; Ctrl-C ends the looking, not the wave."""
    with Live(console=desk.out, auto_refresh=False, transient=True) as screen:
        while True:
            with house.begin() as conn:
                now, rows = waves.get(conn, wave.id), figures.standing(conn, wave.id)
            screen.update(_table(desk, house, now, rows), refresh=True)
            if now.finished_at is not None:
                return
            time.sleep(EVERY)


def _figures(rows: Sequence[Standing]) -> dict[str, int]:
    return {key: sum(of(each) for each in rows) for key, (_, of) in zip(KEYS, COLUMNS, strict=True)}


def _table(desk: Desk, house: House, wave: Wave, rows: Sequence[Standing]) -> Table:
    number, names = desk.words.number, carrier_names(house, [each.carrier for each in rows])
    title = f"{wave.campaign} · {wave.name} · {desk.words.say(wave.state)}"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column(desk.words.say("carrier"), vertical="bottom")
    for name, _ in COLUMNS:
        table.add_column(desk.words.say(name), justify="right")
    table.add_column(desk.words.say("total"), justify="right", style="bold")
    for each in rows:
        cells = [number(of(each)) for _, of in COLUMNS]
        table.add_row(names[each.carrier], *cells, number(each.total))
    sums = _figures(rows)
    table.add_row(desk.words.say("total"), *map(number, sums.values()), number(sum(sums.values())), style="bold")
    return table
