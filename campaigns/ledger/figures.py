"""The ledger's figures for people: where a wave stands, what a report says, and the rows of its exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

import psycopg

from campaigns.ledger import audiences, foreseen, registry, resends, waves
from campaigns.ledger.names import log_table, message_table
from campaigns.ledger.reading import READ, Numbers
from campaigns.ledger.waves import Wave
from campaigns.reports import mandate
from campaigns.reports.export import LogRow, MessageRow
from campaigns.reports.figures import CarrierFigures, ReportFigures, WaveFigures, WaveRelation
from campaigns.sealing import CampaignKeys, mask
from campaigns.terms import Outcome, Problem, State, Verdict

TRIED = frozenset({State.UNCERTAIN, State.REFUSED, State.ACCEPTED, State.UNDELIVERED, State.DELIVERED})
"""States that the latest attempt led to; in the others it has not been made, or led nowhere."""


class CarrierTerms(NamedTuple):
    """What a report must know of a carrier beside its counts."""

    name: str  # as papers write it
    receipts: bool  # whether it promises to say what reached a phone


class Standing(NamedTuple):
    """One carrier in one wave, now: the nine states, of which `in_flight` is the part of queued that is on its way."""

    carrier: str
    in_flight: int
    counts: Mapping[State, int]

    @property
    def waiting(self) -> int:
        """Queued and on no wire."""
        return self.counts.get(State.QUEUED, 0) - self.in_flight

    @property
    def total(self) -> int:
        """All messages of the wave to this carrier."""
        return sum(self.counts.values())


def hold_still(conn: psycopg.Connection) -> None:
    """Make all later reads of this transaction see one moment; call it first. The fold goes on meanwhile."""
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


# What is left in batches is waiting; the rest of the queued is between T1 and the fold. Both sides are one snapshot.
# Plan at 1 M messages: wave_count (63 rows) and batch (210 rows) are read whole, no message is; 0.2 ms.
STANDING = """
WITH rest AS (SELECT carrier, sum(hi - cursor) AS n FROM batch WHERE wave = %(wave)s GROUP BY carrier)
SELECT c.name, wc.state, sum(wc.n), coalesce(min(rest.n), 0)
FROM wave_count wc JOIN carrier c ON c.id = wc.carrier LEFT JOIN rest ON rest.carrier = wc.carrier
WHERE wc.wave = %(wave)s GROUP BY c.id, c.name, wc.state ORDER BY c.id, wc.state
"""


def standing(conn: psycopg.Connection, wave: int) -> list[Standing]:
    """Live counts of a wave, a row a carrier, in the carriers' order; each row sums to its messages."""
    counts: dict[str, dict[State, int]] = {}
    waiting: dict[str, int] = {}
    for carrier, state, n, rest in conn.execute(STANDING, {"wave": wave}):
        counts.setdefault(carrier, {})[State(state)] = int(n)
        waiting[carrier] = int(rest)
    return [
        Standing(carrier, max(0, found.get(State.QUEUED, 0) - waiting[carrier]), found)
        for carrier, found in counts.items()
    ]


# Every message read once, against the counters; a row only where they differ. Plan at 1 M: one pass; 0.2 s.
DIFFERENCE = """
SELECT c.name, state, coalesce(counted.n, 0), coalesce(found.n, 0)
FROM (SELECT carrier, state, sum(n) AS n FROM wave_count WHERE wave = %(wave)s GROUP BY carrier, state) counted
FULL JOIN (SELECT carrier, state, count(*) AS n FROM {messages} GROUP BY carrier, state) found USING (carrier, state)
JOIN carrier c ON c.id = carrier
WHERE coalesce(counted.n, 0) <> coalesce(found.n, 0) ORDER BY c.id, state LIMIT 1
"""


def verify_counts(conn: psycopg.Connection, wave: Wave) -> None:
    """Raise Problem when the counters, the messages one by one and the accepted rows of the list do not agree."""
    row = conn.execute(DIFFERENCE.format(messages=message_table(wave.id)), {"wave": wave.id}).fetchone()
    if row is not None:
        raise Problem(
            "{wave}, {carrier}: {counted} messages are counted as {outcome}, one by one there are {found}; call the"
            " operator, no report is written",
            wave=wave.name,
            carrier=row[0],
            counted=int(row[2]),
            outcome=State(row[1]),
            found=int(row[3]),
        )
    counted = sum(each.total for each in standing(conn, wave.id))
    accepted = audiences.verdict_counts(conn, wave.audience)[Verdict.ACCEPTED.value]
    if counted != wave.n or (accepted < wave.n if is_part(wave) else accepted != wave.n):
        raise Problem(
            "{wave}: the list has {accepted} valid rows, the plan {planned} messages, the ledger {counted}; call the"
            " operator, no report is written",
            wave=wave.name,
            accepted=accepted,
            planned=wave.n,
            counted=counted,
        )


def is_part(wave: Wave) -> bool:
    """Whether other waves may have the rest of its list: some carriers, areas, one variant, some of a wave before."""
    return "only" in wave.plan["audience"] or "wording" in wave.plan or "resend" in wave.plan


# -- reports -----------------------------------------------------------------------------------------------------------


def report_figures(
    conn: psycopg.Connection, wave_ids: Sequence[int], carriers: Mapping[str, CarrierTerms]
) -> ReportFigures:
    """The whole report on waves of one campaign; counts are held against the messages first. Raises Problem."""
    found = [waves.get(conn, wave) for wave in wave_ids]
    if len({wave.campaign for wave in found}) != 1:
        raise Problem("a report is about one campaign: name waves of one campaign, at least one")
    for wave in found:
        verify_counts(conn, wave)
    campaign, _ = registry.get_campaign(conn, found[0].campaign, found[0].version)
    return ReportFigures(mandate.facts(campaign), tuple(wave_figures(conn, wave.id, carriers) for wave in found))


def wave_figures(conn: psycopg.Connection, wave_id: int, carriers: Mapping[str, CarrierTerms]) -> WaveFigures:
    """One wave as the ledger has it at this moment; raises Problem for a wave that was never started."""
    wave = waves.get(conn, wave_id)
    if wave.started_at is None or wave.text is None or wave.choice is None:
        raise Problem("{wave} was never started: there is nothing to report", wave=wave.name)
    times, given = _times(conn, wave_id), [a for a in waves.approvals(conn, wave) if a.choice == wave.choice]
    segments = int(wave.plan["texts"][wave.choice]["segments"])
    verdicts = audiences.verdict_counts(conn, wave.audience)
    elsewhere = verdicts[Verdict.ACCEPTED.value] - wave.n if is_part(wave) else 0  # valid rows that other waves have
    accepted = {Verdict.ACCEPTED: verdicts[Verdict.ACCEPTED.value] - elsewhere}
    contradictions, receipts, repeats = _tally(conn, wave_id)
    return WaveFigures(
        wave_name=wave.name,
        wave_id=wave.id,
        rehearsal=wave.rehearsal,
        sender=", ".join(dict.fromkeys(wave.plan["senders"].values())),
        text=wave.text,
        text_sha256=wave.text_sha256 or "",
        choice="verbatim" if wave.choice == "verbatim" else "corrected",
        choice_reason="; ".join(dict.fromkeys(approval.reason for approval in given if approval.reason)),
        opened=times.opened or wave.started_at,
        closed=wave.finished_at,
        carriers=tuple(_carrier(each, carriers, segments) for each in standing(conn, wave_id)),
        file_rows=_file_rows(conn, wave.audience) - elsewhere,
        verdicts={verdict: verdicts[verdict.value] for verdict in Verdict} | accepted,
        contradictions=contradictions,
        receipts_received=receipts,
        receipts_repeats=repeats,
        authored_by=_names(conn, [wave.author]),
        approved_by=_names(conn, [approval.person for approval in given]),
        generated_at=times.now,
        compared=foreseen.beside(conn, wave),
        relations=tuple(
            WaveRelation(each.name, each.kind, each.n, each.before) for each in resends.relations(conn, wave_id)
        ),
    )


def _carrier(each: Standing, carriers: Mapping[str, CarrierTerms], segments: int) -> CarrierFigures:
    terms = carriers.get(each.carrier, CarrierTerms(each.carrier, receipts=False))
    return CarrierFigures(each.carrier, terms.name, each.total, segments, each.counts, terms.receipts)


class _Times(NamedTuple):
    now: datetime
    opened: datetime | None  # when the first intent was made


def _times(conn: psycopg.Connection, wave: int) -> _Times:
    row = conn.execute("SELECT clock_timestamp(), min(at) FROM send_window WHERE wave = %s", (wave,)).fetchone()
    return _Times(*cast("tuple[datetime, datetime | None]", row))


def _tally(conn: psycopg.Connection, wave: int) -> tuple[int, int, int]:
    row = conn.execute("SELECT contradictions, receipts, repeats FROM wave_tally WHERE wave = %s", (wave,)).fetchone()
    return (int(row[0]), int(row[1]), int(row[2])) if row else (0, 0, 0)


def _file_rows(conn: psycopg.Connection, audience: int) -> int:
    row = conn.execute("SELECT coalesce(sum(rows), 0) FROM audience_file WHERE audience = %s", (audience,)).fetchone()
    return int(row[0]) if row else 0


def _names(conn: psycopg.Connection, logins: Sequence[str]) -> str:
    rows = conn.execute("SELECT login, name FROM person WHERE login = ANY(%s)", (list(logins),))
    names = {str(login): str(name) for login, name in rows}
    return ", ".join(names.get(login, login) for login in logins)


# -- exports -----------------------------------------------------------------------------------------------------------

# Every attempt and receipt in message order. Plan at 1 M messages and 1.7 M lines: one pass over the log, hash joins to
# windows, batches (hundreds of rows) and retries (45,241), a sort on disk; 2.2 s, then READ rows a time.
SEND_LOG = """
SELECT CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END AS no, c.name,
    CASE w.kind WHEN 'first' THEN 1 ELSE r.attempt END AS attempt,
    l."window", l.kind::text, l.outcome, w.account, l.provider_code, l.provider_ref, l.at
FROM {log} l
JOIN send_window w ON w.id = l."window"
JOIN batch b ON b.wave = w.wave AND b.kind = w.kind AND b.seq = w.batch
JOIN carrier c ON c.id = b.carrier
LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = w.wave AND r.batch = w.batch AND r.idx = l.idx
ORDER BY no, attempt, l.at, l.kind
"""


def send_log(conn: psycopg.Connection, wave: Wave, keys: CampaignKeys, *, full: bool) -> Iterator[LogRow]:
    """Every answer, receipt and look-up of a wave, for campaigns.reports.export.write; numbers masked unless `full`."""
    numbers, label, text = _Shown(conn, wave.id, keys, full=full), wave_label(wave), wave.text_sha256 or ""
    with conn.cursor(name=f"send_log_{wave.id}") as cur:
        cur.itersize = READ
        cur.execute(SEND_LOG.format(log=log_table(wave.id)))
        for no, carrier, attempt, window, kind, outcome, account, code, ref, at in cur:
            told = Outcome(outcome)
            yield LogRow(label, no, numbers.of(no), carrier, attempt, window, kind, told, account, code, ref, at, text)


# Plan at 1 M rows: all messages by primary key, nothing sorted; 0.6 s.
MESSAGE_BOOK = (
    "SELECT m.no, c.name, m.unit, m.state, m.tries FROM {messages} m JOIN carrier c ON c.id = m.carrier ORDER BY m.no"
)


def message_book(
    conn: psycopg.Connection, wave: Wave, keys: CampaignKeys, *, full: bool, units: Mapping[int, str]
) -> Iterator[MessageRow]:
    """Every message of a wave with its state, for campaigns.reports.export.message_log; `units`: code -> name."""
    numbers, label, text = _Shown(conn, wave.id, keys, full=full), wave_label(wave), wave.text_sha256 or ""
    with conn.cursor(name=f"message_book_{wave.id}") as cur:
        cur.itersize = READ
        cur.execute(MESSAGE_BOOK.format(messages=message_table(wave.id)))
        for no, carrier, unit, number, tries in cur:
            state = State(number)
            tried = tries + (state in TRIED)
            yield MessageRow(label, no, numbers.of(no), carrier, units.get(unit, ""), state, tried, text)


def wave_label(wave: Wave) -> str:
    """How rows and file names of exports call a wave: dot-1."""
    return f"dot-{wave.no}"


class _Shown:
    """Numbers of messages as an export may show them."""

    def __init__(self, conn: psycopg.Connection, wave: int, keys: CampaignKeys, *, full: bool) -> None:
        self._numbers = Numbers(conn, wave, keys)
        self._full = full

    def of(self, no: int) -> int | str:
        number = self._numbers.of(no)
        return number if self._full else mask(number)


# -- the installation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Installation:
    """What the database says of itself."""

    rehearsal: bool
    locked_reason: str  # not empty: nothing is sent until a person has decided
    persons: int  # disabled ones too
    clock: datetime  # the database's own


def installation(conn: psycopg.Connection) -> Installation:
    """Kind, lock, number of persons and clock of this database."""
    row = conn.execute(
        "SELECT rehearsal, locked_reason, (SELECT count(*) FROM person), clock_timestamp() FROM installation"
    ).fetchone()
    if row is None:
        raise Problem("this database was never prepared: run `dispatcher migrate`")
    return Installation(*row)


def newest_audience(conn: psycopg.Connection, campaign: str) -> int:
    """The audience of a campaign that was made last; raises Problem when there is none."""
    row = conn.execute(
        "SELECT id FROM audience a WHERE campaign = %s AND NOT EXISTS (SELECT FROM seed_list s WHERE s.audience = a.id)"
        " ORDER BY created_at DESC LIMIT 1",
        (campaign,),
    ).fetchone()
    if row is None:
        raise Problem("campaign {name} has no list of recipients: import one first", name=campaign)
    return int(row[0])


def lock_persons(conn: psycopg.Connection) -> None:
    """One person is entered at a time, so that there is only one first."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('person'))")


def has_person(conn: psycopg.Connection, login: str) -> bool:
    """Whether somebody of this login was ever entered."""
    return conn.execute("SELECT FROM person WHERE login = %s", (login,)).fetchone() is not None


def roles_of(conn: psycopg.Connection, login: str) -> list[str]:
    """The roles of a person; raises Problem for a login that is not entered."""
    row = conn.execute("SELECT roles FROM person WHERE login = %s AND disabled_at IS NULL", (login,)).fetchone()
    if row is None:
        raise Problem("there is no person {login}: see `dispatcher person add --help`", login=login)
    return list(row[0])
