"""Whether the whole SMPP job stays linear and its memory flat: the same job with few and with many recipients, one run.

    python benchmarks/scale.py [--sizes 10000,100000,1000000] [--json]     # 10,000,000 too: an hour and 20 GB of disk

Fails (exit 1) where a message takes more than 1.2 times as long in the largest job as in a smaller one, where a
worker's memory grows by more than 10 %, or where somebody was sent to twice. What does not grow with the job, the
start and the last receipt's delay (1.8 s), is taken off each before the times are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import smpp_job
from benchmarks.carrier import dying_with_us, machine, tidy_on_sigterm

TAIL = smpp_job.FAULTS.receipt_delay * 1.8 * 2  # seconds from the last acceptance to its repeated receipt
SLOWER, FATTER = 1.2, 1.1
WATCHED = "work-"  # names of workers begin so; the parent reads and plans the list, which is not the job


def job(size: int) -> dict[str, Any]:
    """One job in a process of its own: workers are forked from it and inherit what an earlier job left."""
    words = dying_with_us([sys.executable, smpp_job.__file__, "--recipients", str(size), "--json"])
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        told = subprocess.run(words, check=True, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": folder})  # noqa: S603 - our own script
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def line(found: dict[str, Any]) -> str:
    """One job for people."""
    peaks = " ".join(f"{name} {mib}" for name, mib in sorted(found["peak_mib"].items()))
    oldest = found["oldest_chunk_s"]
    return (
        f"{found['recipients']:>10,} recipients  planned in {found['planning_seconds']:7.1f} s"
        f"  {found['seconds']:8.1f} s  {found['messages_per_second']:7,} messages/s  {each(found):7.1f} us a message"
        f"  CPU {found['cpu_us_a_message']['all']:6.1f} us"
        f"  oldest chunk p50 {oldest['p50']} p99 {oldest['p99']} max {oldest['max']} s  peak MiB: {peaks}"
    )


def each(found: dict[str, Any]) -> float:
    """Microseconds a message, without the tail that every job has."""
    return float(max(found["seconds"] - TAIL, 0.001) / found["recipients"] * 1e6)


def verdicts(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    """The largest job beside a smaller one: time a message, memory of each worker."""
    both = [name for name in first["peak_mib"] if name in last["peak_mib"] and name.startswith(WATCHED)]
    sizes = f"{last['recipients']:,} : {first['recipients']:,}"
    found = {f"time a message {sizes}": each(last) / each(first)}
    return found | {
        f"memory of {name} {sizes}": last["peak_mib"][name] / max(first["peak_mib"][name], 1) for name in both
    }


def main() -> None:
    """Each size, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    tidy_on_sigterm()
    jobs: list[dict[str, Any]] = []
    for size in sorted(map(int, wanted.sizes.split(","))):
        jobs.append(job(size))
        print(line(jobs[-1]), flush=True, file=sys.stderr if wanted.json else sys.stdout)
    ratios = {name: ratio for job in jobs[:-1] for name, ratio in verdicts(job, jobs[-1]).items()}
    good = not any(job["twice"] for job in jobs)
    good &= all(ratio <= (SLOWER if name.startswith("time") else FATTER) for name, ratio in ratios.items())
    if wanted.json:
        print(json.dumps({"jobs": jobs, "ratios": ratios, "good": good, "machine": machine()}))
    else:
        for name, ratio in ratios.items():
            print(f"ratio {name} {ratio:.2f}")
        print(machine())
    sys.exit(not good)


if __name__ == "__main__":
    main()
