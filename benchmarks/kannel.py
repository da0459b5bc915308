"""The whole SMPP job beside Kannel's, one run, one simulated carrier's behaviour. Prints messages/s, CPU and ratios.

    python benchmarks/kannel.py [--messages 100000] [--pgsql 20000] [--ours 400000] [--json]

A job lasts from the first submission until the last receipt is worked in. Kannel 1.4.5 comes from Debian's packages
kannel and kannel-extras and runs at its best that we found (`--sweep` tries the alternatives): no log, no access log,
no store (accepted messages live in memory), and one submit_sm with message_payload for a long text
(max-sms-octets) instead of four chained ones. mtbatch turns every text into the GSM alphabet, so Kannel is given the
text without accents: as many letters, half the bytes. What differs in Kannel's favour: its carrier throttles nobody,
because Kannel stops a connection for a second at each "not now"; it keeps nothing on a disk of what it sends; its time
begins at the first acceptance, ours before the first intent.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import ceiling
from benchmarks.carrier import Carrier, Figure, Lines, cost, end, machine, numbers, tidy_on_sigterm, wait_for
from benchmarks.kannel_boxes import PGSQL_BINDS, PROGRAMS, TABLE, Manner, Sink, boxes, configuration, ports, sink
from campaigns.text import unaccent
from config.servers import Servers

TEXT = Path(__file__).parents[1] / "campaigns" / "definitions" / "20-BCD-2024" / "text.txt"
PATIENCE = 600.0  # seconds one job may take
VERSION = "1.4.5"
JOBS = ("ceiling", "memory", "sink", "pgsql", "one", "chained", "ours")


def require() -> None:
    """Exit with 2 where Kannel is not installed."""
    missing = [name for name, folder in PROGRAMS.items() if shutil.which(name, path=folder) is None]
    if missing:
        sys.stderr.write(f"{', '.join(missing)} not found: install Debian's packages kannel and kannel-extras\n")
        raise SystemExit(2)


def job(folder: Path, messages: int, manner: Manner, servers: Servers | None) -> Figure:
    """One Kannel job on a fresh carrier."""
    to = numbers(messages)
    with ExitStack() as stack:
        carrier = stack.enter_context(Carrier(folder))
        heard = stack.enter_context(sink()) if manner.sink else None
        free = ports(3)
        config = folder / "kannel.conf"
        config.write_text(configuration(carrier.port, free, manner, servers), encoding="ascii")
        running = stack.enter_context(boxes(config, free, manner))
        (folder / "text").write_text(unaccent(TEXT.read_text(encoding="utf-8").strip()), encoding="ascii")
        (folder / "to").write_text("\n".join(to) + "\n", encoding="ascii")
        outside = [servers.pids["postgres"]] if servers and manner.pgsql else []
        before = cost([*running.values(), *outside]), cost(outside)
        mtbatch = _mtbatch(folder, free[1], heard.url if heard else "http://127.0.0.1:9/")
        stack.callback(end, mtbatch)
        until = _finished(carrier, carrier.owes(to), heard, len(to))
        spent = _spent(mtbatch, running, outside, before)
        lines = carrier.truth.read_bytes().splitlines()
    parts = int(lines[0].split(b"\t")[4])
    return Figure(manner.name, messages, messages * parts, until - float(lines[0].split(b"\t")[0]), spent)


def _finished(carrier: Carrier, owed: int, heard: Sink | None, messages: int) -> float:
    """Unix time at which the last receipt was acknowledged and, with a sink, the last one arrived there."""
    receipts = Lines(carrier.receipts)
    wait_for(lambda: receipts.look() >= owed, PATIENCE, "Kannel's receipts")
    if heard is not None:
        wait_for(lambda: heard.n >= messages, PATIENCE, "receipts at the sink")
    return time.time()


def _spent(
    mtbatch: subprocess.Popen[bytes], running: dict[str, int], outside: list[int], before: tuple[float, float]
) -> dict[str, float]:
    postgres = cost(outside) - before[1]
    spent = {"mtbatch": cost([mtbatch.pid])}
    spent["boxes"] = cost([*running.values(), *outside]) - before[0] - postgres
    return {**spent, "postgres": postgres} if outside else spent


def _mtbatch(folder: Path, port: int, url: str) -> subprocess.Popen[bytes]:
    """Start mtbatch; it is not reaped before its CPU time was read."""
    arguments = [
        "-v",
        "4",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "-i",
        "bench",
        "-x",
        "-f",
        "BENCH",
        "-D",
        "3",
        "-u",
        url,
    ]
    with (folder / "mtbatch.out").open("wb") as said:
        return subprocess.Popen(  # noqa: S603 - Debian's program, our arguments
            [f"{PROGRAMS['mtbatch']}/mtbatch", *arguments, str(folder / "text"), str(folder / "to")],
            stdout=said, stderr=said,
        )  # fmt: skip


def ours(folder: Path, messages: int) -> Figure:
    """Our own job, with the faults of the demo: 5 % throttled and tried again."""
    from benchmarks import smpp_job  # noqa: PLC0415 - it loads the whole program, which Kannel's jobs need not wait for

    found = smpp_job.measure(messages, folder)
    spent = {name: us * found["recipients"] / 1e6 for name, us in found["cpu_us_a_message"].items()
             if name not in {"all", "simulator"}}  # fmt: skip
    return Figure("ours", found["recipients"], found["recipients"], found["seconds"], spent)


def ratios(figures: dict[str, Figure]) -> dict[str, float]:
    """Ours beside each of Kannel's; of the two ways to end a receipt the one that is better for Kannel."""
    memory = [figures[key] for key in ("memory", "sink") if key in figures]
    found: dict[str, float] = {}
    if (mine := figures.get("ours")) is None or not memory:
        return found
    found["messages_per_second_memory"] = mine.rate / max(each.rate for each in memory)
    found["cpu_memory"] = min(each.cost for each in memory) / mine.cost
    for key, name in (("pgsql", "pgsql"), ("one", "pgsql_one_bind")):
        if key in figures:
            found[f"messages_per_second_{name}"] = mine.rate / figures[key].rate
            found[f"cpu_{name}"] = figures[key].cost / mine.cost
    return found


def compare(folder: Path, wanted: argparse.Namespace, servers: Servers) -> dict[str, Figure]:
    """All jobs, one after the other; each prints its line."""
    text = TEXT.read_text(encoding="utf-8").strip()
    n = wanted.messages
    few, stored = wanted.pgsql, Manner("Kannel, receipts in PostgreSQL", pgsql=True, binds=PGSQL_BINDS)
    one = Manner("Kannel, in PostgreSQL, one bind", pgsql=True)
    jobs: dict[str, Callable[[], Figure]] = {
        "ceiling": lambda: ceiling.measure(folder / "ceiling", wanted.ours, text),
        "memory": lambda: job(folder / "memory", n, Manner("Kannel, receipts in memory"), None),
        "sink": lambda: job(folder / "sink", few, Manner("Kannel, in memory, to a dlr-url", sink=True), None),
        "pgsql": lambda: job(folder / "pgsql", few, stored, servers),
        "one": lambda: job(folder / "one", few, one, servers),
        "chained": lambda: job(folder / "chained", few, Manner("Kannel, in memory, chained", octets=140), None),
        "ours": lambda: ours(folder / "ours", wanted.ours),
    }
    figures: dict[str, Figure] = {}
    for key in wanted.only or jobs:
        told = _tried(jobs[key], figures, key)
        print(told, flush=True, file=sys.stderr if wanted.json else sys.stdout)
    return figures


def _tried(measure: Callable[[], Figure], figures: dict[str, Figure], key: str) -> str:
    """The line of one job; one that does not come to its end costs its own figure, not those of the others."""
    try:
        figures[key] = measure()
    except SystemExit as late:
        if not isinstance(late.code, str):  # somebody ends the whole benchmark
            raise
        return f"{key}: given up, {late.code}"
    return figures[key].line()


def main() -> None:
    """All jobs one after the other, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="of Kannel's job with receipts in memory")
    parser.add_argument("--pgsql", type=int, default=0, help="of Kannel's other jobs, the slow ones; 0 = as many")
    parser.add_argument("--ours", type=int, default=0, help="of our job and the carrier's; 0 = as many")
    parser.add_argument("--only", nargs="+", choices=JOBS, help="some of the jobs")
    parser.add_argument("--sweep", action="store_true", help="try other settings of Kannel instead")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    wanted.ours = wanted.ours or wanted.messages
    wanted.pgsql = wanted.pgsql or wanted.messages
    require()
    tidy_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="kannel-") as name, Servers(Path(name) / "servers") as servers:
        with psycopg.connect(servers.start().owner, autocommit=True) as conn:
            conn.execute(TABLE)
            versions = f"Kannel {VERSION}, PostgreSQL {conn.info.server_version // 10000}"
        if wanted.sweep:
            sweep(Path(name), wanted.messages, servers)
        else:
            told(compare(Path(name), wanted, servers), versions, as_json=wanted.json)


def told(figures: dict[str, Figure], versions: str, *, as_json: bool) -> None:
    """The ratios, the machine, the versions."""
    found = ratios(figures)
    where = f"{machine()}, {versions}"
    if as_json:
        print(json.dumps({"figures": {key: asdict(each) for key, each in figures.items()}, "ratios": found,
                          "machine": where}))  # fmt: skip
        return
    for key, ratio in found.items():
        print(f"ratio {key} {ratio:.1f}")
    print(where)


def sweep(folder: Path, messages: int, servers: Servers) -> None:
    """Kannel's settings against each other."""
    manners = [Manner(f"binds {binds}, window {window}", binds=binds, window=window)
               for binds in (1, 2, 4) for window in (10, 100, 500, 2000)]  # fmt: skip
    manners += [Manner(f"pgsql, binds {binds}, pool {pool}", pgsql=True, binds=binds, pool=pool)
                for binds in (1, 2, 4, 8) for pool in (1, 4, 16)]  # fmt: skip
    for i, manner in enumerate(manners):
        print(job(folder / str(i), messages, manner, servers).line(), flush=True)


if __name__ == "__main__":
    main()
