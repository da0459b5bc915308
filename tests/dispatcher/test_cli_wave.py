"""The command line from the first person to the papers, on a running embedded installation of rehearsals."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docx
import psycopg
import pytest

from campaigns.ledger import schema
from campaigns.samples import Sample, write_sample
from config.servers import Servers, Urls
from dispatcher import acts, cli

CAMPAIGN = "20-BCD-2024"
RECIPIENTS = 150


@dataclass(slots=True)
class Town:
    """An installation whose servers run, and the keys of its people as they are made."""

    folder: Path
    urls: Urls
    list: Path
    sample: Sample
    keys: dict[str, str] = field(default_factory=dict)

    def env(self, login: str = "") -> dict[str, str]:
        key = {"DISPATCHER_KEY": self.keys[login]} if login else {}
        return {"DISPATCHER_LANG": "en", "DISPATCHER_DATA": str(self.folder), **key}

    def run(self, *argv: str, by: str = "", rehearsal: bool = True) -> int:
        who = ["--as", by] if by else []
        flags = ["--rehearsal", "--data", str(self.folder)] if rehearsal else []
        return cli.run([*argv, *who, *flags, "--json"], self.env(by))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town") / "var"
    with Servers(folder) as servers:
        file = folder / "list.csv"
        sample = write_sample(file, seed=11, table=acts.number_table(), recipients=RECIPIENTS, units=("Sìn Hồ",))
        yield Town(folder, servers.start(), file, sample)


@dataclass(slots=True)
class Told:
    """What the last command said: the JSON of its last line, and the words for people."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self) -> tuple[dict[str, Any], str]:
        out, err = self.capsys.readouterr()
        return json.loads(out.splitlines()[-1]), err


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


def test_the_first_person_needs_no_key_and_every_other_one_does(town: Town, told: Told) -> None:
    """On an empty installation an operator is entered; from then on nobody is, without a key that allows it."""
    assert town.run("person", "add", "quan", "--name", "Quản trị") == 0
    first, err = told()
    assert (first["roles"], first["scopes"], first["first"]) == (["operator"], ["read", "write", "admin"], True)
    assert first["key"] not in err
    town.keys["quan"] = first["key"]

    assert town.run("person", "add", "la", "--role", "operator") == 1
    assert "no person" in told()[1]
    for login, role in {"an": "officer", "binh": "approver", "kiem": "auditor"}.items():
        assert town.run("person", "add", login, "--role", role, by="quan") == 0
        town.keys[login] = told()[0]["key"]
    assert town.run("person", "add", "an", "--role", "officer", by="quan") == 1
    assert "already entered" in told()[1]
    assert town.run("person", "add", "Ông A", "--role", "officer", by="quan") == 1
    assert "is no login" in told()[1]
    assert town.run("person", "add", "ba", "--role", "king", by="quan") == 1
    assert "at least one role" in told()[1]
    assert town.run("person", "key", "an", by="an") == 1
    assert "does not allow 'admin'" in told()[1]
    assert town.run("person", "key", "nobody", by="quan") == 1
    assert "no person nobody" in told()[1]
    assert town.run("person", "key", "an", "--scope", "fly", by="quan") == 1
    assert "a key may allow" in told()[1]
    assert town.run("person", "key", "an", "--days", "30", by="quan") == 0
    assert told()[0]["scopes"] == ["read", "write"]


def test_a_list_of_exclusions_is_counted_and_never_read_out(town: Town, told: Told) -> None:
    numbers = town.folder / "asked.csv"
    numbers.write_text("SĐT\n0912345678\n912345678\nmất số\n", encoding="utf-8")
    filled = ("exclude", "add", str(numbers), "--list")
    assert town.run(*filled, "police", by="an") == 1
    assert "kept by an operator" in told()[1]
    for name, by in (("police", "quan"), ("request", "an")):
        assert town.run(*filled, name, by=by) == 0
        found, err = told()
        assert found == {"list": name, "changed": 1, "given": 1, "unreadable": 1}
        assert "678" not in err
    assert town.run("exclude", "list") == 0
    found, err = told()
    assert found["lists"] == {"request": 1, "police": 1, "staff": 0, "opt_out": 0, "do_not_call": 0}
    for name, by in (("police", "quan"), ("request", "an")):
        assert town.run("exclude", "remove", str(numbers), "--list", name, by=by) == 0
        assert told()[0]["changed"] == 1
    assert town.run("exclude", "forget", "--days", "30", by="quan") == 0
    assert told()[0] == {"forgotten": 0, "days": 30}


def test_a_list_is_taken_in_by_somebody_who_may(town: Town, told: Told) -> None:
    assert town.run("wave", "list") == 0
    assert told()[0] == {"waves": []}
    assert town.run("wave", "status") == 1
    assert "no wave was planned" in told()[1]
    assert town.run("audience", "import", str(town.list), "--campaign", CAMPAIGN, by="an") == 1
    assert "load its definition first" in told()[1]
    assert town.run("campaign", "load", CAMPAIGN, by="kiem") == 1
    assert "does not allow 'write'" in told()[1]
    for _ in range(2):
        assert town.run("campaign", "load", CAMPAIGN, by="an") == 0
        assert told()[0]["version"] == 1
    assert town.run("campaign", "list") == 0
    assert told()[0]["campaigns"] == [{"name": CAMPAIGN, "version": 1}]
    assert town.run("audience", "import", str(town.list), "--campaign", CAMPAIGN, by="an") == 0
    found, _ = told()
    assert (found["rows"], found["verdicts"]) == (town.sample.rows, town.sample.verdicts)
    assert found["by_carrier"] == town.sample.by_carrier
    told_rows = str(town.folder / "verdicts.csv")
    assert town.run("audience", "verdicts", found["audience"], "--out", told_rows, by="an") == 0
    assert told()[0]["verdicts"] == town.sample.verdicts
    assert len(rows_of(told_rows)) == town.sample.rows
    assert town.run("audience", "tags", found["audience"]) == 0
    tags, err = told()
    assert (tags["by_area"], tags["by_language"]) == ({"Huyện Sìn Hồ": RECIPIENTS}, {"vi": RECIPIENTS})
    assert tags["by_carrier"] == town.sample.by_carrier
    assert "Huyện Sìn Hồ" in err
    assert town.run("audience", "verdicts", found["audience"], "--out", told_rows, by="an") == 1
    assert "is there already" in told()[1]
    again = ["audience", "import", str(town.list), "--campaign", CAMPAIGN, "--audience", found["audience"]]
    assert town.run(*again, by="an") == 1
    assert "already in this audience" in told()[1]


def test_a_plan_is_shown_whole_before_it_is_approved(town: Town, told: Told) -> None:
    """Text, hash, recipients by carrier, price, window and author stand above each approval, given or refused."""
    assert town.run("wave", "plan", "--campaign", CAMPAIGN, "--wave", "9", by="an") == 1
    assert "has no wave 9" in told()[1]
    for _ in range(2):
        assert town.run("wave", "plan", "--campaign", CAMPAIGN, "--wave", "1", by="an") == 0
        plan, err = told()
    assert (plan["recipients"], plan["accepted"]) == (RECIPIENTS, RECIPIENTS)
    refused = {
        (): "choose the text with --text verbatim | corrected",
        ("--text", "corrected"): "why the ordered text is corrected",
        ("--text", "corrected", "--reason", "r", "--count", "7"): "typed 7 recipients, the plan has 150",
        ("--text", "verse"): "choose the text",
    }
    for words, why in refused.items():
        assert town.run("wave", "approve", plan["wave"], *words, by="binh") == 1
        _, err = told()
        assert why in err
        assert "150 people will receive this text" in err
    slip = ("The letter may hold a slip: Tổng đại → Tổng đài", "“Tổng đại”", "line 51:", "line 37:")
    figures = (
        *slip,
        "verbatim: the last message leaves at ",
        "Viettel",
        "price a segment",
        "sends from",
        "an asks to send Đợt 1",
    )
    for shown in ("Tổng đại quốc gia", "SHA-256 52580b993199", plan["plan_hash"][:12], *figures):
        assert shown in err
    assert town.run("wave", "start", "latest", by="an") == 1
    assert "0 of 1 approvals" in told()[1]
    mine = ("--count", "150", "--text", "verbatim")
    assert town.run("wave", "approve", "latest", *mine, by="an") == 1
    assert "does not allow 'approve'" in told()[1]
    assert town.run("wave", "approve", "latest", *mine, "--reason", "nguyên văn", by="binh") == 0
    found, err = told()
    assert (found["approvals_due"], found["plan_hash"]) == (0, plan["plan_hash"])
    assert "Tổng đài quốc gia" not in err


def test_a_wave_runs_is_paused_and_every_status_adds_up(town: Town, told: Told) -> None:
    for act, state in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("pause", "paused")):
        assert town.run("wave", act, "latest", by="an") == 0
        assert told()[0]["state"] == state
        assert town.run("wave", "status") == 0
        found, err = told()
        assert found["adds_up"] is True
        assert sum(found["total"].values()) == RECIPIENTS == found["total"]["queued"]
        assert {name: row["queued"] for name, row in found["carriers"].items()} == town.sample.by_carrier
        assert "150 = 150" in err
        assert found["compared"]["forecast"]["messages"] == RECIPIENTS
        assert found["compared"]["actual"]["messages"] == 0
        assert "beside what has happened so far" in err
    assert town.run("wave", "pause", "latest", by="an") == 1
    assert "cannot be changed by 'pause'" in told()[1]
    assert town.run("wave", "pause", "latest", by="kiem") == 1
    assert "does not allow 'write'" in told()[1]
    for said in ("12", "0x7", "last"):
        assert town.run("wave", "status", said) == 1
    assert "is not an id" in told.capsys.readouterr().err


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_papers_are_written_with_masked_numbers_and_a_draft_says_so(town: Town, told: Told) -> None:
    out = town.folder / "papers"
    assert town.run("report", "latest", "--out", str(out)) == 0
    found, err = told()
    assert set(found["files"]) == {"docx", "pdf", "xlsx", "log_csv", "messages_csv"}
    assert {Path(path) for path in found["files"].values()} == set(out.iterdir())
    assert "stamped as a draft" in err
    paper = docx.Document(found["files"]["docx"])
    printed = "\n".join(p.text for p in paper.paragraphs) + "\n".join(
        p.text for section in paper.sections for p in section.header.paragraphs
    )
    assert "DIỄN TẬP" in printed
    assert "Công văn số 20/BCĐ" in printed
    book = rows_of(found["files"]["messages_csv"])
    assert len(book) == RECIPIENTS
    assert all("•••" in row["number"] for row in book)
    assert {row["unit"] for row in book} == {"Huyện Sìn Hồ"}
    assert rows_of(found["files"]["log_csv"]) == []


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_a_list_is_exported_in_each_form(form: str, town: Town, told: Told) -> None:
    file = town.folder / f"book.{form}"
    assert town.run("export", "latest", "--format", form, "--out", str(file)) == 0
    found, _ = told()
    assert (found["rows"], found["file"]) == (RECIPIENTS, str(file))
    assert file.stat().st_mode & 0o077 == 0


def test_whole_numbers_need_a_person_with_the_scope_and_leave_a_record(town: Town, told: Told) -> None:
    file = str(town.folder / "full.csv")
    full = ("export", "latest", "--format", "csv", "--out", file, "--numbers", "full")
    assert town.run(*full) == 1
    assert "add --as LOGIN" in told()[1]
    assert town.run(*full, by="an") == 1
    assert "does not allow 'export'" in told()[1]
    assert not Path(file).exists()
    assert town.run(*full, by="kiem") == 0
    told()
    numbers = {row["number"] for row in rows_of(file)}
    assert len(numbers) == RECIPIENTS
    assert all(number.isdigit() for number in numbers)
    assert town.run("export", "latest", "--rows", "attempts", "--format", "jsonl", "--out", file, by="kiem") == 0
    assert told()[0]["rows"] == 0


def test_every_act_stands_in_the_record_and_no_number_does(town: Town) -> None:
    with psycopg.connect(town.urls.app) as conn:
        acts_done = conn.execute("SELECT person, act, details::text FROM audit ORDER BY id").fetchall()
    done = {(person, act) for person, act, _ in acts_done}
    assert {("quan", "person.add"), ("an", "campaign.load"), ("an", "audience.import"), ("an", "wave.plan"),
            ("binh", "wave.approve"), ("an", "wave.start"), ("an", "wave.pause"), ("kiem", "export.write"),
            ("kiem", "export.written")} <= done  # fmt: skip
    looks = [json.loads(text) for person, act, text in acts_done if (person, act) == ("kiem", "export.write")]
    assert [look["full"] for look in looks] == [True, False]
    assert any(person.startswith("local:") for person, act in done if act == "report.write")
    table = acts.number_table()
    with town.list.open(encoding="utf-8-sig", newline="") as file:
        numbers = {str(table.read(row["Số điện thoại"])[0]) for row in csv.DictReader(file)} - {"0"}
    assert len(numbers) == RECIPIENTS
    assert not [number for number in numbers for _, _, text in acts_done if number in text]


def test_a_budget_is_planned_shown_and_changed_by_two_persons(town: Town, told: Told) -> None:
    plan = ("wave", "plan", "--campaign", CAMPAIGN, "--wave", "2")
    assert town.run(*plan, "--budget", "calls=3", by="an") == 1
    assert "is no ceiling" in told()[1]
    assert town.run(*plan, "--budget", "messages=100", "--budget", "dong=90000", "--daily", "segments=80", by="an") == 0
    wave, err = told()
    assert "budget, the whole wave: stops at 90,000 dong" in err
    assert "budget, a day: stops at 80 segments" in err
    change = ("wave", "budget", wave["wave"], "--budget", "messages=120")
    assert town.run(*change, by="an") == 1
    assert "why the budget is changed" in told()[1]
    assert town.run(*change, "--reason", "thêm hai xã", by="an") == 0
    assert told()[0]["agreed"] is False
    assert town.run(*change, by="binh") == 0
    assert told()[0]["budget"] == [
        {"scope": "wave", "unit": "messages", "ceiling": 120, "used": 0, "part": 0.0, "alert": False},
        {"scope": "day", "unit": "segments", "ceiling": 80, "used": 0, "part": 0.0, "alert": False},
    ]
    assert town.run("wave", "status", wave["wave"]) == 0
    found, err = told()
    assert found["budget"][0]["ceiling"] == 120
    assert "budget, the whole wave: 0 of 120 messages, 0 %" in err


def test_a_canary_is_planned_with_seed_phones_and_waits_for_a_word(town: Town, told: Told) -> None:
    plan = ("wave", "plan", "--campaign", CAMPAIGN, "--wave", "2", "--canary")
    assert town.run(*plan, by="an") == 1
    assert "has no seed phones" in told()[1]
    seeds = town.folder / "seeds.csv"
    sample = write_sample(seeds, seed=12, table=acts.number_table(), recipients=900)
    assert town.run("audience", "import", str(seeds), "--campaign", CAMPAIGN, "--seeds", by="an") == 0
    assert told()[0]["by_carrier"] == sample.by_carrier
    assert town.run(*plan, by="an") == 0
    wave, err = told()
    assert wave["recipients"] == RECIPIENTS
    assert "the rest of a carrier waits for a person's word" in err
    assert town.run("wave", "canary", wave["wave"]) == 0
    found, err = told()
    assert {each["state"] for each in found["canary"]} == {"waiting"}
    assert "canary, Viettel: 0 of " in err
    assert town.run("wave", "canary", wave["wave"], "--right", by="an") == 1
    assert "no canary has arrived" in told()[1]
    assert town.run("wave", "canary", wave["wave"], "--wrong", "--reason", "sai dấu", by="binh") == 0
    assert {each["state"] for each in told()[0]["canary"]} == {"wrong"}


def test_the_doctor_looks_into_a_running_installation(town: Town, told: Told) -> None:
    assert town.run("doctor") == 0
    found, _ = told()
    keys = {each["key"]: each for each in found["findings"]}
    assert keys["kind"]["rehearsal"] is True
    assert abs(keys["clock"]["seconds"]) < 2
    assert {"schema", "redis", "keys", "data", "programs"} <= set(keys)
    assert cli.run(["doctor", "--json", "--data", str(town.folder)], town.env()) == 1
    faults = [each for each in told()[0]["findings"] if each["level"] == "fault"]
    assert [each["key"] for each in faults] == ["kind"]
    assert "--rehearsal" in faults[0]["todo"]


def test_a_database_for_rehearsals_does_no_real_work_and_migrating_twice_changes_nothing(
    town: Town, told: Told
) -> None:
    assert cli.run(["wave", "list", "--json", "--data", str(town.folder)], town.env()) == 1
    assert "for rehearsals only" in told()[1]
    assert town.run("migrate") == 0
    assert told()[0] == {"before": schema.HEAD, "version": schema.HEAD, "changed": False}


def test_the_programs_role_alone_can_work_but_not_migrate(town: Town, told: Told) -> None:
    """As on real servers: the owner's address is known to `migrate` only."""
    real = town.env() | {"DATABASE_URL": town.urls.app, "REDIS_URL": town.urls.redis}
    flags = ["--rehearsal", "--data", str(town.folder), "--json"]
    assert cli.run(["migrate", *flags], real) == 1
    assert "DATABASE_OWNER_URL" in told()[1]
    assert cli.run(["wave", "list", *flags], real) == 0
    assert len(told()[0]["waves"]) == 3
    assert cli.run(["wave", "list", "--json"], real) == 1
    assert "for rehearsals only" in told()[1]
    assert cli.run(["work", "nobody", *flags], real) == 1
    assert "take one of sim-smpp" in told()[1]


def test_a_cancelled_wave_says_how_many_will_never_be_sent(town: Town, told: Told) -> None:
    assert town.run("wave", "cancel", "latest", "--reason", "dừng", by="binh") == 0
    found, err = told()
    assert (found["state"], found["waiting"], found["in_flight"]) == ("cancelled", RECIPIENTS, 0)
    assert "150 messages will never be sent" in err


def test_a_stopped_wave_is_corrected_by_a_plan_of_its_own(town: Town, told: Told) -> None:
    assert town.run("wave", "list") == 0
    first = next(each for each in told()[0]["waves"] if each["state"] == "paused")["wave"]
    correct = ("wave", "correct", first)
    with psycopg.connect(town.urls.owner) as conn:  # three of its messages got an answer
        conn.execute(f"ALTER TABLE message_{first} DISABLE TRIGGER legal")
        conn.execute(f"UPDATE message_{first} SET state = 5 WHERE no < 3")
    assert town.run(*correct, by="an") == 0
    found, err = told()
    assert (found["recipients"], found["states"]) == (3, {"accepted": 3})
    assert found["text"].startswith("Đính chính tin nhắn trước: Toàn dân")
    assert "nothing is planned yet" in err
    wanted = (*correct, "--text", "Đính chính: gọi 111")
    assert town.run(*wanted, by="an") == 1
    assert "stop it for good first" in told()[1]
    assert town.run(*wanted, "--stop", "--reason", "sai số", by="an") == 0
    plan, err = told()
    assert (plan["recipients"], plan["resend"]["kind"]) == (3, "correction")
    assert "a correction for those whose phones may have got the text of Đợt 1" in err
    assert town.run("wave", "status", first) == 0
    assert told()[0]["relations"] == [
        {"wave": plan["wave"], "name": "Đợt 1 (đính chính)", "kind": "correction", "n": 3, "state": "planned",
         "before": False}
    ]  # fmt: skip
    assert town.run("wave", "resend", first, "--to", "rest", by="an") == 1
    assert "not counted yet" in told()[1]
