"""One report for what was sent here and what carriers state; and the published case of Hải Dương, entered as orders."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest

from campaigns.campaign import load
from campaigns.ledger import orders, registry
from campaigns.ledger.orders import Order
from campaigns.order import Terms
from campaigns.reports import pdf
from campaigns.terms import Outcome, Problem
from config.carriers import load_accounts, load_carriers
from dispatcher import order_papers
from dispatcher import orders as acts
from dispatcher.orders import Incoming
from tests.cluster import APPROVER, AUTHOR, Started
from tests.hand import fold_all, open_all, tell
from workers.house import House

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "hai-duong-2021"
SPLIT = {"viettel": 451_000, "vinaphone": 262_000, "mobifone": 131_000, "vietnamobile": 35_000}
"""Ours: only the sum of 879,000 was published."""


def words_of(path: Path) -> str:
    """All words of a .docx, tables too."""
    paper = docx.Document(str(path))
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(each.text for each in paper.paragraphs), *cells])


def cells_of(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))


def issued(house: House, order: Order) -> Order:
    with house.begin() as conn:
        orders.approve(conn, order.id, APPROVER, plan_hash=order.plan_hash)
    return acts.issue(house, order.id, AUTHOR, number="118/STTTT-BCVT", dated=dt.date(2021, 2, 17))


def statement(order: Order, n: int, **total: int) -> dict[str, Any]:
    each, waves = order.plan.text.segments, order.plan.waves
    rows = [{"wave": w.no, "day": w.date.isoformat(), "subscribers": n, "messages": n, "segments": each * n}
            for w in waves]  # fmt: skip
    sums = {"subscribers": n, "messages": len(waves) * n, "segments": len(waves) * each * n} | total
    return {"document": f"Công văn của {order.plan.carrier_name}", "method": "nơi đăng ký", "total": sums, "rows": rows}


@pytest.fixture
def four(house: House) -> list[Order]:
    """The published case: four carriers are asked, in the province's name."""
    campaign = load(
        EXAMPLE,
        carriers=[each.id for each in load_carriers()],
        providers_accounts=[each.name for each in load_accounts()],
    )
    with house.begin() as conn:
        registry.load_campaign(conn, campaign, AUTHOR.login)
    terms = Terms("tỉnh Hải Dương", "Sở Thông tin và Truyền thông", dt.date(2021, 3, 5), published=879_000)
    return acts.draft(house, campaign.name, list(SPLIT), terms, AUTHOR.login, rehearsal=True)


def test_the_published_case_of_hai_duong(house: House, four: list[Order], tmp_path: Path) -> None:
    """879,000 subscribers, a text of 353 units in 6 segments, two rounds: 10,548,000, published as about 10.5 million.

    The same number of messages stated as one round's would be a failed check, not a silent correction.
    """
    text = four[0].plan.text
    assert (text.units, text.segments) == (353, 6)
    received = dt.date(2021, 3, 1)
    for order in four:
        found, n = issued(house, order), SPLIT[order.plan.carrier]
        one_round = acts.take_return(
            house, found.id,
            Incoming("typed", AUTHOR.login, "local", statement(found, n, segments=6 * n), received=received),
        )[0]  # fmt: skip
        assert {"segments_of_text", "text_not_shortened", "rows_sum_to_totals"} <= {f.rule for f in one_round.failed}
        both = acts.take_return(
            house, found.id, Incoming("typed", AUTHOR.login, "local", statement(found, n), received=received)
        )[0]
        assert [each.rule for each in both.failed] == ["signed_paper"]
        acts.accept(house, found.id, AUTHOR, "bản giấy đến sau")
    files = order_papers.write_report(house, "hai-duong-2021", [], tmp_path, AUTHOR.login)
    sums = [row for row in cells_of(files["xlsx"], "Theo nguồn") if row[0] == "Cộng"]
    assert [row[2:5] for row in sums] == [(879_000, 1_758_000, 10_548_000)]
    assert abs(sums[0][4] - 10_500_000) / 10_500_000 < 0.005  # "khoảng 10,5 triệu tin nhắn"
    said = words_of(files["docx"])
    for figure in (
        "879.000",
        "1.758.000",
        "10.548.000",
        "Theo báo cáo của nhà mạng (4/4 nhà mạng)",
        "353 ký tự",
        "Đã sửa: phiên bản 1 (nhận ngày 01/3/2021) không đạt: ",
    ):
        assert figure in said
    assert files["pdf"].read_bytes().startswith(b"%PDF-1.7")


def test_own_waves_and_returns_stand_side_by_side_and_are_never_one_sum(
    house: House, started: Started, tmp_path: Path
) -> None:
    """A mixed campaign: 40 messages of ours, one carrier that reported, one that is silent; a stamped draft."""
    wave = started(n=40, account="sim-smpp")
    with house.begin() as conn:
        places = open_all(conn, wave.id)
        tell(conn, wave.id, [(place, "answer", Outcome.ACCEPTED) for place in places.values()])
        fold_all(conn, wave.id)
        campaign, _ = registry.get_campaign(conn, wave.campaign)
    terms = acts.default_terms(campaign, f"Phòng BCVT {wave.id}")
    spoke, silent = acts.draft(house, campaign.name, ["viettel", "itel"], terms, AUTHOR.login, rehearsal=True)
    issued(house, silent)
    given = statement(issued(house, spoke), 1000, messages=2999)
    acts.take_return(house, spoke.id, Incoming("typed", AUTHOR.login, "local", given, received=dt.date(2024, 8, 2)))
    acts.accept(house, spoke.id, AUTHOR, "chấp nhận chênh lệch 1 bản tin")
    files = order_papers.write_report(house, campaign.name, [wave.id], tmp_path, AUTHOR.login)

    rows = cells_of(files["xlsx"], "Theo nguồn")
    mine = {(row[0], str(row[1]).split(":")[0]): row[2:6] for row in rows if row[1]}
    assert mine["Cộng", "Hệ thống tự gửi"] == (40, 40, 160, 0)
    assert mine["Viettel", "Theo báo cáo của nhà mạng"] == (1000, 2999, 12_000, None)
    assert mine["iTel", "Nhà mạng chưa báo (hạn 05/8/2024)"] == (None, None, None, None)
    assert not [row for row in rows if row[2] == 1040 or row[3] == 3039]
    said = words_of(files["docx"])
    assert "các dòng cộng lại 3.000, dòng tổng ghi 2.999" in said
    assert "Nghiệm thu kèm ghi chú: chấp nhận chênh lệch 1 bản tin" in said
    assert "không cộng vào số liệu do hệ thống tự gửi" in said
    head = docx.Document(str(files["docx"])).sections[0].header
    assert "1 nhà mạng chưa báo" in "\n".join(each.text for each in head.paragraphs)
    with house.begin() as conn:
        for order in (spoke, silent):
            if order is silent:
                orders.move(conn, order.id, AUTHOR.login, "cancel")


def test_a_report_of_nothing_is_refused(house: House, tmp_path: Path) -> None:
    with pytest.raises(Problem):
        order_papers.write_report(house, "no-such-campaign", [], tmp_path, AUTHOR.login)


def test_the_pdf_is_set_from_the_paper_itself_with_every_vietnamese_letter(
    house: House, four: list[Order], tmp_path: Path
) -> None:
    """Whatever stands in the .docx stands in what typst sets; the font has all letters, or PDF/A refuses."""
    assert pdf.font() in pdf.FONTS
    files = order_papers.write_order(house, four[0], tmp_path, AUTHOR.login)
    source = pdf._source(docx.Document(str(files["docx"])), "Libertinus Serif").replace("\u200b", "")
    paper = docx.Document(str(files["docx"]))
    cells = [cell for table in paper.tables for row in table.rows for cell in row.cells]
    runs = [run.text for holder in (paper, *cells) for each in holder.paragraphs for run in each.runs if run.text]
    assert len(runs) > 60
    for run in runs:
        assert pdf._quoted(run) in source
    assert len(set(pdf.LETTERS)) == 2 * 89
