"""The page of one wave: live figures, pause, resume, start, and cancelling what is left."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from datetime import date
from datetime import time as clock_time
from typing import Any

from redis import RedisError
from starlette.responses import Response, StreamingResponse

from campaigns.forecast import summed
from campaigns.ledger import foreseen, logins, people, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from config.carriers import load_carriers
from dispatcher import acts
from dispatcher.console.call import Call, to
from dispatcher.console.following import REACHED, after
from dispatcher.console.pages import HEADERS, clock, local, now, show
from dispatcher.console.snapshots import BUCKETS, Row, Snapshot, Snapshots, bar
from dispatcher.going import why_paused
from dispatcher.halting import WAVE, noted
from dispatcher.halting import told as told_of_stop
from dispatcher.reopening import give_hours

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between snapshots of a stream."""
ROUNDS = 3600
"""Snapshots of one stream; then the browser opens it again, with a session that is looked at anew."""
TAGS = {"planned": ("warn", "to be approved"), "running": ("run", "sending"), "paused": ("warn", "paused"),
        "cancelled": ("off", "cancelled"), "finished": ("ok", "sent to the end")}  # fmt: skip
THEN = {"correction": "/correct"}
"""Where a stop leads that was made for something else."""
LOOK_AT_SESSION = 10
"""Snapshots between two looks at the session: signing out ends the stream within this many seconds."""


def snapshots_of(call: Call) -> Snapshots:
    """Those of this process."""
    found: Snapshots = call.request.app.state.snapshots
    return found


def wave_page(call: Call) -> Response:
    """One wave, as it stands now; the stream of `live` then changes its figures."""
    snap = snapshots_of(call).of(call.wave())
    wave = snap.wave
    with call.house.begin() as conn:
        given, known = waves.approvals(conn, wave), people.names(conn)
        reason = waves.reason(conn, wave.id)
        beside = foreseen.beside(conn, wave) if wave.started_at else None
        halted = told_of_stop(conn, WAVE, str(wave.id)) if wave.state in {"paused", "cancelled"} else None
        around = after(conn, wave)
    return show(
        call, "wave.html", snap=snap, wave=wave, approvals=given, people=known, told=told(call, snap), bar=bar,
        tag=TAGS[wave.state], reason=why_paused(call.words, reason), halted=halted, text=text_of(wave),
        carriers=_carriers(call), licence=_licence(call, wave), buckets=BUCKETS, today=local(now()).date().isoformat(),
        beside=beside, summed=summed, around=around, reached=REACHED,
    )  # fmt: skip


def text_of(wave: Wave) -> tuple[str, dict[str, Any]]:
    """The text that goes out, or the one that an approver is shown first."""
    choice = wave.choice or next(
        (each for each in ("corrected", "verbatim") if each in wave.plan["texts"]), next(iter(wave.plan["texts"]))
    )
    return choice, wave.plan["texts"][choice]


def _carriers(call: Call) -> dict[str, tuple[str, bool]]:
    return {each.id: (each.name, each.receipts) for each in load_carriers(call.house.settings.carriers_file)}


def _licence(call: Call, wave: Wave) -> float:
    """Segments a second that the contracts of this wave allow together."""
    return sum(call.house.accounts[name].licence for name in set(wave.plan["accounts"].values())
               if name in call.house.accounts)  # fmt: skip


def told(call: Call, snap: Snapshot) -> dict[str, str]:
    """Every figure of the page as text, by the name of its place."""
    number = call.words.number
    found = {"at": clock(snap.at), "taken": number(snap.whole.taken), "total": number(snap.whole.total)}
    for row in (*snap.rows, snap.whole):
        head = row.carrier or "all"
        found |= {f"{head}.{name}": number(row.n[name]) for name in BUCKETS}
        found |= {f"{head}.open": number(row.open), f"{head}.speed": number(row.speed * _segments(snap), 0),
                  f"{head}.end": _end(snap, row)}  # fmt: skip
    left = snap.whole.left
    found["left"] = call.words.say("about {left} left", left=left) if left and snap.wave.state == "running" else ""
    return found


def _segments(snap: Snapshot) -> int:
    return int(text_of(snap.wave)[1]["segments"])


def _end(snap: Snapshot, row: Row) -> str:
    if not row.open:
        return "✓"
    left = row.left
    return f"{local(snap.at + left):%H:%M}" if left and snap.wave.state == "running" else "–"


def live(call: Call) -> Response:
    """The figures of a wave once a second, as server-sent events; whole snapshots with a growing `seq`."""
    wave = call.wave()
    snapshots_of(call).of(wave)  # Absent is told as a page, not as a broken stream
    headers = HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(call, wave), 200, headers, "text/event-stream")


async def _stream(call: Call, wave: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    for turn in range(ROUNDS):
        if turn % LOOK_AT_SESSION == LOOK_AT_SESSION - 1 and not await asyncio.to_thread(_still_in, call):
            yield "event: gone\ndata: {}\n\n"
            return
        snap = await asyncio.to_thread(snapshots_of(call).of, wave)
        yield f"id: {snap.seq}\ndata: {json.dumps(_message(call, snap), ensure_ascii=False)}\n\n"
        await asyncio.sleep(EVERY)


def _still_in(call: Call) -> bool:
    with call.house.begin() as conn:
        return logins.session(conn, call.word, seen=False) is not None


def _message(call: Call, snap: Snapshot) -> dict[str, Any]:
    rows = {row.carrier or "all": [[x, width] for _, x, width in bar(row.n)] for row in (*snap.rows, snap.whole)}
    return {"seq": snap.seq, "state": snap.wave.state, "told": told(call, snap), "bars": rows}


# -- acts --------------------------------------------------------------------------------------------------------------


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
            acts.ask_hotlines(call.house, conn, planned, call.who.login, why)
        except Problem as problem:
            return show(call, "start.html", 422, wave=planned, wrong=call.words.problem(problem))
        found = waves.start(conn, planned.id, call.who)
    ring(call, found)
    snapshots_of(call).forget(found.id)
    return to(f"/console/waves/{found.id}")


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
    return show(call, "cancel.html", status, snap=snap, wave=snap.wave, wrong=wrong, tag=TAGS[snap.wave.state],
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
