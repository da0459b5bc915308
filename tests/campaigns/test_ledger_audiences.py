"""Lists in the ledger: one person once, each row one verdict, and a file whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
import pytest

from campaigns.audience import Chunk, examine
from campaigns.ledger import audiences, suppression
from campaigns.ledger.audiences import Intake, freeze, import_file, verdict_counts
from campaigns.samples import write_sample
from campaigns.sheets import Entry
from campaigns.terms import Problem
from dispatcher import acts
from tests.cluster import AUTHOR, CAMPAIGN, Planned
from tests.hand import one
from workers.house import House

SPELLINGS = (
    "0912345678", "912345678", "84912345678", "+84912345678", "+84 91 234 5678", "0912.345.678", "0912-345-678",
    "091 234 5678", "84 912 345 678", "9.12345678E+8", "0912345678 ", "912345678.0",
)  # fmt: skip
"""One invented number, as departments write it."""


def write(path: Path, numbers: Iterable[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("Họ và tên", "Số điện thoại"), *(("A", number) for number in numbers)])
    return path


@pytest.fixture
def audience(house: House) -> int:
    with house.begin() as conn:
        return audiences.create(conn, CAMPAIGN, "tested", AUTHOR.login)


def verdicts(house: House, audience: int) -> dict[str, int]:
    with house.begin() as conn:
        return {name: n for name, n in verdict_counts(conn, audience).items() if n}


def content(house: House, audience: int) -> list[object]:
    """All that an import writes."""
    tables = ("audience_file", "audience_row", "audience_verdict", "audience_block")
    with house.begin() as conn:
        return [
            conn.execute(f"SELECT * FROM {t} WHERE audience = %s ORDER BY 1, 2", (audience,)).fetchall() for t in tables
        ]


def test_one_number_in_every_spelling_is_one_person(
    planned: Planned, house: House, audience: int, tmp_path: Path
) -> None:
    """Within a file the first spelling counts and the others are duplicates."""
    planned.take(audience, write(tmp_path / "a.csv", SPELLINGS))
    assert verdicts(house, audience) == {"accepted": 1, "duplicate": len(SPELLINGS) - 1}
    with house.begin() as conn:
        assert one(conn, "SELECT line FROM audience_row WHERE audience = %s", audience) == (2,)


@pytest.mark.parametrize("spelling", SPELLINGS[1:])
def test_a_person_of_an_earlier_file_is_a_duplicate(
    planned: Planned, house: House, audience: int, tmp_path: Path, spelling: str
) -> None:
    """Across files too, whatever the spelling; another number of the same file is taken."""
    planned.take(audience, write(tmp_path / "a.csv", SPELLINGS[:1]))
    planned.take(audience, write(tmp_path / "b.csv", [spelling, "0912345679"]))
    assert verdicts(house, audience) == {"accepted": 2, "duplicate": 1}


def test_the_converted_number_of_2018_is_the_same_person(
    planned: Planned, house: House, audience: int, tmp_path: Path
) -> None:
    """An eleven-digit number of before 2018 and its ten digits of today."""
    planned.take(audience, write(tmp_path / "a.csv", ["01662345678", "0362345678", "84 166 234 5678"]))
    assert verdicts(house, audience) == {"accepted": 1, "duplicate": 2}


@pytest.mark.parametrize("name", ["a.csv", "other.csv"])
def test_the_same_file_twice_is_refused(
    planned: Planned, house: House, audience: int, tmp_path: Path, name: str
) -> None:
    """By its content, under its own or another name; nothing is added."""
    planned.take(audience, write(tmp_path / "a.csv", SPELLINGS))
    before = content(house, audience)
    write(tmp_path / name, SPELLINGS)
    with pytest.raises(Problem, match=r"already in this audience \(as a.csv\)"):
        planned.take(audience, tmp_path / name)
    assert content(house, audience) == before


def test_the_same_file_in_another_audience_is_fine(
    planned: Planned, house: House, audience: int, tmp_path: Path
) -> None:
    """Each audience counts for itself."""
    file = write(tmp_path / "a.csv", SPELLINGS)
    with house.begin() as conn:
        other = audiences.create(conn, CAMPAIGN, "other", AUTHOR.login)
    for each in (audience, other):
        planned.take(each, file)
        assert verdicts(house, each)["accepted"] == 1


@pytest.mark.parametrize("chunk", [1, 7, 20_000])
@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_verdicts_are_those_known_from_the_making(
    planned: Planned, audience: int, name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All seven verdicts as the sample was made, at every chunk size, and one of them for each row of the file."""
    house, file = planned.house, planned.folder / name
    truth = write_sample(file, rows=300, seed=4, table=acts.number_table())
    monkeypatch.setattr(acts, "CHUNK", chunk)
    done = planned.take(audience, file)
    assert (done.rows, done.verdicts, done.by_carrier) == (300, truth.verdicts, truth.by_carrier)
    assert verdicts(house, audience) == {name: n for name, n in truth.verdicts.items() if n}
    with house.begin() as conn:
        every = one(
            conn,
            "SELECT array_agg(line ORDER BY line), count(DISTINCT line) FROM (SELECT line FROM audience_row"
            " WHERE audience = %s UNION ALL SELECT line FROM audience_verdict WHERE audience = %s) l",
            audience,
            audience,
        )
    assert every == (list(range(2, 302)), 300)


def test_progress_always_sums(planned: Planned, house: House, audience: int, tmp_path: Path) -> None:
    """At each step of an import the verdicts sum to the rows so far."""
    write_sample(tmp_path / "a.csv", rows=200, seed=5, table=acts.number_table())
    with house.begin() as conn:
        steps = [
            (sum(step.verdicts.values()), step.rows)
            for step in acts.import_audience(house, conn, audience, tmp_path / "a.csv", CAMPAIGN)
        ]
    assert steps[-1] == (200, 200)
    assert all(total == rows for total, rows in steps)


def test_who_asked_not_to_be_texted_is_left_out(planned: Planned, house: House, audience: int, tmp_path: Path) -> None:
    """Found by the installation's hash, in any spelling and any campaign; never counted as accepted."""
    with house.begin() as conn:
        number_hash = house.keyring.installation_hash(84912345678)
        suppression.add(conn, "request", [number_hash], AUTHOR)
    planned.take(audience, write(tmp_path / "a.csv", [*SPELLINGS, "0912345679"]))
    assert verdicts(house, audience) == {"accepted": 1, "suppressed": len(SPELLINGS)}


# -- broken off --------------------------------------------------------------------------------------------------------


class Broken(Exception):
    """The file ends in the middle of a row."""


def breaking(rows: int) -> Iterator[Chunk]:
    """Chunks of ten rows, until the file breaks."""

    def entries() -> Iterator[Entry]:
        for line in range(rows):
            yield line + 2, f"09123{line:05d}", ""
        raise Broken

    return examine(entries(), acts.number_table(), 10)


def intake(house: House) -> Intake:
    return Intake(house.keys(CAMPAIGN), acts.number_table().carriers, {})


def test_a_file_that_breaks_in_the_middle_leaves_nothing(house: House, audience: int) -> None:
    """Three chunks were already stored: all of it is rolled back, and the whole file can be given again."""
    with pytest.raises(Broken), house.begin() as conn:
        for _ in import_file(conn, audience, "a.csv", "digest", breaking(35), intake(house)):
            pass
    assert content(house, audience) == [[], [], [], []]
    with house.begin() as conn:
        *_, last = import_file(
            conn, audience, "a.csv", "digest", examine([(2, "0912345678", "")], acts.number_table()), intake(house)
        )
    assert (last.file, last.rows) == (0, 1)


def test_a_real_file_that_breaks_leaves_nothing(
    planned: Planned, house: House, audience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good rows, then bytes that are no text: the sentence names the file, and no row of it stays."""
    monkeypatch.setattr(acts, "CHUNK", 10)
    file = write(tmp_path / "a.csv", [f"09123{n:05d}" for n in range(20_000)])
    file.write_bytes(file.read_bytes() + b"A,\xff\xfe\xff\xff09\n")
    with pytest.raises(Problem, match=r"a\.csv"):
        planned.take(audience, file)
    assert content(house, audience) == [[], [], [], []]


def test_half_a_file_cannot_be_planned(planned: Planned, house: House, audience: int) -> None:
    """Whoever commits in the middle of an import has an audience that says so, not one that looks whole."""
    with house.begin() as conn:
        next(import_file(conn, audience, "a.csv", "digest", breaking(35), intake(house)))
    draft = planned.draft(audience, account="sim-smpp")
    with pytest.raises(Problem, match=r"a\.csv"):
        acts.plan_wave(house, draft, AUTHOR.login)


def test_a_list_without_rows_is_refused(planned: Planned, house: House, audience: int, tmp_path: Path) -> None:
    """A heading alone is a mistake, not an audience; and an audience without anybody cannot be planned."""
    with pytest.raises(Problem, match="no rows"):
        planned.take(audience, write(tmp_path / "a.csv", []))
    with pytest.raises(Problem, match="no row"):
        acts.plan_wave(house, planned.draft(audience), AUTHOR.login)


def test_a_planned_audience_takes_no_more_files(planned: Planned, house: House, audience: int, tmp_path: Path) -> None:
    """What an approval is bound to does not grow."""
    planned.take(audience, write(tmp_path / "a.csv", SPELLINGS))
    acts.plan_wave(house, planned.draft(audience, account="sim-smpp"), AUTHOR.login)
    with pytest.raises(Problem, match="frozen"):
        planned.take(audience, write(tmp_path / "b.csv", ["0912345679"]))
    assert verdicts(house, audience)["accepted"] == 1


def test_two_files_at_once_are_taken_one_after_the_other(
    planned: Planned, house: House, audience: int, tmp_path: Path
) -> None:
    """The second import waits for the first at the audience's row: a person of both is accepted once."""
    first, second = write(tmp_path / "a.csv", SPELLINGS), write(tmp_path / "b.csv", SPELLINGS[::-1])
    with house.begin() as conn:
        list(acts.import_audience(house, conn, audience, first, CAMPAIGN))
        with house.begin() as other:
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
                list(acts.import_audience(house, other, audience, second, CAMPAIGN))
    planned.take(audience, second)
    assert verdicts(house, audience) == {"accepted": 1, "duplicate": 2 * len(SPELLINGS) - 1}


def test_freezing_is_the_same_each_time(planned: Planned, house: House) -> None:
    """The frozen audience and its root do not depend on when they are read."""
    audience = planned.audience(n=50)
    with house.begin() as conn:
        first = freeze(conn, audience, house.keys(CAMPAIGN))
        second = freeze(conn, audience, house.keys(CAMPAIGN))
    assert first == second
    assert house.keys(CAMPAIGN).number_hashes(first.numbers) == [bytes(each) for each in first.hashes]


def test_a_lost_block_is_noticed(planned: Planned, house: House, owner: psycopg.Connection) -> None:
    """Rows without their sealed numbers are damage, told as such, and never planned."""
    audience = planned.audience(n=50)
    owner.execute("DELETE FROM audience_block WHERE audience = %s", (audience,))
    with pytest.raises(Problem, match="damaged: 50 rows, 0 numbers"):
        freeze(owner, audience, house.keys(CAMPAIGN))
