"""The form that carriers fill in, as workbook and CSV, read back cell by cell; and the files that are kept."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from campaigns import keeping, return_sheet, returns
from campaigns.campaign import load
from campaigns.order import OrderPlan, Terms, make_plan
from campaigns.returns import FIGURES, Figures, Return, ReturnRow
from campaigns.sealing import Keyring, SealBroken
from campaigns.terms import Problem
from config.carriers import load_accounts, load_carriers
from dispatcher import words

FOLDER = Path(__file__).parents[2] / "campaigns" / "definitions" / "20-BCD-2024"
ORDER = 4_611_686_018_427_387_904


@pytest.fixture(scope="module")
def plan() -> OrderPlan:
    campaign = load(
        FOLDER,
        carriers=[each.id for each in load_carriers()],
        providers_accounts=[each.name for each in load_accounts()],
    )
    terms = Terms("tỉnh Lai Châu", "Phòng BCVT, 0213.000.000", dt.date(2024, 8, 5), "corrected", "lỗi chữ")
    return make_plan(campaign, 1, "viettel", "Viettel", terms, rehearsal=True)


def sound(plan: OrderPlan) -> Return:
    """A return in which every rule holds."""
    rows = tuple(
        ReturnRow(wave.no, wave.date, "", Figures(1000, 900, 3600, 800, 50, 20, 10, 20)) for wave in plan.waves
    )
    return Return(Figures(1000, 2700, 10_800, 2400, 150, 60, 30, 60), rows, "Công văn số 31", "nơi đăng ký")


# -- the form as a workbook --------------------------------------------------------------------------------------------


def fill(path: Path, given: Return) -> Any:
    """The template as an engineer fills it in, still open."""
    book = openpyxl.load_workbook(path)
    page = book[return_sheet.SHEET]
    page[f"D{return_sheet.DOCUMENT}"], page[f"D{return_sheet.METHOD}"] = given.document, given.method
    for at, figures in enumerate((given.total, *(row.figures for row in given.rows))):
        for name in FIGURES:
            page[f"{return_sheet.LETTER[name]}{return_sheet.TOTAL + at}"] = getattr(figures, name)
    return book


@pytest.fixture(scope="module")
def blank(plan: OrderPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return return_sheet.write_template(plan, ORDER, tmp_path_factory.mktemp("form") / "mau.xlsx")


def read(path: Path, plan: OrderPlan, order: int = ORDER) -> tuple[Return, list[str]]:
    table = return_sheet.read_table(path, plan, order)
    return returns.assemble(plan, table.total, table.rows, document=table.document, method=table.method)


def test_a_filled_form_is_the_return(plan: OrderPlan, blank: Path, tmp_path: Path) -> None:
    given = sound(plan)
    fill(blank, given).save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx", plan) == (given, [])


def test_the_form_lets_nothing_be_typed_but_figures(blank: Path) -> None:
    book = openpyxl.load_workbook(blank)
    page = book[return_sheet.SHEET]
    assert page.protection.sheet
    assert book[return_sheet.HIDDEN].sheet_state == "veryHidden"
    assert page["A10"].protection.locked
    assert not page["D11"].protection.locked
    assert {each.type for each in page.data_validations.dataValidation} == {"whole", "list", "date"}


def moved(page: Any) -> None:
    page["D10"], page["E10"] = page["E10"].value, page["D10"].value


def merged(page: Any) -> None:
    page.merge_cells("D12:D13")


def put(cell: str, value: Any) -> Callable[[Any], None]:
    def change(page: Any) -> None:
        page[cell] = value

    return change


SPOILT: dict[str, tuple[Callable[[Any], None], str]] = {
    "a moved column": (moved, "Báo cáo!D10: the column must be 'Thuê bao'"),
    "an added column": (put("L10", "Ghi chú"), "Báo cáo!L10: 'Ghi chú' is no column"),
    "text in a number cell": (put("E12", "khoảng 900"), "Báo cáo!E12: 'khoảng 900' is no number"),
    "a decimal sign": (put("E12", 249.8), "Báo cáo!E12: 249.8 is not a whole number"),
    "merged cells": (merged, "Báo cáo!D12:D13: merged cells"),
    "no figure": (put("F13", None), "Báo cáo!F13: a figure is missing"),
    "a wave that was not ordered": (put("A12", 7), "Báo cáo!A12: the order has no wave 7"),
    "no day": (put("B12", "hôm qua"), "Báo cáo!B12: 'hôm qua' is no day"),
    "a truth value": (put("D11", value=True), "Báo cáo!D11: True is no number"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_form_is_refused_with_sheet_and_cell(plan: OrderPlan, blank: Path, tmp_path: Path, fault: str) -> None:
    spoil, said = SPOILT[fault]
    book = fill(blank, sound(plan))
    spoil(book[return_sheet.SHEET])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(Problem) as told:
        read(tmp_path / "a.xlsx", plan)
    assert said in str(told.value)
    assert words.speak("vi").problem(told.value) != str(told.value)


def test_figures_with_dots_and_spaces_are_read_and_noted(plan: OrderPlan, blank: Path, tmp_path: Path) -> None:
    book = fill(blank, sound(plan))
    page = book[return_sheet.SHEET]
    page["D11"], page["F11"] = "1.000", "10 800"
    book.save(tmp_path / "a.xlsx")
    given, notes = read(tmp_path / "a.xlsx", plan)
    assert given == sound(plan)
    assert notes == ["Báo cáo!D11: “1.000” được đọc là 1000", "Báo cáo!F11: “10 800” được đọc là 10800"]


def test_the_form_of_another_order_is_refused(plan: OrderPlan, blank: Path, tmp_path: Path) -> None:
    fill(blank, sound(plan)).save(tmp_path / "a.xlsx")
    with pytest.raises(Problem, match=f"form of another order \\({ORDER}\\); this one is 7"):
        read(tmp_path / "a.xlsx", plan, 7)
    book = openpyxl.Workbook()
    book.active.title = return_sheet.SHEET
    book.active["A1"] = 1
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(Problem, match="not the form that came with the order"):
        read(tmp_path / "b.xlsx", plan)


def damaged(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def scrambled(whole: bytes) -> bytes:
    """Every byte of the middle changed: the archive's directory still stands."""
    middle = len(whole) // 3
    return whole[:60] + bytes(b ^ 0x55 for b in whole[60 : 60 + middle]) + whole[60 + middle :]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "damaged"), (scrambled, "damaged"), (lambda _: b"", "is empty"),
        (lambda _: return_sheet.OLD_OFFICE + b"\0" * 5000, "protected by a password"),
        (lambda _: b"%PDF-1.7\n\x80\x81\xff\xfe" + bytes(range(256)) * 9, "not"),
    ],
    ids=["cut", "scrambled", "empty", "protected", "a scan"],
)  # fmt: skip
def test_a_file_that_is_no_form_is_refused(
    plan: OrderPlan, blank: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], said: str
) -> None:
    (tmp_path / "a.xlsx").write_bytes(spoil(blank.read_bytes()))
    with pytest.raises(Problem, match=said):
        read(tmp_path / "a.xlsx", plan)


def test_a_bomb_is_not_unpacked(plan: OrderPlan, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * 50_000_000)
    with pytest.raises(Problem):
        read(tmp_path / "a.xlsx", plan)


# -- the form as CSV ---------------------------------------------------------------------------------------------------


def as_csv(given: Return, order: int = ORDER, mark: str = ",") -> str:
    def row(wave: object, day: object, figures: Figures, *more: str) -> str:
        counts = ["" if (n := getattr(figures, name)) is None else str(n) for name in FIGURES]
        return mark.join([str(order), str(wave), str(day), "", *counts, *more])

    lines = [row("tong", "", given.total, given.document, given.method)]
    lines += [row(each.wave, each.day, each.figures, "", "") for each in given.rows]
    return "\r\n".join([mark.join(return_sheet.CSV_HEADS.values()), *lines, ""])


@pytest.mark.parametrize(("mark", "encoding"), list(product(",;\t", ["utf-8", "utf-8-sig", "utf-16"])))
def test_a_filled_csv_is_the_return(plan: OrderPlan, tmp_path: Path, mark: str, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(as_csv(sound(plan), mark=mark).encode(encoding))
    assert read(tmp_path / "a.csv", plan) == (sound(plan), [])


def test_the_csv_template_has_the_heads_and_the_days(plan: OrderPlan, tmp_path: Path) -> None:
    file = return_sheet.write_csv_template(plan, ORDER, tmp_path / "a.csv")
    table = return_sheet.read_table(file, plan, ORDER)
    assert table.total is not None
    assert table.rows == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("ban_tin", "tin"), "line 1: the columns must be"),
        (lambda text: text.replace("1000,900", "1000,chín trăm", 1), "a.csv, dòng 3, ban_tin: 'chín trăm'"),
        (lambda text: text.replace(str(ORDER), "55", 1), "line 2: it is of another order (55)"),
        (lambda text: text + text.splitlines()[1] + "\n", "a second row of totals"),
        (lambda text: "\n".join(line for line in text.splitlines() if "tong" not in line), "no row of totals"),
    ],
)
def test_a_spoilt_csv_is_refused_with_its_line(
    plan: OrderPlan, tmp_path: Path, spoil: Callable[[str], str], said: str
) -> None:
    (tmp_path / "a.csv").write_text(spoil(as_csv(sound(plan))), encoding="utf-8")
    with pytest.raises(Problem) as told:
        read(tmp_path / "a.csv", plan)
    assert said in str(told.value)


# -- kept files --------------------------------------------------------------------------------------------------------


def test_a_kept_file_comes_back_byte_for_byte_and_lies_sealed(tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "keys")
    source, folder = tmp_path / "scan.pdf", tmp_path / "orders"
    folder.mkdir()
    content = b"chu ky that" + bytes(range(256)) * 12_000
    source.write_bytes(content)
    kept = keeping.keep_file(folder, keyring, source)
    assert (kept.bytes, kept.whole) == (len(content), True)
    assert b"".join(keeping.pieces(folder, keyring, kept.sha256)) == content
    [stored] = folder.iterdir()
    assert b"chu ky that" not in stored.read_bytes()
    assert keeping.keep_file(folder, keyring, source) == kept
    assert list(folder.iterdir()) == [stored]


def test_a_file_above_the_most_is_cut_and_said_to_be_cut(tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "keys")
    source = tmp_path / "film"
    source.write_bytes(b"x" * 5000)
    with source.open("rb") as open_file:
        kept = keeping.keep(tmp_path, keyring, open_file, most=3000)
    assert (kept.bytes, kept.whole) == (3000, False)


@pytest.mark.parametrize("spoil", ["cut", "swapped", "changed"])
def test_a_kept_file_that_was_touched_does_not_open(tmp_path: Path, spoil: str) -> None:
    keyring = Keyring.create(tmp_path / "keys")
    source, folder = tmp_path / "scan.pdf", tmp_path / "orders"
    folder.mkdir()
    source.write_bytes(b"a" * keeping.PIECE + b"b" * keeping.PIECE)
    kept = keeping.keep_file(folder, keyring, source)
    [stored] = folder.iterdir()
    raw, sealed = stored.read_bytes(), keeping.PIECE + 28
    touched = {"cut": raw[:sealed], "swapped": raw[sealed:] + raw[:sealed], "changed": b"\1" + raw[1:]}
    stored.write_bytes(touched[spoil])
    with pytest.raises(SealBroken):
        list(keeping.pieces(folder, keyring, kept.sha256))
