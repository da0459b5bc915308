"""Deputies of approvers: named by the approver, within dates; the two count as one person while it lasts.

The database holds the rule (sql/0021_deputies.sql); here it is told to people before it is broken.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import psycopg

from campaigns.ledger import people
from campaigns.ledger.people import Person
from campaigns.schedule import ZONE
from campaigns.terms import Absent, Problem

MOST_DAYS = 92
"""Days a deputy may stand in at a stretch: who is away for longer hands the office over."""
CAN_STAND_IN = frozenset({"approver", "officer"})
"""Roles of a deputy: not the operator, who gives keys away, not the auditor, who looks on, not a carrier's engineer."""


@dataclass(frozen=True, slots=True)
class Deputy:
    """One time of standing in."""

    id: int
    principal: str
    person: str
    since: datetime
    until: datetime  # the first moment after it
    reason: str
    named_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None

    @property
    def last_day(self) -> date:
        """The last day of it, on the province's calendar."""
        return (self.until.astimezone(ZONE) - timedelta(microseconds=1)).date()

    def stands(self, now: datetime) -> str:
        """withdrawn, over, to come, or in force."""
        if self.withdrawn_at:
            return "withdrawn"
        if now >= self.until:
            return "over"
        return "in force" if now >= self.since else "to come"


COLUMNS = ", ".join(Deputy.__slots__)


def name(conn: psycopg.Connection, principal: Person, login: str, first: date, last: date, reason: str) -> Deputy:
    """Name a deputy from the first to the last day, both whole days of the province. Raises Problem."""
    today = datetime.now(UTC).astimezone(ZONE).date()
    _must_make_sense(first, last, today, reason)
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('deputy'))")
    since, until = (datetime.combine(day, time(), ZONE) for day in (first, last + timedelta(days=1)))
    _must_be_free(conn, principal, login, since, until)
    row = conn.execute(
        f"INSERT INTO deputy (principal, person, since, until, reason) VALUES (%s, %s, %s, %s, %s) RETURNING {COLUMNS}",
        (principal.login, login, since, until, reason.strip()),
    ).fetchone()
    if row is None:
        raise RuntimeError("a deputy was named and is not there")
    people.record(conn, principal.login, "deputy.name", login, first=first, last=last, reason=reason.strip())
    return Deputy(*row)


def _must_make_sense(first: date, last: date, today: date, reason: str) -> None:
    if first < today:
        raise Problem("a deputy begins today or later, not on {day}", day=first)
    if last < first:
        raise Problem("the last day, {last}, is before the first one, {first}", last=last, first=first)
    if (last - first).days >= MOST_DAYS:
        raise Problem("a deputy stands in for {n} days at most: from {first} until {last} is longer",
                      n=MOST_DAYS, first=first, last=last)  # fmt: skip
    if not reason.strip():
        raise Problem("say why somebody stands in: it goes into the record")


def _must_be_free(conn: psycopg.Connection, principal: Person, login: str, since: datetime, until: datetime) -> None:
    entered = "SELECT login, roles FROM person WHERE disabled_at IS NULL AND login = ANY (%s)"
    roles: dict[str, list[str]] = dict(conn.execute(entered, ([principal.login, login],)).fetchall())
    if "approver" not in roles.get(principal.login, ()):
        raise Problem("{login} is not an approver: only an approver has a deputy", login=principal.login)
    if login == principal.login:
        raise Problem("{login} cannot stand in for himself or herself: name another person", login=login)
    if login not in roles:
        raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
    if not CAN_STAND_IN & set(roles[login]):
        raise Problem("{login} is neither an approver nor an officer and cannot stand in", login=login)
    met = conn.execute(
        f"SELECT {COLUMNS} FROM deputy WHERE withdrawn_at IS NULL AND tstzrange(since, until) && tstzrange(%s, %s)"
        " AND (principal = ANY (%s) OR person = ANY (%s)) ORDER BY since LIMIT 1",
        (since, until, [principal.login, login], [principal.login, login]),
    ).fetchone()
    if met:
        other = Deputy(*met)
        raise Problem(
            "{person} stands in for {principal} until {day} already: nobody has two deputies or two principals at once,"
            " and a deputy has no deputy; withdraw that one first",
            person=other.person, principal=other.principal, day=other.last_day,
        )  # fmt: skip


def withdraw(conn: psycopg.Connection, deputy: int, person: Person) -> Deputy:
    """End it now: by either of the two, or an operator. Approvals that were given within it stay."""
    found = get(conn, deputy)
    if person.login not in {found.principal, found.person} and "operator" not in person.roles:
        raise Problem("only {principal}, {person} or an operator withdraws this", principal=found.principal,
                      person=found.person)  # fmt: skip
    made = conn.execute(
        "UPDATE deputy SET withdrawn_at = now(), withdrawn_by = %s WHERE id = %s AND withdrawn_at IS NULL RETURNING id",
        (person.login, deputy),
    ).fetchone()
    if made:
        people.record(conn, person.login, "deputy.withdraw", found.person, principal=found.principal)
    return get(conn, deputy)


def get(conn: psycopg.Connection, deputy: int) -> Deputy:
    """One of them; Absent when there is none."""
    row = conn.execute(f"SELECT {COLUMNS} FROM deputy WHERE id = %s", (deputy,)).fetchone()
    if row is None:
        raise Absent("there is no deputy of this number: see `dispatcher deputy list`")
    return Deputy(*row)


def latest(conn: psycopg.Connection, most: int = 50) -> list[Deputy]:
    """All of them, those that end last first."""
    rows = conn.execute(f"SELECT {COLUMNS} FROM deputy ORDER BY withdrawn_at IS NOT NULL, until DESC LIMIT %s", (most,))
    return [Deputy(*row) for row in rows]


def stands_for(conn: psycopg.Connection, login: str) -> str | None:
    """For whom this person may approve now."""
    row = conn.execute("SELECT principal_of(%s)", (login,)).fetchone()
    return row[0] if row else None


def must_be_apart(
    conn: psycopg.Connection, login: str, authors: Collection[str | None], given: Collection[tuple[str, str | None]]
) -> None:
    """Raise Problem where a deputy and the principal would be two persons of one plan.

    `authors`: who made the plan or gave it its hours; `given`: (person, for whom) of the approvals so far.
    """
    row = conn.execute("SELECT as_one(%s)", (login,)).fetchone()
    one = set(row[0] if row else [login])
    if own := sorted(one & set(authors)):
        raise Problem(
            "{login} and {author} are deputy and principal now, so {login} may not approve what {author} made",
            login=login, author=own[0],
        )  # fmt: skip
    for person, principal in given:
        if person != login and {person, principal} & one:
            raise Problem(
                "{person} has approved this plan, and is deputy or principal of {login}: the two give one approval,"
                " another person must give the next",
                person=person, login=login,
            )  # fmt: skip
