"""Before a wave: what it will cost and when its last message leaves. After it: the same beside what happened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.table import Table

from campaigns.forecast import Compared, Share, summed
from campaigns.ledger import foreseen
from campaigns.ledger.waves import Wave
from dispatcher import foresight
from dispatcher.verbs.desk import Desk
from dispatcher.verbs.plan_page import carrier_names, local
from workers.house import House


def say_foreseen(desk: Desk, house: House, wave: Wave, choices: list[str]) -> None:
    """A sentence a text of the plan: when its last message leaves if the wave is approved now."""
    for choice in choices:
        found = foresight.of_wave(house, wave, choice)
        if found is None:
            desk.say("an account of this plan is not configured here: no forecast", style="yellow")
            return
        if found.finishes_at:
            desk.say(
                "{choice}: the last message leaves at {at} ({lasting} of sending), each message tried once",
                choice=desk.words.say(choice), at=local(found.finishes_at),
                lasting=timedelta(seconds=round(found.seconds)),
            )  # fmt: skip
        else:
            desk.say("{choice}: {n} segments do not fit into these days and hours", choice=desk.words.say(choice),
                     n=found.left_over, style="yellow")  # fmt: skip


def show_compared(desk: Desk, house: House, wave: Wave) -> dict[str, Any] | None:
    """Print forecast and fact by carrier, then both times; the same as JSON's own types."""
    with house.begin() as conn:
        found = foreseen.beside(conn, wave) if wave.started_at else None
    if found is None:
        return None
    title = "forecast at the approval of {at} beside what happened" if found.over else (
        "forecast at the approval of {at} beside what has happened so far"
    )  # fmt: skip
    desk.say(title, at=local(found.told_at), style="bold")
    desk.out.print(_table(desk, house, found))
    unknown = desk.words.say("not known")
    desk.say("the last message leaves: forecast {forecast}, actual {actual}",
             forecast=local(found.finishes_at) if found.finishes_at else unknown,
             actual=local(found.last_at) if found.over and found.last_at else unknown)  # fmt: skip
    if found.late is not None and abs(found.late) >= timedelta(minutes=1):
        word = "later than forecast by {lasting}" if found.late > timedelta(0) else "earlier than forecast by {lasting}"
        desk.say(word, lasting=abs(found.late))
    return found.as_json()


def _table(desk: Desk, house: House, found: Compared) -> Table:
    number = desk.words.number
    table = Table(box=None, pad_edge=False)
    table.add_column(desk.words.say("carrier"))
    for title in ("messages", "segments", "cost, dong"):
        for side in ("forecast", "actual"):
            table.add_column(f"{desk.words.say(title)}\n{desk.words.say(side)}", justify="right")
    names = carrier_names(house, [each.carrier for each in found.forecast])
    for told, done in zip(found.forecast, found.actual, strict=True):
        table.add_row(names[told.carrier], *map(number, _pairs(told, done)))
    total = _pairs(summed(found.forecast), summed(found.actual))
    table.add_row(desk.words.say("total"), *map(number, total), style="bold")
    return table


def _pairs(told: Share, done: Share) -> tuple[int, ...]:
    return told.messages, done.messages, told.segments, done.segments, told.dong, done.dong
