"""How PostgreSQL really ran every query on messages and log lines of a large wave: EXPLAIN (ANALYZE, BUFFERS) of each.

    python benchmarks/explain.py [--messages 1000000] [--verbose] [--only fold]

It calls the program's own functions on a connection with auto_explain, nested statements included, so that what is
shown is what runs. One line a function: statements on a wave's tables, rows of messages and log lines that they read,
milliseconds, buffers of 8 KiB, and how messages and log lines were reached. Exit 1 where one that runs while messages
are being sent reads a message or log table from end to end; reports and exports may. Below 200,000 messages reading
a table whole is the right plan, and nothing is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import explain_wave
from benchmarks.carrier import machine, tidy_on_sigterm

WATCH = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; SET auto_explain.log_buffers = on;
SET auto_explain.log_nested_statements = on; SET auto_explain.log_format = 'json';
SET auto_explain.log_level = 'notice'; SET client_min_messages = 'notice'; SET log_min_messages = 'panic'
"""
BIG = re.compile(r"(message|log)_\d+$")
LARGE = re.compile(r"(message|log)_\d+")
TOUCHED = re.compile(r"(message|log)_\d+|send_window|batch|chunk|retry_item|number_block|wave_count|inbox")


@dataclass(frozen=True, slots=True)
class Statement:
    """One executed statement: what it cost and how it reached its tables."""

    ms: float
    rows: int
    buffers: int
    scans: tuple[tuple[str, str, float], ...]  # kind of scan, relation or index, rows it gave in all loops

    @property
    def through(self) -> list[str]:
        """Message and log tables read from end to end."""
        return [relation for kind, relation, _ in self.scans if kind == "Seq Scan" and BIG.match(relation)]

    @property
    def read(self) -> int:
        """Rows of message and log tables that its scans gave, bitmaps counted once."""
        found = (n for kind, name, n in self.scans if LARGE.match(name) and kind != "Bitmap Index Scan")
        return int(sum(found))

    def essence(self) -> str:
        """The plan's scans in one line."""
        return ", ".join(f"{kind} {_plain(relation)} ({rows:,.0f})" for kind, relation, rows in self.scans)


@dataclass(slots=True)
class Watcher:
    """Collects the plans that auto_explain tells a connection."""

    statements: list[Statement] = field(default_factory=list)

    def __call__(self, notice: psycopg.errors.Diagnostic) -> None:
        """One notice of the server."""
        _, plan, text = (notice.message_primary or "").partition("plan:\n")
        if not plan:
            return
        root = json.loads(text)["Plan"]
        nodes = list(_nodes(root))
        scans = tuple(_scan(node) for node in nodes if "Scan" in node["Node Type"] and _relation(node))
        if any(TOUCHED.match(_plain(relation)) for _, relation, _ in scans):
            buffers = root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0)
            self.statements.append(Statement(root["Actual Total Time"], int(root["Actual Rows"]), buffers, scans))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _relation(node: dict[str, Any]) -> str:
    return str(node.get("Index Name") or node.get("Relation Name") or "")


def _scan(node: dict[str, Any]) -> tuple[str, str, float]:
    return str(node["Node Type"]), _relation(node), float(node["Actual Rows"] * node["Actual Loops"])


def _plain(relation: str) -> str:
    """A relation's name without the wave's number."""
    return re.sub(r"_\d{6,}", "_1", relation)


@dataclass(frozen=True, slots=True)
class Case:
    """A function of the program; `whole` ones must read everything."""

    name: str
    call: Callable[[psycopg.Connection], object] | Callable[[psycopg.AsyncConnection[Any]], Any]
    whole: bool = False


def watched(url: str, case: Case) -> list[Statement]:
    """Call it in a transaction that is rolled back, and give the statements that it ran."""
    watcher = Watcher()
    if asyncio.iscoroutinefunction(case.call):
        asyncio.run(_watched(url, case, watcher))
        return watcher.statements
    with psycopg.connect(url) as conn:
        conn.execute(WATCH)
        conn.add_notice_handler(watcher)
        case.call(conn)  # type: ignore[arg-type] # a plain function takes the plain connection
        conn.rollback()
    return watcher.statements


async def _watched(url: str, case: Case, watcher: Watcher) -> None:
    async with await psycopg.AsyncConnection.connect(url) as conn:
        await conn.execute(WATCH)
        conn.add_notice_handler(watcher)
        await case.call(conn)  # type: ignore[arg-type, misc] # as above
        await conn.rollback()


def tell(case: Case, ran: list[Statement], *, verbose: bool) -> bool:
    """Print a case; whether it holds."""
    through = sorted({_plain(relation) for each in ran for relation in each.through})
    verdict = f"seq {' '.join(through)}" if through else "index"
    verdict += " (must)" if through and case.whole else " FAILS" if through else ""
    slowest = max(ran, key=lambda each: each.ms, default=None)
    print(
        f"{case.name:34} statements {len(ran):4}  read {sum(each.read for each in ran):9,} rows"
        f"  {sum(each.ms for each in ran):9.1f} ms  slowest {slowest.ms if slowest else 0:8.1f} ms"
        f"  buffers {sum(each.buffers for each in ran):8,}  {verdict}"
    )
    for each in sorted(ran, key=lambda each: -each.ms)[: 3 if verbose else 0]:
        print(f"    {each.ms:8.2f} ms  {each.rows:,} rows  {each.buffers:,} buffers  {each.essence()}")
    return bool(ran) and not (through and not case.whole)


def _look(url: str, case: Case, wanted: argparse.Namespace) -> list[str]:
    """Its name where it does not hold."""
    if wanted.only not in case.name or tell(case, watched(url, case), verbose=wanted.verbose):
        return []
    return [case.name]


def main() -> None:
    """Fill, then look at each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--verbose", action="store_true", help="the scans of each case's three slowest statements")
    wanted = parser.parse_args()
    tidy_on_sigterm()
    bad: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="explain-") as folder,
        explain_wave.filled(Path(folder), wanted.messages) as place,
    ):
        print(f"{place.wave.n:,} messages, {place.lines:,} log lines; nothing of the log was analysed yet", flush=True)
        for name, call, whole in explain_wave.fresh_cases(place):
            bad += _look(place.superuser, Case(name, call, whole), wanted)
        place.fold_on()
        print(f"folded but for {explain_wave.LEFT} chunks, analysed; {place.seconds:.0f} s", flush=True)
        for name, call, whole in explain_wave.cases(place):
            bad += _look(place.superuser, Case(name, call, whole), wanted)
    print(machine())
    if bad:
        sys.exit(f"read from end to end, or never ran: {', '.join(bad)}")


if __name__ == "__main__":
    main()
