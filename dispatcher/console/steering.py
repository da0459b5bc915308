"""What a person does to a wave on its page: start, pause, resume, new hours, cancel, a word on its canary."""

from __future__ import annotations

import logging
import time
from datetime import date
from datetime import time as clock_time

from redis import RedisError
from starlette.responses import Response

from campaigns.ledger import canaries, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher import acts
from dispatcher.console.call import Call, to
from dispatcher.console.pages import show
from dispatcher.console.snapshots import Snapshots
from dispatcher.console.waving import page, snapshots_of, tag_of
from dispatcher.halting import noted
from dispatcher.reopening import give_hours

log = logging.getLogger(__name__)

THEN = {"correction": "/correct"}
"""Where a stop leads that was made for something else."""


def pause(call: Call) -> Response:
    """Never asks first."""
    return _move(call, "pause")


def resume(call: Call) -> Response:
    """Goes on with what was never tried."""
    return _move(call, "resume")


def _move(call: Call, act: str) -> Response:
    wave = call.wave()
    since = time.monotonic()
    with call.house.begin() as conn:
        found = waves.move(conn, wave, call.who.login, act, call.form.get("reason", "")[:500])
    if act == "pause":
        noted(call.house, call.who.login, wave, since)
    ring(call, found)
    snapshots_of(call).forget(wave)
    return to(f"/console/waves/{wave}")


def reopen(call: Call) -> Response:
    """New hours for a wave that asks; then it waits for another person's approval."""
    said = call.form
    try:
        first, until = (date.fromisoformat(said.get(name, "")) for name in ("first", "until"))
        opens, closes = (clock_time.fromisoformat(said.get(name, "")) for name in ("opens", "closes"))
    except ValueError:
        raise Problem("write days and hours as the form shows them: 2026-12-31 and 08:00") from None
    with call.house.begin() as conn:
        found = waves.get(conn, call.wave())
        give_hours(conn, found, call.who, first=first, until=until, span=(opens, closes),
                   reason=said.get("reason", "")[:500])  # fmt: skip
    snapshots_of(call).forget(found.id)
    return to(f"/console/waves/{found.id}")


def start(call: Call) -> Response:
    """Set an approved wave running; asks first when nobody has made sure of a hotline of its text lately."""
    why = call.form.get("unverified_hotline", "").strip()[:500]
    with call.house.begin() as conn:
        planned = waves.get(conn, call.wave())
        try:
            acts.ask_first(call.house, conn, planned, call.who.login, why)
        except Problem as problem:
            return show(call, "start.html", 422, wave=planned, wrong=call.words.problem(problem))
        found = waves.start(conn, planned.id, call.who)
    ring(call, found)
    snapshots_of(call).forget(found.id)
    return to(f"/console/waves/{found.id}")


def canary_right(call: Call) -> Response:
    """The text on the seed phones is right: what waits behind them goes out."""
    return _say(call, right=True)


def canary_wrong(call: Call) -> Response:
    """It is not: nothing else leaves to these carriers."""
    return _say(call, right=False)


def _say(call: Call, *, right: bool) -> Response:
    carrier = call.form.get("carrier", "")
    try:
        with call.house.begin() as conn:
            wave = waves.get(conn, call.wave())
            canaries.say(
                conn, wave, call.who, right=right, carriers=[carrier] if carrier else (),
                reason=call.form.get("reason", "").strip()[:500], despite="despite" in call.form,
            )  # fmt: skip
    except Problem as problem:
        return page(call, call.words.problem(problem), 422)
    ring(call, wave)
    snapshots_of(call).forget(wave.id)
    return to(f"/console/waves/{wave.id}")


def ring(call: Call, wave: Wave) -> None:
    """Wake the workers; the sweeper does it when Redis is away."""
    try:
        acts.ring(call.house, wave)
    except RedisError as error:
        log.warning("no bell for wave %s (%s): the sweeper rings it", wave.id, type(error).__name__)


def cancel_page(call: Call) -> Response:
    """What will stop, what cannot be undone, and the exact count to type."""
    return _cancel(call, "")


def _cancel(call: Call, wrong: str, status: int = 200) -> Response:
    snap = Snapshots(call.house).of(call.wave())  # of this moment
    with call.house.begin() as conn:
        tag = tag_of(call, snap, waves.approvals(conn, snap.wave))
    return show(call, "cancel.html", status, snap=snap, wave=snap.wave, wrong=wrong, tag=tag,
                then=call.form.get("then", ""))  # fmt: skip


def cancel(call: Call) -> Response:
    """Pauses first, so that the count is frozen and true; cancels when the typed count is that count."""
    wave = call.wave()
    since = time.monotonic()
    with call.house.begin() as conn:
        moving = waves.get(conn, wave).state == "running"
        if moving:
            waves.move(conn, wave, call.who.login, "pause", "before cancelling")
    if moving:
        noted(call.house, call.who.login, wave, since)  # only then does the count stand still
    snapshots_of(call).forget(wave)
    snap = Snapshots(call.house).of(wave)
    if plain_count(call.form.get("count", "")) != snap.whole.n["wait"]:
        return _cancel(call, call.words.say("type the count that is shown now: {n}", n=snap.whole.n["wait"]), 422)
    with call.house.begin() as conn:
        found = waves.move(conn, wave, call.who.login, "cancel", call.form.get("reason", "")[:500])
    ring(call, found)  # its rest is counted at once
    snapshots_of(call).forget(wave)
    return to(f"/console/waves/{wave}{THEN.get(call.form.get('then', ''), '')}")


def plain_count(text: str) -> int:
    """412.345, 412,345, 412 345 and 412345 are one count; -1 for what is none."""
    digits = "".join(sign for sign in text if sign not in ".,\u00a0 ")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else -1  # noqa: PLR2004 - longer than any count
