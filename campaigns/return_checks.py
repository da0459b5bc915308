"""Whether a carrier's figures can be true: one table of rules, each with its verdict, its figures and its sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from campaigns.order import OrderPlan
from campaigns.returns import COUNTS, FAILURES, FIGURES, Figures, Return

TOLERANCE = 0.01
"""Part by which segments may differ from messages x segments of the text: carriers round and count ported numbers."""
OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
"""A rule holds; does not hold; cannot be looked at, as a figure is not stated."""


class Finding(NamedTuple):
    """What one rule says of one return."""

    rule: str
    verdict: str
    column: str  # the figure beside which it is shown
    vi: str  # the sentence for papers and Vietnamese faces
    en: str
    figures: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {**self._asdict(), "figures": dict(self.figures)}


class Case(NamedTuple):
    """What a rule looks at."""

    plan: OrderPlan
    given: Return
    received: dt.date  # the local day on which it came
    evidence: bool  # whether the carrier's signed paper is kept with it


Said = tuple[str, str, str, Mapping[str, int]]
"""(verdict, Vietnamese, English, figures)."""


def check(plan: OrderPlan, given: Return, *, received: dt.date, evidence: bool) -> list[Finding]:
    """Every rule in its order; nothing is changed by it."""
    case = Case(plan, given, received, evidence)
    found = []
    for rule, (column, look) in RULES.items():
        verdict, vi, en, figures = look(case)
        marks = {name: f"{n:,}" for name, n in figures.items()}
        dots = {name: mark.replace(",", ".") for name, mark in marks.items()}
        found.append(Finding(rule, verdict, column, vi.format(**dots), en.format(**marks), figures))
    return found


def failed(found: list[Finding]) -> list[Finding]:
    """Those that do not hold."""
    return [each for each in found if each.verdict == FAILED]


def _subscribers(case: Case) -> Said:
    n, waves = case.given.total.subscribers, len(case.plan.waves)
    most = n * waves
    figures = {"messages": case.given.total.messages, "most": most, "n": n, "waves": waves}
    bad = [row for row in case.given.rows if row.figures.messages > row.figures.subscribers]
    if figures["messages"] > most:
        return (
            FAILED,
            "{messages} bản tin, nhiều hơn thuê bao × số đợt = {n} × {waves} = {most}",
            "{messages} messages are more than subscribers x waves = {n} x {waves} = {most}",
            figures,
        )
    if bad:
        row = bad[0]
        figures = {"wave": row.wave, "messages": row.figures.messages, "n": row.figures.subscribers}
        return (
            FAILED,
            "Đợt {wave}: {messages} bản tin, nhiều hơn {n} thuê bao của cùng dòng",
            "wave {wave}: {messages} messages are more than the {n} subscribers of the same row",
            figures,
        )
    return OK, "≤ thuê bao × số đợt = {most}", "<= subscribers x waves = {most}", figures


def _segments(case: Case) -> Said:
    total, each = case.given.total, case.plan.text.segments
    due = total.messages * each
    figures = {"segments": total.segments, "due": due, "messages": total.messages, "each": each,
               "difference": total.segments - due}  # fmt: skip
    if abs(total.segments - due) > due * TOLERANCE:
        return (
            FAILED,
            "{segments} tin nhắn quy đổi; bản tin × {each} là {messages} × {each} = {due}, chênh lệch {difference}",
            "{segments} segments; messages x {each} would be {messages} x {each} = {due}, a difference of {difference}",
            figures,
        )
    return OK, "= bản tin × {each} = {due} (sai số 1%)", "= messages x {each} = {due} (within 1%)", figures


def _shortened(case: Case) -> Said:
    total, each = case.given.total, case.plan.text.segments
    short = round(total.segments / total.messages) if total.messages else each
    figures = {"short": short, "each": each}
    if short < each:
        return (
            FAILED,
            "Mỗi bản tin chỉ {short} tin nhắn quy đổi, nội dung đã duyệt cần {each}: nội dung có bị rút gọn không?",
            "each message has {short} segments where the approved text needs {each}: was the text shortened?",
            figures,
        )
    if short > each:
        return (
            FAILED,
            "Mỗi bản tin {short} tin nhắn quy đổi, nội dung đã duyệt chỉ cần {each}: nội dung có bị thay đổi không?",
            "each message has {short} segments where the approved text needs {each}: was the text changed?",
            figures,
        )
    return OK, "{each} tin nhắn quy đổi mỗi bản tin, đúng nội dung đã duyệt", "{each} segments a message", figures


def _sums(case: Case) -> Said:
    for name, head in {**COUNTS, **FAILURES}.items():
        stated = getattr(case.given.total, name)
        values = [value for row in case.given.rows if (value := getattr(row.figures, name)) is not None]
        if stated is None or not values:
            continue
        summed = _of_waves(case.given) if name == "subscribers" else sum(values)
        if summed != stated:
            words = f"{head}: các dòng cộng lại {{summed}}, dòng tổng ghi {{stated}}, chênh lệch {{difference}}"
            if name == "subscribers":
                words = f"{head}: đợt lớn nhất có {{summed}}, dòng tổng ghi {{stated}}, chênh lệch {{difference}}"
            english = f"{name}: the rows make {{summed}}, the totals say {{stated}}, a difference of {{difference}}"
            figures = {"summed": summed, "stated": stated, "difference": stated - summed}
            return FAILED, words, english, figures
    return OK, "Các dòng cộng đúng bằng dòng tổng", "the rows sum to the totals", {"rows": len(case.given.rows)}


def _of_waves(given: Return) -> int:
    """Subscribers are not summed over waves, as the same people are asked again: the largest wave counts.

    Within a wave, units are other people; days are not (a subscriber stands in one day's row), so rows are summed.
    """
    waves: dict[int, int] = {}
    for row in given.rows:
        waves[row.wave] = waves.get(row.wave, 0) + row.figures.subscribers
    return max(waves.values(), default=0)


def _outcomes(case: Case) -> Said:
    for place, row in _lines(case.given):
        delivered, lost = row.delivered, row.failed
        if delivered is None and lost is None:
            continue
        known = (delivered or 0) + (lost or 0)
        figures = {"delivered": delivered or 0, "lost": lost or 0, "known": known, "messages": row.messages}
        if known > row.messages:
            return (
                FAILED,
                place + "đã đến máy {delivered} + không đến máy {lost} = {known}, nhiều hơn {messages} bản tin",
                "delivered {delivered} + failed {lost} = {known} are more than {messages} messages",
                figures,
            )
    if case.given.total.delivered is None:
        return UNKNOWN, "Nhà mạng không nêu số đã đến máy", "the carrier does not state what was delivered", {}
    return OK, "Đã đến máy + không đến máy ≤ bản tin", "delivered + failed <= messages", {}


def _lines(given: Return) -> Iterator[tuple[str, Figures]]:
    yield "Tổng: ", given.total
    for row in given.rows:
        yield f"Đợt {row.wave}: ", row.figures


def _dates(case: Case) -> Said:
    for row in case.given.rows:
        wave = case.plan.wave(row.wave)
        if row.day and wave and not wave.date <= row.day <= wave.until:
            first, last = (f"{day.day}/{day.month}/{day.year}" for day in (wave.date, wave.until))
            day = f"{row.day.day}/{row.day.month}/{row.day.year}"
            span = first if first == last else f"{first} – {last}"
            return (
                FAILED,
                f"Đợt {row.wave}: ngày {day} nằm ngoài đợt gửi đã yêu cầu ({span})",
                f"wave {row.wave}: {day} lies outside the ordered wave ({span})",
                {},
            )
    if not all(row.day for row in case.given.rows):
        return UNKNOWN, "Có dòng không ghi ngày gửi", "some rows name no day", {}
    return OK, "Mọi ngày gửi nằm trong đợt đã yêu cầu", "all days lie inside their waves", {}


def _waves(case: Case) -> Said:
    missing = [wave.no for wave in case.plan.waves if wave.no not in {row.wave for row in case.given.rows}]
    if missing:
        names = ", ".join(map(str, missing))
        return FAILED, f"Không có số liệu của đợt {names}", f"there are no figures of wave {names}", {}
    return OK, "Đủ các đợt đã yêu cầu", "all ordered waves have figures", {"waves": len(case.plan.waves)}


def _published(case: Case) -> Said:
    most = case.plan.published
    if most is None:
        return UNKNOWN, "Chưa có số thuê bao công bố để đối chiếu", "no published number to compare with", {}
    figures = {"n": case.given.total.subscribers, "most": most}
    if case.given.total.subscribers > most:
        return (
            FAILED,
            "{n} thuê bao, nhiều hơn số đã công bố {most}",
            "{n} subscribers are more than the published {most}",
            figures,
        )
    return OK, "≤ số thuê bao đã công bố {most}", "<= the published {most}", figures


def _deadline(case: Case) -> Said:
    late = (case.received - case.plan.deadline).days
    if late > 0:
        return FAILED, "Báo muộn {late} ngày so với thời hạn", "reported {late} days late", {"late": late}
    return OK, "Báo trong thời hạn", "reported in time", {}


def _evidence(case: Case) -> Said:
    if not case.evidence:
        return FAILED, "Chưa có văn bản ký của nhà mạng", "the carrier's signed paper is missing", {}
    return OK, "Có văn bản ký của nhà mạng", "the carrier's signed paper is kept", {}


RULES: Mapping[str, tuple[str, Callable[[Case], Said]]] = {
    "messages_within_subscribers": ("messages", _subscribers),
    "segments_of_text": ("segments", _segments),
    "text_not_shortened": ("segments", _shortened),
    "rows_sum_to_totals": ("total", _sums),
    "outcomes_within_messages": ("delivered", _outcomes),
    "days_inside_waves": ("day", _dates),
    "all_waves": ("wave", _waves),
    "within_published": ("subscribers", _published),
    "in_time": ("received", _deadline),
    "signed_paper": ("document", _evidence),
}
"""Rule -> (the figure beside which its verdict stands, how it looks)."""

HEADS: Mapping[str, str] = {
    **{name: {**COUNTS, **FAILURES}[name] for name in FIGURES},
    "total": "Dòng tổng",
    "day": "Ngày gửi",
    "wave": "Đợt gửi",
    "received": "Thời hạn",
    "document": "Văn bản báo cáo",
}
"""Column of a finding -> as papers write it."""
