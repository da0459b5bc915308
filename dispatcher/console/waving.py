"""The page of one wave: live figures, how it goes, and what may be done with it; the acts are in `steering`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from starlette.responses import Response, StreamingResponse

from campaigns.forecast import summed
from campaigns.ledger import canaries, delays, foreseen, letters, logins, pace, people, waves
from campaigns.ledger.waves import Approval, Wave
from config.carriers import load_carriers
from dispatcher.console import trials
from dispatcher.console.call import Call
from dispatcher.console.charting import Chart, Delays, chart, coarse, delayed
from dispatcher.console.finding import CHIPS
from dispatcher.console.following import REACHED, after
from dispatcher.console.pages import HEADERS, clock, local, now, show
from dispatcher.console.snapshots import BUCKETS, Row, Snapshot, Snapshots, bar
from dispatcher.foresight import hours_of
from dispatcher.going import why_paused
from dispatcher.halting import WAVE
from dispatcher.halting import told as told_of_stop
from workers import outlets

EVERY = 1.0
"""Seconds between snapshots of a stream."""
ROUNDS = 3600
"""Snapshots of one stream; then the browser opens it again, with a session that is looked at anew."""
TAGS = {"planned": ("warn", "to be approved"), "running": ("run", "sending"), "paused": ("warn", "paused"),
        "cancelled": ("off", "cancelled"), "finished": ("ok", "sent to the end")}  # fmt: skip
APPROVED = ("ok", "approved, not begun")
"""Of a planned wave that lacks nothing but its start."""
CANARY_TAGS = {"waiting": ("run", "on its way"), "arrived": ("warn", "arrived, waits for a word"),
               "failed": ("bad", "did not arrive"), "right": ("ok", "the text is right"),
               "wrong": ("bad", "the text is wrong")}  # fmt: skip
LOOK_AT_SESSION = 10
"""Snapshots between two looks at the session: signing out ends the stream within this many seconds."""


def snapshots_of(call: Call) -> Snapshots:
    """Those of this process."""
    found: Snapshots = call.request.app.state.snapshots
    return found


def wave_page(call: Call) -> Response:
    """One wave, as it stands now; the stream of `live` then changes its figures."""
    return page(call)


def page(call: Call, wrong: str = "", status: int = 200) -> Response:
    """The same, with what was wrong with an act."""
    snap = snapshots_of(call).of(call.wave())
    wave = snap.wave
    with call.house.begin() as conn:
        facts = {**_written(conn, wave), **_canary(call, conn, snap), **_pace(call, conn, wave)}
    given = facts["approvals"]
    begins = begins_at(snap, given, now())
    return show(
        call, "wave.html", status, wrong=wrong, snap=snap, wave=wave, told=told(call, snap), bar=bar,
        watched=watched(snap), tag=tag_of(call, snap, given, begins), begins=begins, text=text_of(wave, given),
        carriers=_carriers(call),
        licence=_licence(call, wave), buckets=BUCKETS, today=local(now()).date().isoformat(), summed=summed,
        reached=REACHED, trials=trials.notes(call, wave), opened=outlets.opened(call.house.settings),
        reason=why_paused(call.words, facts.pop("reason")), **facts,
    )  # fmt: skip


def tag_of(call: Call, snap: Snapshot, given: Sequence[Approval], begins: datetime | None = None) -> tuple[str, str]:
    """Colour and word of a wave's state; one that has not begun is not being sent, and is put off when it is paused."""
    if begins:
        return "off", "waits to begin"
    if snap.wave.state == "planned":
        return planned_tag(call, snap.wave, given)
    put_off = snap.wave.state == "paused" and not snap.whole.begun
    return ("warn", "put off") if put_off else TAGS[snap.wave.state]


def planned_tag(call: Call, wave: Wave, given: Sequence[Approval]) -> tuple[str, str]:
    """The same of a planned one: who has approved is never told that it still waits for that."""
    if len(given) >= wave.approvals_due:
        return APPROVED
    mine = call.who.login in {each.person for each in given}
    return ("off", "approved, waits for another person") if mine else TAGS["planned"]


def begins_at(snap: Snapshot, approvals: Sequence[Approval], at: datetime) -> datetime | None:
    """When a running wave of which nothing has left begins: cool, and its hours open; None: it may now."""
    wave, given = snap.wave, sorted(each.at for each in approvals)
    if wave.state != "running" or snap.whole.begun or len(given) < wave.approvals_due:
        return None
    cool = given[wave.approvals_due - 1] + timedelta(seconds=wave.plan["cool_down"])
    first = next((max(cool, each.opens_at) for each in hours_of(wave) if each.closes_at > max(cool, at)), cool)
    return first if first > at else None


def _written(conn: psycopg.Connection, wave: Wave) -> dict[str, Any]:
    """What the ledger keeps of a wave beside its counts."""
    stopped, given = wave.state in {"paused", "cancelled"}, waves.approvals(conn, wave)
    lacks = wave.state == "planned" and len(given) < wave.approvals_due
    return {
        "approvals": given, "people": people.names(conn), "reason": waves.reason(conn, wave.id),
        "beside": foreseen.beside(conn, wave) if wave.started_at else None,
        "halted": told_of_stop(conn, WAVE, str(wave.id)) if stopped else None, "around": after(conn, wave),
        "asked": letters.reached(conn, wave.id) if lacks else [], "most_tries": letters.TRIES,
    }  # fmt: skip


def _canary(call: Call, conn: psycopg.Connection, snap: Snapshot) -> dict[str, Any]:
    """The seed phones one by one, and who has said what of them."""
    facts: dict[str, Any] = {"seeds": [], "said": {}, "canary_tags": CANARY_TAGS, "chips": CHIPS, "right_for": []}
    if not snap.canary:
        return facts
    named = _carriers(call)
    arrived = [named.get(each.carrier, (each.carrier,))[0] for each in snap.canary if each.state == "arrived"]
    return facts | {"seeds": canaries.phones(conn, snap.wave.id, call.house.keys(snap.wave.campaign)),
                    "said": canaries.said(conn, snap.wave.id), "right_for": arrived}  # fmt: skip


def _pace(call: Call, conn: psycopg.Connection, wave: Wave) -> dict[str, Any]:
    """Messages a minute: some hundred rows of the ledger, none of them a message."""
    at = now()
    slots = pace.slots(conn, wave.id) if wave.started_at else []
    cap = _licence(call, wave) * 60 / int(text_of(wave)[1]["segments"])
    over = wave.state in {"cancelled", "finished"}
    drawn = chart(slots, hours_of(wave), cap, now=at, over=over)
    return {"pace": drawn, "delays": _delays(call, wave, drawn) if drawn else None, "drawn_at": at,
            "as_table": call.request.query_params.get("bang") == "1"}  # fmt: skip


def _delays(call: Call, wave: Wave, drawn: Chart) -> Delays | None:
    """How long receipts took, from a hundred of each step."""
    step = coarse(drawn)
    with call.house.begin() as conn:
        found = delays.sample(conn, wave.id, drawn.marks[0], drawn.marks[-1], step)
    return delayed(found, drawn, step)


def text_of(wave: Wave, given: Sequence[Approval] = ()) -> tuple[str, dict[str, Any]]:
    """The text that goes out, the one that was approved, or the one that an approver is shown first."""
    approved = [each.choice for each in given]
    choice = wave.choice or next(
        (each for each in (*approved, "corrected", "verbatim") if each in wave.plan["texts"]),
        next(iter(wave.plan["texts"])),
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


def watched(snap: Snapshot) -> str:
    """What a page cannot change by its figures alone: when it differs, the page is opened anew."""
    begun = "begun" if snap.whole.begun else ""
    return " ".join([snap.wave.state, begun, *(f"{each.carrier}:{each.arrived}:{each.failed}:{each.word}"
                                        for each in snap.canary)])  # fmt: skip


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
    return {"seq": snap.seq, "state": watched(snap), "told": told(call, snap), "bars": rows}
