"""The page on which a carrier's engineer reports: a code from the signed letter opens it, and nothing else does.

Rendered here, without a script and without a cookie. The code travels in the body of each call, so no other site can
make a browser report anything, and no address or log holds it.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from campaigns.keeping import MOST_BYTES
from campaigns.ledger import returns as stored
from campaigns.ledger.orders import Order
from campaigns.ledger.returns import Version
from campaigns.order import OrderState
from campaigns.reports.words import figure, local, short_day
from campaigns.return_checks import FAILED, HEADS, OK
from campaigns.returns import COUNTS, FAILURES, FIGURES
from campaigns.terms import Problem
from dispatcher import orders as acts
from dispatcher import words
from dispatcher.api.errors import status_of
from dispatcher.api.orders import Reported, VersionGiven, origin, version_given
from dispatcher.api.upload import Room, Upload, received
from dispatcher.auth import HouseOf, Stranger, TooManyTries, WrongKeys
from dispatcher.orders import FORM_PATH, Incoming
from workers.house import House

router = APIRouter(tags=["carriers"])

SPARE = 3  # empty rows below the ordered days; longer returns come as a workbook
DAYS = 186  # rows of the table: half a year of wave days
FIELDS = 20 + (DAYS + SPARE) * (3 + len(FIGURES))
ROOM = Room(MOST_BYTES, files=("file", "paper"), parts=FIELDS, cut=True)
STYLE = """
body{font:17px/1.5 'Noto Sans','Segoe UI',Arial,sans-serif;color:#1b2230;background:#faf8f3;margin:0}
main{max-width:72rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.5rem;color:#2b2f77}h2{font-size:1.15rem;margin-top:2rem}
label{display:block;margin:.6rem 0 .2rem}input,textarea{font:inherit;padding:.35rem .5rem;border:1px solid #6b7280}
input[type=text].wide,textarea{width:100%;max-width:44rem;box-sizing:border-box}
.scroll{overflow-x:auto}table{border-collapse:collapse}
th,td{border:1px solid #c9c4b5;padding:.3rem .4rem;text-align:left}
th{font-weight:600;vertical-align:bottom}td input{width:5.7rem}td input.unit{width:8rem}
button{font:inherit;font-weight:600;margin-top:1.2rem;padding:.5rem 1.2rem;color:#fff;background:#2b2f77;border:0}
:focus-visible{outline:3px solid #ffc83d;outline-offset:2px;box-shadow:0 0 0 2px #1b2230}
.bad{border-left:5px solid #b3261e;padding:.6rem 1rem;background:#fff}.good{border-left:5px solid #2e7d32}
.bad p{margin:.2rem 0}.en{color:#4b5563;font-size:.9rem}tr.failed td{background:#fff3d6}
.good{padding:.6rem 1rem;background:#fff}
pre{font:inherit;white-space:pre-wrap;background:#fff;padding:.8rem;border:1px solid #c9c4b5}
p,li,.bad,td{overflow-wrap:anywhere}input[type=file]{max-width:100%;box-sizing:border-box}td i{display:none}
td.n{overflow-wrap:normal;white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums}
@media (max-width:46rem){
table.figures,.figures tbody,.figures tr,.figures td,.figures th[scope=row]{display:block;border:0}
.figures tr:first-child{display:none}.figures tr{border:1px solid #c9c4b5;margin:0 0 .8rem;padding:.4rem .6rem}
.figures td{display:flex;justify-content:space-between;align-items:center;gap:.6rem;padding:.2rem 0}
.figures td i{display:block;font-style:normal}.figures td input,.figures td input.unit{width:9rem;flex:none}
}
"""
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex",
}


class CodeReported(Reported):
    """A carrier's figures with the code of the order that they answer."""

    code: Annotated[str, Field(max_length=60)]


# -- routes ------------------------------------------------------------------------------------------------------------


@router.get(FORM_PATH, include_in_schema=False)
async def ask_code() -> HTMLResponse:
    """The page that asks for the code."""
    return _page(_ask())


@router.post(FORM_PATH, include_in_schema=False)
async def open_form(request: Request, house: HouseOf) -> HTMLResponse:
    """The form of the order that the code opens."""
    async with received(request, house.folder("incoming"), Room(0, files=(), parts=4)) as upload:
        said = upload.fields.get("code", "")
    try:
        order, _ = await asyncio.to_thread(_opened, request, house, said)
        versions = await asyncio.to_thread(_versions, house, order)
    except Problem as problem:
        return _refused(problem, _ask())
    if order.state is OrderState.ACCEPTED:
        return _page(_closed(order, versions[-1]))
    return _page(_so_far(versions) + _form(order, said, {}))


@router.post(f"{FORM_PATH}/nop", include_in_schema=False)
async def take_form(request: Request, house: HouseOf) -> HTMLResponse:
    """Take in what stands in the form, or the filled workbook that came with it."""
    async with received(request, house.folder("incoming"), ROOM) as upload:
        said = upload.fields.get("code", "")
        try:
            order, serial = await asyncio.to_thread(_opened, request, house, said)
        except Problem as problem:
            return _refused(problem, _ask())
        incoming = _incoming(upload, request, serial)
        try:
            version, new = await asyncio.to_thread(acts.take_return, house, order.id, incoming)
        except Problem as problem:
            return _refused(problem, _form(order, said, upload.fields))
    return _page(_taken(order, version, new=new))


@router.post(f"{FORM_PATH}/api", responses={201: {"model": VersionGiven}})
def take_by_code(given: CodeReported, request: Request, house: HouseOf, response: Response) -> VersionGiven:
    """The same for a carrier's program: JSON with the code in it; 200 when this very statement is there already."""
    order, serial = _opened(request, house, given.code)
    values = given.model_dump(include={"document", "method", "total", "rows"})
    incoming = Incoming("link", _hand(serial), origin(request), values)
    version, new = acts.take_return(house, order.id, incoming)
    response.status_code = 201 if new else 200
    return version_given(version)


def _opened(request: Request, house: House, said: str) -> tuple[Order, int]:
    with house.begin() as conn:
        found = acts.opened_by(conn, said) if said else None
    if found is None:
        wrong: WrongKeys = request.app.state.wrong_codes
        if wrong.add(origin(request), time.monotonic()):
            raise TooManyTries("too many wrong codes from this address: wait a minute")
        raise Stranger("this code opens no order: it is mistyped, void, or of an order that is not issued")
    return found


def _versions(house: House, order: Order) -> list[Version]:
    with house.begin() as conn:
        return stored.versions(conn, order.id)


def _hand(serial: int) -> str:
    """Who reports: the holder of this code; the letter says to whom it was given."""
    return f"code:{serial}"


def _incoming(upload: Upload, request: Request, serial: int) -> Incoming:
    said = upload.fields
    values = None if upload.path else _values(said)
    return Incoming(
        "link", _hand(serial), origin(request), values, upload.path, upload.files.get("paper"),
        said.get("document", ""), said.get("method", ""), spoken=True, whole=upload.whole,
    )  # fmt: skip


def _values(said: Mapping[str, str]) -> dict[str, Any]:
    """The form's fields as a return; rows without a figure are left out."""
    rows = []
    for at in range(DAYS + SPARE):
        if f"r{at}_wave" not in said:
            break
        row = {name: said.get(f"r{at}_{name}", "") for name in ("wave", "day", "unit", *FIGURES)}
        if any(row[name] for name in (*FIGURES, "unit")):
            rows.append(row)
    return {"total": {name: said.get(f"total_{name}", "") for name in FIGURES}, "rows": rows}


# -- pages -------------------------------------------------------------------------------------------------------------


def _page(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="vi"><head><meta charset="utf-8"><title>Báo cáo kết quả nhắn tin</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>Báo cáo kết quả nhắn tin theo yêu cầu</h1>{body}</main></body></html>",
        status,
        HEADERS,
    )


def _refused(problem: Problem, rest: str) -> HTMLResponse:
    said, english = (escape(words.speak(each).problem(problem)).replace("\n", "<br>") for each in ("vi", "en"))
    status, _ = status_of(problem)
    return _page(
        f'<div class="bad" role="alert"><p>{said}</p><p lang="en" class="en">{english}</p></div>{rest}', status
    )


def _ask() -> str:
    return (
        f'<form method="post" action="{FORM_PATH}" enctype="multipart/form-data"><label for="code">Mã nộp báo cáo '
        '(trong công văn yêu cầu)</label><input type="text" id="code" name="code" required maxlength="60" '
        'autocomplete="off" autocapitalize="characters" spellcheck="false"><br><button>Mở biểu mẫu</button></form>'
    )


def _form(order: Order, code: str, said: Mapping[str, str]) -> str:
    plan = order.plan
    return (
        f"<p>{escape(plan.carrier_name)} · Công văn số {escape(order.number)} · {escape(plan.area)} · báo cáo chậm "
        f"nhất ngày {short_day(plan.deadline)}</p><h2>Nội dung đã yêu cầu</h2><pre>{escape(plan.text.text)}</pre>"
        f"<p>Mỗi bản tin {plan.text.segments} tin nhắn quy đổi; mã nội dung (SHA-256) {plan.text.sha256}</p>"
        f'<form method="post" action="{FORM_PATH}/nop" enctype="multipart/form-data">'
        f'<input type="hidden" name="code" value="{escape(code, quote=True)}"><h2>1. Văn bản</h2>'
        + _line("document", "Văn bản báo cáo của doanh nghiệp (số, ngày)", said)
        + _line("method", "Cách chọn thuê bao của địa bàn", said)
        + '<label for="paper">Bản chụp văn bản đã ký (.pdf, ảnh; tối đa 50 MB)</label>'
        '<input type="file" id="paper" name="paper"><h2>2. Số liệu: nhập tại đây</h2>'
        "<p>Chỉ gõ chữ số. Số liệu không có thì để trống, không ghi 0. Dòng tổng: thuê bao ghi số của đợt lớn nhất.</p>"
        f'{_more_days(order)}<div class="scroll"><table class="figures">{_heads()}{_total(said)}'
        f"{_rows(order, said)}</table></div>"
        '<h2>hoặc gửi tệp mẫu đã điền (.xlsx, .csv)</h2><label for="file">Tệp mẫu (khi có tệp, bảng trên được bỏ '
        'qua)</label><input type="file" id="file" name="file"><br><button>Nộp báo cáo</button></form>'
    )


def _line(name: str, label: str, said: Mapping[str, str]) -> str:
    value = escape(said.get(name, ""), quote=True)
    return (
        f'<label for="{name}">{label}</label><input type="text" class="wide" id="{name}" name="{name}" value="{value}"'
        ' maxlength="300">'
    )


def _heads() -> str:
    heads = ("Đợt", "Ngày gửi", "Đơn vị (nếu có)", *COUNTS.values(), *FAILURES.values())
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return f"<tr>{cells}</tr>"


def _total(said: Mapping[str, str]) -> str:
    cells = "".join(_cell("total", name, "Tổng", said) for name in FIGURES)
    return f'<tr><th scope="row" colspan="3">Tổng</th>{cells}</tr>'


def _rows(order: Order, said: Mapping[str, str]) -> str:
    days = [
        (str(wave.no), short_day(wave.date.fromordinal(wave.date.toordinal() + n)))
        for wave in order.plan.waves
        for n in range((wave.until - wave.date).days + 1)
    ]
    rows = [*days[:DAYS], *[("", "")] * SPARE]
    return "".join(_row(at, wave, day, said) for at, (wave, day) in enumerate(rows))


def _more_days(order: Order) -> str:
    """What to do where the table would be too long."""
    n = sum((wave.until - wave.date).days + 1 for wave in order.plan.waves)
    words = f"Yêu cầu có {n} ngày nhắn tin, bảng dưới có {DAYS} ngày đầu; nhiều hơn thì gửi tệp mẫu ở cuối trang."
    return f'<p class="bad">{words}</p>' if n > DAYS else ""


def _row(at: int, wave: str, day: str, said: Mapping[str, str]) -> str:
    shown = {f"r{at}_wave": wave, f"r{at}_day": day, **said}
    row = f"Dòng {at + 1}"
    first = "".join(_cell(f"r{at}", name, row, shown) for name in ("wave", "day"))
    figures = "".join(_cell(f"r{at}", name, row, shown) for name in FIGURES)
    return f"<tr>{first}{_cell(f'r{at}', 'unit', row, shown)}{figures}</tr>"


_LABELS = {"wave": "đợt", "day": "ngày gửi", "unit": "đơn vị", **COUNTS, **FAILURES}


def _cell(prefix: str, name: str, row: str, said: Mapping[str, str]) -> str:
    field = f"{prefix}_{name}"
    value = escape(said.get(field, ""), quote=True)
    label = _LABELS[name]
    look = ' class="unit"' if name == "unit" else ' inputmode="numeric"' if name in FIGURES else ""
    return (
        f'<td><i aria-hidden="true">{label[:1].upper()}{label[1:]}</i>'
        f'<input type="text" name="{field}" value="{value}" aria-label="{row}: {label}" maxlength="100"'
        f"{look}></td>"
    )


def _taken(order: Order, version: Version, *, new: bool) -> str:
    verb = "Đã nhận" if new else "Số liệu này đã được nhận từ trước"
    return (
        f'<p class="good" role="status">{verb}: {escape(order.plan.carrier_name)}, phiên bản {version.version}. Mã số '
        f"liệu {version.given.digest[:12]}.</p>{_checked(version)}<p>Cần sửa số liệu thì nộp lại: phiên bản mới được "
        "ghi thêm, phiên bản cũ vẫn giữ. Mã nộp báo cáo dùng được đến khi kết quả được nghiệm thu.</p>"
        f'<p><a href="{FORM_PATH}">Nộp lại</a></p>'
    )


def _closed(order: Order, version: Version) -> str:
    """Instead of a form that nobody would take any more."""
    return (
        f'<p class="good" role="status">Kết quả của {escape(order.plan.carrier_name)} đã được nghiệm thu (phiên bản '
        f"{version.version}): không sửa được nữa. Số liệu có sai sót thì liên hệ {escape(order.plan.contact)}."
        '<span lang="en" class="en"> This return is accepted and can no longer be changed.</span></p>'
        + _checked(version)
    )


def _so_far(versions: Sequence[Version]) -> str:
    if not versions:
        return ""
    last = versions[-1]
    failed = sum(each.verdict == FAILED for each in last.findings)
    verdict = f"{failed} mục kiểm tra không đạt" if failed else "mọi mục kiểm tra đều đạt"
    day = short_day(local(last.received_at).date())
    return (
        f'<p class="good" role="status">Đã nộp phiên bản {last.version} ngày {day}: '
        f"{verdict}. Nộp lại sẽ ghi thêm một phiên bản.</p>"
    )


def _checked(version: Version) -> str:
    rows = "".join(
        f"<tr{' class=failed' if each.verdict == FAILED else ''}><td>{escape(HEADS[each.column])}</td>"
        f'<td class="n">{_value(version, each.column)}</td>'
        f"<td>{ {OK: '✓', FAILED: '▲'}.get(each.verdict, '·') }</td><td>{escape(each.vi)}"
        f'<div lang="en" class="en">{escape(each.en)}</div></td></tr>'
        for each in version.findings
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in version.notes)
    return (
        "<h2>Kiểm tra số liệu</h2><div class='scroll'><table><tr><th>Mục</th><th>Nhà mạng báo</th><th></th>"
        f"<th>Kiểm tra</th></tr>{rows}</table></div><ul>{notes}</ul>"
    )


def _value(version: Version, column: str) -> str:
    value = getattr(version.given.total, column) if column in FIGURES else None
    return figure(value) if value is not None else ""
