"""A list of a million rows: file to verdicts with sealed numbers, ours beside phonenumbers; then into a real ledger.

python benchmarks/import_rows.py [rows] prints rows a second, a ratio of one run, peak memory of each, and the sums.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneNumberType, carrier

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.audience import examine
from campaigns.ledger import audiences
from campaigns.ledger.people import Person, add_person
from campaigns.numbers import NumberTable, Reading, Reason
from campaigns.samples import write_sample
from campaigns.sealing import CampaignKeys, Keyring
from campaigns.seen import Seen
from campaigns.sheets import open_sheet
from config.settings import load
from dispatcher import acts, assemble

CAMPAIGN, CHUNK = "20-BCD-2024", 20_000


class Theirs(NumberTable):
    """The same reading by phonenumbers.parse per row: valid, which kind, whose network."""

    def read(self, raw: str) -> Reading:
        """One cell."""
        try:
            number = phonenumbers.parse(raw, "VN")
        except phonenumbers.NumberParseException:
            return 0, 0, Reason.LETTERS
        if not phonenumbers.is_valid_number(number):
            return 0, 0, Reason.UNKNOWN_PREFIX
        if number.country_code != 84:
            return 0, 0, Reason.FOREIGN
        if phonenumbers.number_type(number) != PhoneNumberType.MOBILE:
            return 0, 0, Reason.LANDLINE
        name = carrier.name_for_number(number, "en").lower()
        at = self.carriers.index(name) if name in self.carriers else 0
        return 84_000_000_000 + int(number.national_number), at, Reason.OK


def pipeline(file: Path, table: NumberTable, keys: CampaignKeys, rows: int) -> tuple[float, Counter[str], int]:
    """(rows a second, verdicts, bytes sealed): each row judged, each number met once hashed and sealed."""
    began, seen, verdicts, sealed, done = time.perf_counter(), Seen(), Counter[str](), 0, 0
    with open_sheet(file) as sheet:
        for chunk in examine(islice(sheet.entries(), rows), table, CHUNK):
            done += chunk.rows
            verdicts.update(verdict.value for _, verdict, _ in chunk.rest)
            fresh = sum(1 for _ in seen.fresh(chunk.numbers))
            verdicts["accepted"] += fresh
            verdicts["duplicate"] += len(chunk.numbers) - fresh
            sealed += len(keys.number_hashes(chunk.numbers)) * 16
            sealed += len(keys.seal_block(chunk.numbers, b"benchmark")[1])
    return done / (time.perf_counter() - began), verdicts, sealed


def side_by_side(file: Path, rows: int, var: Path) -> None:
    """Both ways in one run: theirs on a part of the rows before, ours whole, theirs again."""
    table, keys = acts.number_table(), Keyring.create(var / "keys").campaign(CAMPAIGN)
    theirs_table = acts.number_table()
    theirs_table.__class__ = Theirs
    part = max(rows // 25, 1)
    first = pipeline(file, theirs_table, keys, part)[0]
    ours, verdicts, sealed = pipeline(file, table, keys, rows)
    again = pipeline(file, theirs_table, keys, part)[0]
    theirs = (first + again) / 2
    print(f"file to sealed numbers: {ours:,.0f} rows/s · with phonenumbers {first:,.0f} and {again:,.0f}"
          f" · ratio {ours / theirs:.1f} · {sealed:,} bytes of hashes and sealed blocks")  # fmt: skip
    print(f"  verdicts {dict(verdicts)}, sum {sum(verdicts.values()):,} of {rows:,} rows")


def into_a_ledger(file: Path, var: Path) -> None:
    """The whole import into PostgreSQL, one transaction; memory of this process, which holds no server."""
    settings = load({"DISPATCHER_LISTEN_PORT": "0"}, data=var, profile="drill")
    with assemble.site(settings, rehearsal=True, start=True) as site:
        assemble.prepare(site)
        house = assemble.house(site)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        with house.begin() as conn:
            add_person(conn, "an", "An", ["officer"])
            audience = audiences.create(conn, CAMPAIGN, "benchmark", Person("an", "An", ()).login)
            *_, last = acts.import_audience(house, conn, audience, file, CAMPAIGN)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with house.begin() as conn:
            sums = audiences.verdict_counts(conn, audience)
        print(f"into the ledger: {last.rows / seconds:,.0f} rows/s, {seconds:.1f} s,"
              f" peak {peak / 1024:.0f} MiB ({before / 1024:.0f} before)")  # fmt: skip
        print(f"  verdicts {sums}, sum {sum(sums.values()):,} of {last.rows:,} rows; by carrier {last.by_carrier}")
        assert sum(sums.values()) == last.rows


def main() -> None:
    """Make the list in a process of its own, then measure each part in one of its own: memory tells the truth."""
    if len(sys.argv) > 2:
        part, file, rows, var = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
        if part == "make":
            print(json.dumps(write_sample(file, rows=rows, seed=7, table=acts.number_table()).verdicts))
        elif part == "both":
            side_by_side(file, rows, var)
        else:
            into_a_ledger(file, var)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if part == "both":
            print(f"  peak {peak / 1024:.0f} MiB, with a bit for each number met and phonenumbers in it")
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "list.csv"
        for part in ("make", "both", "ledger"):
            command = [sys.executable, __file__, part, str(file), str(rows), str(Path(folder) / "var")]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())  # noqa: S603 - this very program


main()
