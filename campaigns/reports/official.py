"""What all official papers share: the head with offices, motto, number and day; the end with receivers and signer."""

from __future__ import annotations

from typing import Any

from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

from campaigns.reports import decree30
from campaigns.reports.decree30 import CENTRED, TITLE, Look
from campaigns.reports.letterhead import Letterhead

LEFT_HALF, RIGHT_HALF = 75.8, 89.2  # mm of the head's two columns
MOTTO_RULE = 56.0  # mm: "Độc lập - Tự do - Hạnh phúc" in 13 pt bold Times New Roman
PART = 0.42  # of the words' length: between 1/3 and 1/2
SIGNING = 4  # empty lines for signature and seal


def head(paper: Any, office: Letterhead, number: str, dated: str, about: str = "") -> None:
    """Offices and motto side by side, number and day below; `about` is a letter's "V/v ..." under its number (II.5)."""
    table = decree30.side_by_side(paper, (LEFT_HALF, RIGHT_HALF), rows=2)
    left, right = table.cell(0, 0), table.cell(0, 1)
    decree30.write(left, office.parent.upper(), Look(12, align=ALIGN.CENTER, after=0, first=0))
    decree30.write(left, office.body.upper(), Look(12, bold=True, align=ALIGN.CENTER, after=0, first=0))
    decree30.rule(left, PART * decree30.words_width(office.body.upper(), 12), LEFT_HALF)
    decree30.write(
        right, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", Look(12, bold=True, align=ALIGN.CENTER, after=0, first=0)
    )
    decree30.write(right, "Độc lập - Tự do - Hạnh phúc", Look(13, bold=True, align=ALIGN.CENTER, after=0, first=0))
    decree30.rule(right, MOTTO_RULE, RIGHT_HALF)
    decree30.write(table.cell(1, 0), f"Số: {number}", Look(13, align=ALIGN.CENTER, before=4, after=0, first=0))
    if about:
        decree30.write(table.cell(1, 0), about, Look(12, align=ALIGN.CENTER, before=6, after=0, first=0))
    decree30.write(
        table.cell(1, 1),
        f"{office.place}, {dated}",
        Look(13, italic=True, align=ALIGN.CENTER, before=4, first=0),
    )


def signature(paper: Any, office: Letterhead) -> None:
    """Receivers on the left, the signer's title, room and name on the right."""
    decree30.gap(paper, 6)
    table = decree30.side_by_side(paper, (85.0, 80.0))
    places, signer = table.cell(0, 0), table.cell(0, 1)
    line = Look(11, align=ALIGN.LEFT, after=0, first=0, keep=True)
    decree30.write(places, "Nơi nhận:", Look(12, bold=True, italic=True, align=ALIGN.LEFT, after=0, first=0, keep=True))
    for words in ("Như trên;", *(f"{copy};" for copy in office.copies), f"Lưu: {office.archive}."):
        decree30.write(places, f"- {words}", line)
    for words in office.signer:
        decree30.write(signer, words, TITLE)
    for _ in range(SIGNING):
        decree30.write(signer, "", CENTRED)
    decree30.write(signer, office.signer_name, Look(bold=True, align=ALIGN.CENTER, after=0, first=0))
