"""The hand of a worker at the ledger, one step at a time, so that a test can repeat or break off any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg

from campaigns.ledger import fold, logbook
from campaigns.ledger.names import message_table, new_id
from campaigns.terms import Outcome, State

NOW = 1e-6
"""A slot so short that a retry is due at once."""
YEAR = 31_536_000.0
"""A slot so long that all retries of a test fall into one."""

TAKE = """
SELECT verdict, taken_to, skipped FROM take_window(
    p_wave => %(wave)s, p_kind => %(kind)s::batch_kind, p_seq => %(seq)s, p_token => %(token)s, p_lo => %(lo)s,
    p_want => %(want)s, p_id => %(id)s, p_journal => %(journal)s, p_incarnation => %(incarnation)s,
    p_plan_hash => %(plan_hash)s, p_stop_seq => %(stop_seq)s)
"""
Row = tuple[Any, ...]
Counts = dict[tuple[int, int, int], int]
"""(carrier, unit, state) -> messages, without the zeros."""


def one(conn: psycopg.Connection, query: str, *values: object) -> Row:
    """The one row of a query."""
    row = conn.execute(query, values).fetchone()
    assert row is not None, query
    return row


def lease(conn: psycopg.Connection, wave: int, *, kind: str = "first", seq: int = 0, seconds: float = 60) -> int:
    """Lease a batch, whoever had it; the token."""
    token = new_id()
    conn.execute(
        "UPDATE batch SET epoch = epoch + 1, lease_token = %s,"
        " lease_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE wave = %s AND kind = %s::batch_kind AND seq = %s",
        (token, seconds, wave, kind, seq),
    )
    return token


def right(
    conn: psycopg.Connection, wave: int, *, kind: str = "first", seq: int = 0, want: int = 1000
) -> dict[str, Any]:
    """The arguments to which T1 says yes: a fresh lease, and everything else as the ledger has it."""
    token = lease(conn, wave, kind=kind, seq=seq)
    names = ("lo", "incarnation", "plan_hash", "stop_seq")
    row = one(
        conn,
        "SELECT b.cursor, i.incarnation, w.plan_hash, w.stop_seq FROM batch b JOIN wave w ON w.id = b.wave,"
        " installation i WHERE b.wave = %s AND b.kind = %s::batch_kind AND b.seq = %s",
        wave, kind, seq,
    )  # fmt: skip
    return dict(zip(names, row, strict=True)) | {
        "wave": wave, "kind": kind, "seq": seq, "token": token, "want": want, "id": new_id(), "journal": "by hand",
    }  # fmt: skip


def take(conn: psycopg.Connection, arguments: dict[str, Any]) -> Row:
    """T1 with these arguments: (verdict, taken to, skip bitmap)."""
    row = conn.execute(TAKE, arguments).fetchone()
    assert row is not None
    return row


def open_window(conn: psycopg.Connection, wave: int, *, kind: str = "first", seq: int = 0, want: int = 1000) -> int:
    """The next window of a batch, taken as a worker takes it."""
    arguments = right(conn, wave, kind=kind, seq=seq, want=want)
    assert take(conn, arguments)[0] == "ok"
    return int(arguments["id"])


def open_all(conn: psycopg.Connection, wave: int, kind: str = "first") -> dict[int, tuple[int, int]]:
    """Take every unsent batch of a kind whole: message number -> its (window, index)."""
    due = conn.execute(
        "SELECT seq, lo, hi FROM batch WHERE wave = %s AND kind = %s::batch_kind AND cursor < hi ORDER BY seq",
        (wave, kind),
    ).fetchall()
    places: dict[int, tuple[int, int]] = {}
    for seq, lo, hi in due:
        window = open_window(conn, wave, kind=kind, seq=seq, want=hi)
        items = conn.execute(
            "SELECT message_no, idx FROM retry_item WHERE wave = %s AND batch = %s", (wave, seq)
        ).fetchall() if kind == "retry" else [(no, no) for no in range(lo, hi)]  # fmt: skip
        places |= {no: (window, idx) for no, idx in items}
    return places


def tell(conn: psycopg.Connection, wave: int, lines: Sequence[tuple[tuple[int, int], str, Outcome]]) -> None:
    """One chunk of evidence: ((window, index), kind of line, outcome)."""
    logbook.append(conn, wave, [(window, idx, kind, outcome, "test", "") for (window, idx), kind, outcome in lines])


def fold_all(conn: psycopg.Connection, wave: int, *, tries: int = 5, slot: float = YEAR, chunks: int = 40) -> int:
    """Fold until nothing is left; how many chunks."""
    done = 0
    while made := fold.fold(conn, wave, fold.Policy(chunks=chunks, tries=tries, first=0.0, slot=slot)):
        done += made
    return done


def messages(conn: psycopg.Connection, wave: int) -> dict[int, tuple[State, int, int]]:
    """Number of each message -> (state, latest attempt, tries)."""
    rows = conn.execute(f"SELECT no, state, attempt, tries FROM {message_table(wave)} ORDER BY no")
    return {no: (State(state), attempt, tries) for no, state, attempt, tries in rows}


def numbers_of(conn: psycopg.Connection, wave: int) -> list[int]:
    """The numbers of all messages, in order."""
    return sorted(messages(conn, wave))


def counted(conn: psycopg.Connection, wave: int) -> Counts:
    """What the live counts say."""
    rows = conn.execute("SELECT carrier, unit, state, n FROM wave_count WHERE wave = %s AND n <> 0", (wave,))
    return {(carrier, unit, state): n for carrier, unit, state, n in rows}


def grouped(conn: psycopg.Connection, wave: int) -> Counts:
    """What counting the messages themselves says."""
    rows = conn.execute(f"SELECT carrier, unit, state FROM {message_table(wave)}")
    return dict(Counter(rows.fetchall()))


def set_states(owner: psycopg.Connection, wave: int, wanted: dict[int, tuple[State, int, int]]) -> None:
    """Put messages into (state, attempt, tries) against all rules, and the live counts with them; as the owner."""
    table = message_table(wave)
    owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER legal")
    with owner.cursor() as cur:
        cur.executemany(
            f"UPDATE {table} SET state = %s, attempt = %s, tries = %s WHERE no = %s",
            [(state.value, attempt, tries, no) for no, (state, attempt, tries) in wanted.items()],
        )
    owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER legal")
    owner.execute(
        f"UPDATE wave_count c SET n = (SELECT count(*) FROM {table} m WHERE (m.carrier, m.unit, m.state)"
        " = (c.carrier, c.unit, c.state)) WHERE wave = %s",
        (wave,),
    )


ENDS = (State.UNCERTAIN, State.REFUSED, State.ACCEPTED, State.UNDELIVERED, State.DELIVERED, State.SUPPRESSED,
        State.CANCELLED, State.EXPIRED)  # fmt: skip
"""Every state but the first."""


def end_in_all_states(owner: psycopg.Connection, wave: int) -> None:
    """Put a wave's messages into ENDS, one after another."""
    set_states(owner, wave, {no: (ENDS[at % len(ENDS)], 1, 1) for at, no in enumerate(numbers_of(owner, wave))})


def shut_down(owner: psycopg.Connection, wave: int, *, days: float = 3, alive_hours: float = 1) -> None:
    """As if a wave's ten hours had begun `days` ago, and its workers had ended `alive_hours` after that."""
    owner.execute(
        "UPDATE wave SET opens_at = now() - %(ago)s, started_at = now() - %(ago)s,"
        " closes_at = now() - %(ago)s + interval '10 h', day_opens = '00:00', day_closes = '00:00' WHERE id = %(wave)s",
        {"ago": timedelta(days=days), "wave": wave},
    )
    owner.execute(
        "INSERT INTO account_seen SELECT DISTINCT account, now() - %s FROM batch WHERE wave = %s"
        " ON CONFLICT (account) DO UPDATE SET at = excluded.at",
        (timedelta(days=days) - timedelta(hours=alive_hours), wave),
    )
