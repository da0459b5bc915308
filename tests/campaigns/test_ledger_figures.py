"""The ledger's figures against a small wave whose every answer the test has written itself."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from campaigns.forecast import summed
from campaigns.ledger import audiences, figures, fold, foreseen, logbook, people, registry, waves, windows
from campaigns.ledger.figures import CarrierTerms
from campaigns.ledger.fold import Policy
from campaigns.ledger.logbook import Line
from campaigns.ledger.waves import Wave
from campaigns.reports.check import check
from campaigns.samples import Sample, write_sample
from campaigns.terms import Outcome, Problem, State, Verdict
from config.servers import Servers
from config.settings import load
from dispatcher import acts, assemble, foresight
from workers.house import House

POLICY = Policy(chunks=40, tries=3, first=0.01, slot=0.01)
TERMS = {"viettel": CarrierTerms("Viettel", receipts=True), "vinaphone": CarrierTerms("VinaPhone", receipts=False)}
RECIPIENTS = 120
O = Outcome  # noqa: E741 - the table of outcomes below is read by its one letter


@dataclass(slots=True)
class Place:
    """A cluster of its own with one running wave, its list and the key ring."""

    house: House
    wave: Wave
    list: Path
    sample: Sample


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("figures") / "var"
    settings = load({"DISPATCHER_BATCH_SIZE": "1000"}, data=data, profile="rehearsal")
    with Servers(data) as servers:
        urls = servers.start()
        site = assemble.Site(settings, urls.owner, urls.app, urls.redis, rehearsal=True)
        assemble.prepare(site)
        house = assemble.house(site)
        file = data / "list.csv"
        sample = write_sample(
            file, seed=7, table=acts.number_table(), recipients=RECIPIENTS, units=("Huyện Mường Tè", "Huyện Sìn Hồ")
        )
        yield Place(house, running_wave(house, file), file, sample)
        house.engine.dispose()


def running_wave(house: House, file: Path, choice: str = "corrected") -> Wave:
    """A list imported by one person, planned, approved by another and started."""
    campaign = acts.read_definition(house.settings, assemble.definitions() / "20-BCD-2024")
    with house.begin() as conn:
        people.add_person(conn, "an", "Lò Thị Mẫu", ["officer"])
        people.add_person(conn, "binh", "Vàng Văn Mẫu", ["approver"])
        version = registry.load_campaign(conn, campaign, "an")
        audience = audiences.create(conn, campaign.name, file.name, "an")
        for _ in acts.import_audience(house, conn, audience, file, campaign.name):
            pass
    draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True)
    wave = acts.plan_wave(house, draft, "an")
    approver = people.Person("binh", "Vàng Văn Mẫu", ("approver",), ("approve",))
    with house.begin() as conn:
        foresight.approve(house, conn, wave.id, approver, typed=wave.n, choice=choice, plan_hash=wave.plan_hash,
                          reason="lỗi chữ trong công văn")  # fmt: skip
        return waves.start(conn, wave.id, approver)


def take(place: Place, account: str, want: int) -> tuple[windows.Batch, windows.Intent]:
    """One committed intent of an account's next due batch."""

    async def work() -> tuple[windows.Batch, windows.Intent]:
        conn = await psycopg.AsyncConnection.connect(place.house.database, autocommit=True)
        async with conn:
            cur = await conn.execute("SELECT incarnation FROM installation")
            row = await cur.fetchone()
            batch = await windows.claim(conn, account, 60)
            assert batch
            assert row
            intent = await windows.take(
                conn, batch, want, journal="test", incarnation=row[0], keys=place.house.keys(batch.campaign),
                at_point=lambda _: None,
            )  # fmt: skip
            assert isinstance(intent, windows.Intent), intent
            await windows.release(conn, batch)
            return batch, intent

    return asyncio.run(work())


def write(place: Place, lines: list[Line], *, closed: tuple[int, ...] = (), folded: bool = True) -> None:
    with place.house.begin() as conn:
        logbook.append(conn, place.wave.id, lines, closed)
    if folded:
        with place.house.begin() as conn:
            fold.fold(conn, place.wave.id, POLICY)


def standing(place: Place) -> dict[str, figures.Standing]:
    with place.house.begin() as conn:
        return {each.carrier: each for each in figures.standing(conn, place.wave.id)}


def test_a_wave_from_its_start_to_its_report(place: Place) -> None:
    """At each step the states of each carrier sum to its messages, and what is on the wire is told from what waits."""
    begun = standing(place)
    assert {name: each.total for name, each in begun.items()} == place.sample.by_carrier
    assert all((each.in_flight, each.waiting) == (0, each.total) for each in begun.values())

    batch, intent = take(place, "sim-smpp", 20)
    sent = {name: each.in_flight for name, each in standing(place).items() if each.in_flight}
    assert sent == {"viettel": 20}

    answers: list[Line] = [
        (intent.id, i, "answer", O.ACCEPTED, "0", f"ref-{i}") for i in range(intent.lo, intent.lo + 17)
    ]
    answers += [(intent.id, intent.lo + 17, "answer", O.REFUSED, "11", ""),
                (intent.id, intent.lo + 18, "answer", O.UNCERTAIN, "~timeout", ""),
                (intent.id, intent.lo + 19, "answer", O.DEFERRED, "88", "")]  # fmt: skip
    write(place, answers, closed=(intent.id,), folded=False)
    assert standing(place)["viettel"].in_flight == 20  # heard, not yet counted: neither waiting nor anything else
    write(place, [])
    now = standing(place)["viettel"]
    assert (now.in_flight, now.waiting) == (0, begun["viettel"].total - 19)
    assert {s: n for s, n in now.counts.items() if n and s is not State.QUEUED} == {
        State.ACCEPTED: 17, State.REFUSED: 1, State.UNCERTAIN: 1,
    }  # fmt: skip
    assert now.total == begun["viettel"].total

    write(place, [(intent.id, intent.lo, "receipt", O.DELIVERED, "DELIVRD", "ref-0"),
                  (intent.id, intent.lo, "receipt", O.DELIVERED, "DELIVRD", "ref-0"),
                  (intent.id, intent.lo + 1, "receipt", O.UNDELIVERED, "UNDELIV", "ref-1")])  # fmt: skip
    assert standing(place)["viettel"].counts[State.DELIVERED] == 1
    assert batch.kind == "first"


def test_the_report_says_what_the_ledger_has(place: Place) -> None:
    """Sums, hash, persons and times pass the report's own check; a carrier without receipts is said to have none."""
    with place.house.begin() as conn:
        figures.hold_still(conn)
        report = figures.report_figures(conn, [place.wave.id], TERMS)
    check(report)
    [wave] = report.waves
    viettel, vinaphone = (next(c for c in wave.carriers if c.carrier == name) for name in ("viettel", "vinaphone"))
    assert (viettel.name, viettel.receipts_promised, vinaphone.receipts_promised) == ("Viettel", True, False)
    assert wave.total.recipients == RECIPIENTS == wave.verdicts[Verdict.ACCEPTED]
    assert (wave.total.delivered, wave.total.undelivered, wave.total.taken) == (1, 1, 17)
    assert wave.total.segments == 17 * viettel.segments_each
    assert wave.file_rows == place.sample.rows
    assert {verdict.value: n for verdict, n in wave.verdicts.items()} == place.sample.verdicts
    assert (wave.receipts_received, wave.receipts_repeats) == (3, 1)
    assert (wave.authored_by, wave.approved_by) == ("Lò Thị Mẫu", "Vàng Văn Mẫu")
    assert wave.choice_reason == "lỗi chữ trong công văn"
    assert wave.rehearsal
    assert wave.closed is None
    assert "Tổng đài quốc gia 111" in wave.text
    assert not report.finished


def test_the_forecast_of_the_approval_stands_beside_what_happened(place: Place) -> None:
    """F-C4: what was foreseen is what the approver saw, later prices change nothing; only taken messages count."""
    with place.house.begin() as conn:
        found = foreseen.beside(conn, waves.get(conn, place.wave.id))
        told_at = waves.approvals(conn, place.wave)[0].at
    assert found
    segments = int(place.wave.plan["texts"]["corrected"]["segments"])
    assert {each.carrier: each.messages for each in found.forecast} == place.sample.by_carrier
    assert summed(found.forecast).segments == RECIPIENTS * segments
    assert summed(found.forecast).dong == place.wave.plan["ceiling"]["dong"]
    done = {each.carrier: each for each in found.actual}
    assert (done["viettel"].messages, done["viettel"].segments, done["vinaphone"].messages) == (17, 17 * segments, 0)
    price = place.house.accounts[place.wave.plan["accounts"]["viettel"]].price
    assert done["viettel"].dong == 17 * segments * price
    assert abs(found.told_at - told_at) < timedelta(minutes=1)
    assert found.first_at
    assert found.finishes_at
    assert (found.over, found.late) == (False, None)


def test_a_forecast_counts_as_each_carrier_bills(place: Place) -> None:
    """F-C2: an advertising text of 150 septets is two segments where the table says 122, though phones show one."""
    plan = place.wave.plan
    text = plan["texts"]["corrected"] | {"text": "[QC] " + "a" * 143, "segments": 1}
    ads = replace(place.wave, plan=plan | {"texts": {"corrected": text}, "compliance": {"class": "advertising"}})
    found = foresight.of_wave(place.house, ads, "corrected")
    assert found
    assert {lane.segments for lane in found.lanes} == {2}
    plain = replace(ads, plan=ads.plan | {"compliance": {"class": "public_information"}})
    public = foresight.of_wave(place.house, plain, "corrected")
    assert public
    assert {lane.segments for lane in public.lanes} == {1}


def test_the_mandate_is_cited_from_the_stored_letter(place: Place) -> None:
    with place.house.begin() as conn:
        found = figures.report_figures(conn, [place.wave.id], TERMS).mandate
    assert (found.kind, found.number, found.task) == ("Công văn", "20/BCĐ", "mục 5")
    assert found.issuer_short == "Ban Chỉ đạo PCTP tỉnh"
    assert found.subject.startswith("triển khai hoạt động hưởng ứng")
    assert found.duty.startswith("chỉ đạo các đơn vị chức năng, các doanh nghiệp viễn thông di động nhắn tin")
    assert "nội dung" not in found.duty


def numbers_of(place: Place) -> set[int]:
    table = acts.number_table()
    with place.list.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {number for row in rows if (number := table.read(row[2])[0])}


def test_the_send_log_has_every_line_in_message_order(place: Place) -> None:
    """Attempts and receipts of a message stand together, with the carrier's raw words and the number from its block."""
    with place.house.begin() as conn:
        figures.hold_still(conn)
        rows = list(figures.send_log(conn, place.wave, place.house.keys(place.wave.campaign), full=True))
    assert len(rows) == 20 + 3
    assert [row.message_no for row in rows] == sorted(row.message_no for row in rows)
    assert Counter(row.kind for row in rows) == {"answer": 20, "receipt": 3}
    assert [row.kind for row in rows[:3]] == ["answer", "receipt", "receipt"]
    assert {row.number for row in rows} <= numbers_of(place)
    assert (rows[0].wave, rows[0].provider, rows[0].carrier, rows[0].provider_ref) == (
        "dot-1", "sim-smpp", "viettel", "ref-0",
    )  # fmt: skip
    assert all(row.at.utcoffset() is not None for row in rows)
    assert {row.text_sha256 for row in rows} == {place.wave.text_sha256}


def test_a_second_try_is_a_line_of_its_own_under_the_same_message(place: Place) -> None:
    """A message that the carrier put off comes again from a retry batch: attempt 2 of the same number."""
    with place.house.begin() as conn:
        conn.execute("UPDATE batch SET cursor = hi WHERE wave = %s AND kind = 'first'", (place.wave.id,))
    batch, intent = take(place, "sim-smpp", 5)
    assert (batch.kind, len(intent.numbers)) == ("retry", 1)
    write(place, [(intent.id, intent.lo, "answer", O.ACCEPTED, "0", "again")], closed=(intent.id,))
    keys = place.house.keys(place.wave.campaign)
    with place.house.begin() as conn:
        figures.hold_still(conn)
        log = [row for row in figures.send_log(conn, place.wave, keys, full=True) if row.number == intent.numbers[0]]
        book = list(figures.message_book(conn, place.wave, keys, full=True, units=acts_units()))
    assert [(row.attempt, row.outcome) for row in log] == [(1, O.DEFERRED), (2, O.ACCEPTED)]
    assert log[0].message_no == log[1].message_no
    [message] = [row for row in book if row.number == intent.numbers[0]]
    assert (message.state, message.attempts) == (State.ACCEPTED, 2)


def acts_units() -> dict[int, str]:
    return acts.units().names


def test_the_book_has_each_message_once_and_masks_its_number(place: Place) -> None:
    keys = place.house.keys(place.wave.campaign)
    with place.house.begin() as conn:
        figures.hold_still(conn)
        rows = list(figures.message_book(conn, place.wave, keys, full=False, units=acts_units()))
    assert len(rows) == len({row.message_no for row in rows}) == RECIPIENTS
    assert {row.text_sha256 for row in rows} == {place.wave.text_sha256}
    assert {row.unit for row in rows} == {"Huyện Mường Tè", "Huyện Sìn Hồ"}
    assert all(str(row.number)[5:8] == "•••" for row in rows)
    assert sum(row.attempts for row in rows) == 21
    assert Counter(row.carrier for row in rows) == place.sample.by_carrier


def test_counts_that_differ_from_the_messages_stop_the_report(place: Place) -> None:
    """A counter moved behind the fold's back is found, named with carrier and state, and nothing is reported."""
    wrong = (
        "UPDATE wave_count SET n = n + 1 WHERE wave = %s AND state = 7 AND carrier = 1"
        " AND unit = (SELECT min(unit) FROM wave_count WHERE wave = %s AND carrier = 1)"
    )
    with psycopg.connect(place.house.database) as conn:
        conn.execute(wrong, (place.wave.id, place.wave.id))
        with pytest.raises(Problem, match="viettel") as told:
            figures.report_figures(conn, [place.wave.id], TERMS)
        conn.rollback()
    assert told.value.values["counted"] == 2
    with place.house.begin() as conn:
        figures.verify_counts(conn, place.wave)


def test_a_plan_that_differs_from_the_list_stops_the_report(place: Place) -> None:
    with pytest.raises(Problem, match="121 messages"), place.house.begin() as conn:
        figures.verify_counts(conn, replace(place.wave, n=RECIPIENTS + 1))


def test_a_wave_that_never_started_has_nothing_to_report(place: Place) -> None:
    campaign = acts.read_definition(place.house.settings, assemble.definitions() / "20-BCD-2024")
    draft = acts.draft_wave(place.house, campaign, 1, 2, place.wave.audience, rehearsal=True)
    planned = acts.plan_wave(place.house, draft, "an")
    with pytest.raises(Problem, match="never started"), place.house.begin() as conn:
        figures.report_figures(conn, [planned.id], TERMS)
    with pytest.raises(Problem, match="one campaign"), place.house.begin() as conn:
        figures.report_figures(conn, [], TERMS)


def test_the_installation_tells_what_it_is(place: Place) -> None:
    with place.house.begin() as conn:
        found = figures.installation(conn)
        assert figures.newest_audience(conn, place.wave.campaign) == place.wave.audience
        with pytest.raises(Problem, match="no list"):
            figures.newest_audience(conn, "another")
    assert (found.rehearsal, found.locked_reason, found.persons) == (True, "", 2)
    assert abs(found.clock - place.wave.planned_at) < timedelta(minutes=5)
