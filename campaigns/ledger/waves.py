"""A planned wave to its end: approved on its hash, started, paused, resumed, cancelled, finished."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from campaigns.ledger import deputies, people, suppression
from campaigns.terms import Absent, Problem


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave as it stands."""

    id: int
    campaign: str
    version: int
    no: int
    name: str
    rehearsal: bool
    audience: int
    author: str
    state: str
    stop_seq: int
    plan: dict[str, Any]
    plan_hash: str
    approvals_due: int
    n: int
    opens_at: datetime
    closes_at: datetime
    text: str | None
    text_sha256: str | None
    choice: str | None
    planned_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    asks_since: datetime | None  # its hours passed while the system was down: a person gives new ones or cancels
    reopened_by: str | None  # who gave it new hours

    @property
    def asks(self) -> bool:
        """Whether a person is to give it new hours or to cancel it."""
        return self.state == "paused" and self.asks_since is not None


COLUMNS = ", ".join(Wave.__slots__)


def get(conn: psycopg.Connection, wave: int) -> Wave:
    """One wave; a Problem when there is none."""
    row = conn.execute(f"SELECT {COLUMNS} FROM wave WHERE id = %s", (wave,)).fetchone()
    if row is None:
        raise Absent("there is no wave {wave}: see `dispatcher wave list`", wave=wave)
    return Wave(*row)


def all_waves(conn: psycopg.Connection) -> list[Wave]:
    """Every wave, newest first; a canary is part of the wave that waits for it."""
    rows = conn.execute(
        f"SELECT {COLUMNS} FROM wave WHERE NOT EXISTS (SELECT FROM wave w WHERE w.canary = wave.id)"
        " ORDER BY planned_at DESC"
    )
    return [Wave(*row) for row in rows]


def names(conn: psycopg.Connection, wanted: Sequence[int]) -> dict[int, str]:
    """Wave -> its name and its list's, of those that there are: numbers of waves repeat, lists tell them apart."""
    rows = conn.execute(
        "SELECT w.id, w.name || ' · ' || a.name FROM wave w JOIN audience a ON a.id = w.audience WHERE w.id = ANY(%s)",
        (list(wanted),),
    )
    return {int(wave): str(name) for wave, name in rows}


def approve(
    conn: psycopg.Connection,
    wave: int,
    person: people.Person,
    *,
    typed: int,
    choice: str,
    reason: str,
    plan_hash: str | None = None,
    forecast: Mapping[str, Any] | None = None,
) -> int:
    """Record one approval of this exact plan; the number of approvals still due. The author may not be the approver.

    `forecast`: what was foreseen of the chosen text at this moment (Forecast.as_json); it stands in the audit log.
    """
    row = conn.execute(f"SELECT {COLUMNS} FROM wave WHERE id = %s FOR UPDATE", (wave,)).fetchone()
    found = Wave(*row) if row else get(conn, wave)
    _may_approve(conn, found, person)
    if typed != found.n:
        raise Problem("typed {typed} recipients, the plan has {n}: look at the plan again", typed=typed, n=found.n)
    if plan_hash is not None and plan_hash != found.plan_hash:
        raise Problem("the plan has changed since it was shown: look at it again")
    _may_choose(found, choice, reason)
    again = _again(conn, found, reason)
    made = conn.execute(
        "INSERT INTO approval (wave, plan_hash, person, choice, reason, typed) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING stands_for",
        (wave, found.plan_hash, person.login, choice, reason, typed),
    ).fetchone()
    if not made:
        _same_choice(conn, found, person, choice)
    else:
        people.record(
            conn,
            person.login,
            "wave.approve",
            str(wave),
            plan_hash=found.plan_hash,
            choice=choice,
            text_sha256=found.plan["texts"][choice]["sha256"],
            reason=reason,
            again=again,
            **({"stands_for": made[0]} if made[0] else {}),
            **({"forecast": forecast} if forecast else {}),
        )
    return max(0, found.approvals_due - len(approvals(conn, found)))


def _may_approve(conn: psycopg.Connection, found: Wave, person: people.Person) -> None:
    if found.state != "planned":
        raise Problem("wave {wave} is {state}: only a planned wave can be approved", wave=found.id, state=found.state)
    if not person.approves:
        raise Problem("{login} is not an approver", login=person.login)
    if person.login == found.author:
        raise Problem("{login} planned this wave and may not approve it: another person must", login=person.login)
    if person.login == found.reopened_by:
        raise Problem("{login} gave this wave new hours and may not approve them: another person must",
                      login=person.login)  # fmt: skip
    must_be_apart(conn, found, person)


def must_be_apart(conn: psycopg.Connection, wave: Wave, person: people.Person) -> None:
    """Raise Problem where this person is deputy or principal of who made the plan or has approved it."""
    given = [(each.person, each.stands_for) for each in approvals(conn, wave)]
    deputies.must_be_apart(conn, person.login, {wave.author, wave.reopened_by}, given)


def _may_choose(found: Wave, choice: str, reason: str) -> None:
    if choice not in found.plan["texts"]:
        raise Problem("choose the text: {choices}", choices=", ".join(found.plan["texts"]))
    if choice in {"corrected", "correction"} and not reason.strip():
        raise Problem("nothing was approved: say with --reason why the ordered text is corrected; the report cites it")
    if found.choice and choice != found.choice:
        raise Problem("part of this wave has left with the text '{choice}': it goes on with that one or is cancelled",
                      choice=found.choice)  # fmt: skip


def _again(conn: psycopg.Connection, wave: Wave, reason: str) -> list[dict[str, Any]]:
    """Who got this very text before; outside rehearsals that needs a reason, which stands in the record."""
    found = suppression.repeats(conn, wave.id)
    if found and not wave.rehearsal and not reason.strip():
        raise Problem(
            "{n} of these people get this very text from {name} of {campaign} already: say with --reason why again",
            n=found[0].people, name=found[0].name, campaign=found[0].campaign,
        )  # fmt: skip
    return [{"wave": str(each.wave), "people": each.people} for each in found]


def _same_choice(conn: psycopg.Connection, wave: Wave, person: people.Person, choice: str) -> None:
    """A second approval by the same person counts once; another choice is told, not swallowed."""
    given = next(approval for approval in approvals(conn, wave) if approval.person == person.login)
    if given.choice != choice:
        raise Problem(
            "{login} has already chosen '{choice}' for this plan: cancel the wave and plan it again for another text",
            login=person.login,
            choice=given.choice,
        )


def lacking(conn: psycopg.Connection, login: str = "") -> set[int]:
    """Planned waves that lack approvals; with a login only those that this person could still approve."""
    rows = conn.execute(
        "SELECT w.id FROM wave w WHERE w.state = 'planned' AND NOT EXISTS (SELECT FROM wave o WHERE o.canary = w.id)"
        " AND (SELECT count(*) FROM approval a WHERE a.wave = w.id AND a.plan_hash = w.plan_hash"
        " AND a.person <> w.author) < w.approvals_due"
        " AND (%(login)s = '' OR EXISTS (SELECT FROM asked_of(w) p WHERE p.login = %(login)s))",
        {"login": login},
    )
    return {int(row[0]) for row in rows}


def of_campaigns(conn: psycopg.Connection) -> dict[str, int]:
    """Campaign -> its waves, cancelled ones too."""
    return dict(conn.execute("SELECT campaign, count(*) FROM wave GROUP BY campaign").fetchall())


def reason(conn: psycopg.Connection, wave: int) -> str:
    """Why a wave stands as it does: what was said at its last pause, resume or cancel."""
    row = conn.execute("SELECT state_reason FROM wave WHERE id = %s", (wave,)).fetchone()
    return str(row[0]) if row else ""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word on one plan."""

    person: str
    choice: str
    reason: str
    at: datetime
    stands_for: str | None  # in whose place; None: in the person's own name


def approvals(conn: psycopg.Connection, wave: Wave) -> list[Approval]:
    """The approvals that count: of this exact plan hash, by somebody who is not the author."""
    rows = conn.execute(
        "SELECT person, choice, reason, at, stands_for FROM approval"
        " WHERE wave = %s AND plan_hash = %s AND person <> %s ORDER BY at",
        (wave.id, wave.plan_hash, wave.author),
    )
    return [Approval(*row) for row in rows]


def start(conn: psycopg.Connection, wave: int, person: people.Person) -> Wave:
    """Set an approved wave running, with the text of the approvers' choice."""
    conn.execute("SELECT FROM wave WHERE id = %s FOR UPDATE", (wave,))
    found = get(conn, wave)
    if found.state != "planned":
        raise Problem("wave {wave} is {state}: it cannot be started", wave=wave, state=found.state)
    _refuse_past(found)
    given = approvals(conn, found)
    if len(given) < found.approvals_due:
        raise Problem(
            "wave {wave} has {n} of {due} approvals of this plan: it cannot be started",
            wave=wave,
            n=len(given),
            due=found.approvals_due,
        )
    choices = {approval.choice for approval in given}
    if len(choices) > 1:
        raise Problem(
            "the approvers chose different texts ({choices}): plan the wave again", choices=", ".join(sorted(choices))
        )
    text = found.plan["texts"][choices.pop()]
    conn.execute(
        "UPDATE wave SET state = 'running', started_at = coalesce(started_at, now()), text = %s, text_sha256 = %s,"
        " choice = %s, stop_seq = stop_seq + 1 WHERE id = %s",
        (text["text"], text["sha256"], given[0].choice, wave),
    )
    people.record(conn, person.login, "wave.start", str(wave), text_sha256=text["sha256"])
    _start_canary(conn, wave, person)
    _tell(conn, wave)
    return get(conn, wave)


def _start_canary(conn: psycopg.Connection, wave: int, person: people.Person) -> None:
    """Its plan's hash stands in the approved plan, so who approved that one approved it too."""
    row = conn.execute(
        "SELECT c.id FROM wave w JOIN wave c ON c.id = w.canary WHERE w.id = %s AND c.state = 'planned'"
        " AND w.plan -> 'canary' ->> 'plan_hash' = c.plan_hash",
        (wave,),
    ).fetchone()
    if row is None:
        return
    conn.execute(
        "INSERT INTO approval (wave, plan_hash, person, choice, reason, typed) SELECT c.id, c.plan_hash, a.person,"
        " a.choice, a.reason, c.n FROM wave w JOIN approval a ON a.wave = w.id AND a.plan_hash = w.plan_hash"
        " JOIN wave c ON c.id = w.canary WHERE w.id = %s ON CONFLICT DO NOTHING",
        (wave,),
    )
    start(conn, row[0], person)


def _refuse_past(wave: Wave) -> None:
    if wave.closes_at > datetime.now(UTC):
        return
    if wave.started_at:
        raise Problem("the new hours of wave {wave} are over as well: give it others, or cancel it", wave=wave.id)
    raise Problem("the hours of wave {wave} are over, so it does not begin: plan it again for another day",
                  wave=wave.id)  # fmt: skip


MOVES = {
    "pause": (("running",), "paused"),
    "resume": (("paused",), "running"),
    "cancel": (("planned", "running", "paused"), "cancelled"),
}
"""What a person may do with a wave: from which states, to which."""


def move(conn: psycopg.Connection, wave: int, person: str, act: str, reason: str = "") -> Wave:
    """Pause, resume or cancel; in force for every worker before its next window, and at its next socket write."""
    before, after = MOVES[act]
    if act == "resume":
        _refuse_used_up(conn, wave)
        _refuse_late(conn, wave)
    made = conn.execute(
        "UPDATE wave SET state = %s::wave_state, stop_seq = stop_seq + 1, state_reason = %s"
        " WHERE id = %s AND state = ANY(%s::wave_state[]) RETURNING id",
        (after, reason, wave, list(before)),
    ).fetchone()
    found = get(conn, wave)
    if not made:
        raise Problem("wave {wave} is {state}: it cannot be changed by '{act}'", wave=wave, state=found.state, act=act)
    conn.execute(  # its canary with it
        "UPDATE wave SET state = %s::wave_state, stop_seq = stop_seq + 1, state_reason = %s"
        " WHERE id = (SELECT canary FROM wave WHERE id = %s) AND state = ANY(%s::wave_state[])",
        (after, reason, wave, list(before)),
    )
    people.record(conn, person, f"wave.{act}", str(wave), reason=reason)
    _tell(conn, wave)
    return found


# Carriers with messages that wait, by whether the budget leaves room for one more of them.
ROOM = """
SELECT bool_or(coalesce(budget_room(%(wave)s, carrier), 1) > 0) FROM (
    SELECT DISTINCT carrier FROM batch WHERE wave = %(wave)s AND cursor < hi) b
"""


def _refuse_late(conn: psycopg.Connection, wave: int) -> None:
    if get(conn, wave).asks:
        raise Problem("the hours of wave {wave} passed while the system was down: give it new hours, which are approved"
                      " anew, or cancel it", wave=wave)  # fmt: skip


def _refuse_used_up(conn: psycopg.Connection, wave: int) -> None:
    """Before the wave's row is held: an intent asks in the same order."""
    if conn.execute(ROOM, {"wave": wave}).fetchone() == (False,):
        raise Problem(
            "the budget of this wave is used up: change it with `dispatcher wave budget`, wait for the next day where"
            " it is the day's, or cancel what is left"
        )


def _tell(conn: psycopg.Connection, wave: int) -> None:
    conn.execute("SELECT pg_notify('dispatcher', %s)", (json.dumps({"wave": str(wave)}),))


def finish(conn: psycopg.Connection, wave: int) -> bool:
    """Mark a wave finished when nothing of it can move any more by our own doing; True when it was marked now.

    Asked in this order: no open window, no due retry, no unfolded chunk; late receipts still count afterwards.
    """
    made = conn.execute(
        "UPDATE wave SET state = 'finished', finished_at = now() WHERE id = %s AND state = 'running'"
        " AND NOT EXISTS (SELECT FROM send_window WHERE wave = wave.id AND closed IS NULL)"
        " AND NOT EXISTS (SELECT FROM batch WHERE wave = wave.id AND cursor < hi)"
        " AND NOT EXISTS (SELECT FROM chunk WHERE wave = wave.id AND NOT folded)"
        " AND NOT EXISTS (SELECT FROM wave_count WHERE wave = wave.id AND state = 0 AND n > 0) RETURNING id",
        (wave,),
    ).fetchone()
    return made is not None
