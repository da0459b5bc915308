"""Carrier orders for tests: the two faces that do everything with them, and figures that are right or wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from dispatcher import cli
from dispatcher.assemble import Site
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN
from tests.serving import Served
from workers.house import House

API = "/api/v1/orders"
CONTACT = "Phòng Bưu chính, Viễn thông, 0213.000.000"
REASON = "“Tổng đại” là lỗi chữ; mục 3 viết “Tổng đài 111”"
NUMBER, DAY = "612/STTTT-BCVT", "2024-06-27"
TABLES = (
    "carrier_order",
    "order_approval",
    "order_event",
    "order_return",
    "order_return_row",
    "order_code",
    "kept_file",
)
Told = dict[str, Any]


def figures(subscribers: int, messages: int, delivered: int) -> dict[str, int]:
    return {"subscribers": subscribers, "messages": messages, "segments": 4 * messages, "delivered": delivered}


ROWS = [
    {"wave": 1, "day": "2024-07-01", **figures(251_530, 249_800, 240_000)},
    {"wave": 2, "day": "2024-07-15", **figures(251_000, 249_800, 239_000)},
    {"wave": 3, "day": "2024-07-30", **figures(251_200, 249_000, 238_000)},
]
RIGHT = {"document": "Công văn số 31/VTLC ngày 02/8/2024", "method": "Theo nơi đăng ký thuê bao",
         "total": figures(251_530, 748_600, 717_000), "rows": ROWS}  # fmt: skip
WRONG = RIGHT | {"total": figures(251_530, 749_400, 717_000)}
WRONG_SUM = "Bản tin: các dòng cộng lại 748.600, dòng tổng ghi 749.400, chênh lệch 800"


class Face(Protocol):
    """One way to do everything with an order; `carrier` is whose."""

    carrier: str

    def draft(self) -> str: ...
    def approve(self, order: str) -> Told: ...
    def issue(self, order: str) -> Told: ...
    def acknowledge(self, order: str) -> Told: ...
    def report(self, order: str, given: Told, scan: Path) -> Told: ...
    def accept(self, order: str) -> Told: ...
    def papers(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Line:
    """The command line."""

    site: Site
    author: str
    approver: str
    capsys: pytest.CaptureFixture[str]
    folder: Path
    carrier: str = "viettel"

    def run(self, *argv: str, approver: bool = False) -> Told:
        who, key = (APPROVER.login, self.approver) if approver else (AUTHOR.login, self.author)
        env = {"DISPATCHER_LANG": "vi", "DISPATCHER_KEY": key}
        flags = ["--rehearsal", "--data", str(self.site.settings.data), "--json"]
        as_whom = [] if argv[1] in {"show", "list"} else ["--as", who]
        code = cli.run([*argv, *as_whom, *flags], env)
        out, err = self.capsys.readouterr()
        assert code == 0, err
        told: Told = json.loads(out.splitlines()[-1])
        return told

    def draft(self) -> str:
        told = self.run("order", "draft", "--campaign", CAMPAIGN, "--carrier", self.carrier, "--contact", CONTACT,
                        "--text", "corrected", "--reason", REASON)  # fmt: skip
        return str(told["orders"][0]["order"])

    def approve(self, order: str) -> Told:
        return self.run("order", "approve", order, approver=True)["orders"][0] | {}

    def issue(self, order: str) -> Told:
        told = self.run("order", "issue", order, "--number", NUMBER, "--date", DAY, "--out", str(self.folder))
        assert set(told["files"][0]) == {"docx", "pdf", "xlsx", "csv"}
        return told["orders"][0] | {}

    def acknowledge(self, order: str) -> Told:
        return self.run("order", "ack", order)["orders"][0] | {}

    def report(self, order: str, given: Told, scan: Path) -> Told:
        file = self.folder / "figures.json"
        file.write_text(json.dumps(given), encoding="utf-8")
        return self.run("order", "return", order, "--file", str(file), "--evidence", str(scan), "--received",
                        "2024-08-03")  # fmt: skip

    def accept(self, order: str) -> Told:
        return self.run("order", "accept", order)["orders"][0] | {}

    def papers(self) -> bytes:
        told = self.run("order", "report", CAMPAIGN, "--orders-only", "--out", str(self.folder))
        assert set(told["files"]) == {"docx", "pdf", "xlsx"}
        return Path(told["files"]["docx"]).read_bytes()


@dataclass(frozen=True, slots=True)
class Http:
    """The API."""

    served: Served
    author: str
    approver: str
    carrier: str = "vinaphone"

    def post(self, path: str, send: Told, *, approver: bool = False) -> Any:
        said = self.served.post(f"{API}{path}", self.approver if approver else self.author, send)
        assert said.status in (200, 201), said.body
        return said.json

    def draft(self) -> str:
        wanted = {"campaign": CAMPAIGN, "carriers": [self.carrier], "contact": CONTACT, "text": "corrected",
                  "reason": REASON}  # fmt: skip
        return str(self.post("", wanted)[0]["id"])

    def approve(self, order: str) -> Told:
        whole = self.served.get(f"{API}/{order}", self.approver).json
        told: Told = self.post(f"/{order}/approve", {"plan_hash": whole["plan_hash"]}, approver=True)
        return told

    def issue(self, order: str) -> Told:
        told: Told = self.post(f"/{order}/issue", {"number": NUMBER, "date": DAY})
        return told

    def acknowledge(self, order: str) -> Told:
        told: Told = self.post(f"/{order}/ack", {})
        return told

    def report(self, order: str, given: Told, scan: Path) -> Told:
        kept = self.served.upload(f"{API}/{order}/papers", self.author, scan.name, scan.read_bytes()).json
        told: Told = self.post(
            f"/{order}/returns", {**given, "received": "2024-08-03", "evidence": kept["sha256"]}
        )  # fmt: skip
        return told

    def accept(self, order: str) -> Told:
        told: Told = self.post(f"/{order}/accept", {})
        return told

    def papers(self) -> bytes:
        query = f"campaign={CAMPAIGN}&orders_only=true"
        pdf = self.served.get(f"{API}/report?{query}&format=pdf", self.author)
        assert (pdf.status, pdf.body[:5]) == (200, b"%PDF-")
        return self.served.get(f"{API}/report?{query}&format=docx", self.author).body


@dataclass(frozen=True, slots=True)
class Desk:
    """An issued order of its own, over HTTP."""

    served: Served
    key: str
    order: str
    code: str
    house: House

    def form(self, content: bytes, name: str = "mau.xlsx") -> Any:
        return self.served.upload(f"{API}/{self.order}/forms", self.key, name, content)

    @property
    def whole(self) -> Told:
        told: Told = self.served.get(f"{API}/{self.order}", self.key).json
        return told

    def template(self, kind: str = "xlsx") -> bytes:
        return self.served.get(f"{API}/{self.order}/papers/{kind}", self.key).body


def multipart(field: str, name: str, content: bytes, **fields: str) -> Any:
    mark = "----grenze"
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    if name:
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n')
    end = f"\r\n--{mark}--\r\n" if name else f"--{mark}--\r\n"
    body = "".join(parts).encode() + content + end.encode()
    return {"body": body, "Content_Type": f"multipart/form-data; boundary={mark}"}
