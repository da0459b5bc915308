"""How Vietnamese papers write figures, dates and outcomes (Decree 30/2020, Appendix I; docs of the console's words)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from campaigns.terms import Outcome, State, Verdict

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NBSP = "\u00a0"
NOTHING = "–"

STATE_WORDS = {
    State.QUEUED: "chờ gửi",
    State.UNCERTAIN: "không xác định",  # the exports' word for "chưa rõ kết quả"
    State.REFUSED: "nhà mạng từ chối",
    State.ACCEPTED: "nhà mạng đã nhận",
    State.UNDELIVERED: "không đến máy",
    State.DELIVERED: "đã đến máy",
    State.SUPPRESSED: "không gửi theo danh sách loại trừ",
    State.CANCELLED: "dừng hẳn",
    State.EXPIRED: "hết hạn",
}
OUTCOME_WORDS = {
    Outcome.SKIPPED: "không gửi theo danh sách loại trừ",
    Outcome.UNCERTAIN: "không xác định",
    Outcome.NOT_SENT: "chưa rời hệ thống",
    Outcome.DEFERRED: "nhà mạng hoãn",
    Outcome.REFUSED: "nhà mạng từ chối",
    Outcome.ACCEPTED: "nhà mạng đã nhận",
    Outcome.UNDELIVERED: "không đến máy",
    Outcome.DELIVERED: "đã đến máy",
}
VERDICT_WORDS = {
    Verdict.ACCEPTED: "hợp lệ",
    Verdict.DUPLICATE: "trùng",
    Verdict.INVALID: "không hợp lệ",
    Verdict.LANDLINE: "số cố định",
    Verdict.FOREIGN: "số nước ngoài",
    Verdict.SUPPRESSED: "đã từ chối nhận",
    Verdict.CAPPED: "vượt số lần",
}


def figure(number: int) -> str:
    """412345 -> "412.345"."""
    return f"{number:,}".replace(",", ".")


def share(part: int, whole: int) -> str:
    """98.6 % as "98,6 %"; never "100,0 %" of less than all, never "0,0 %" of more than none."""
    if not whole:
        return NOTHING
    permille = (part * 1000 + whole // 2) // whole
    if 0 < part < whole:
        permille = min(max(permille, 1), 999)
    return f"{permille // 10},{permille % 10}{NBSP}%"


def short_day(day: date) -> str:
    """05/8/2024: days below 10 and months 1 and 2 with a zero."""
    return f"{day.day:02}/{_month(day)}/{day.year}"


def long_day(day: date) -> str:
    """Ngày 05 tháng 8 năm 2024, in lower case."""
    return f"ngày {day.day:02} tháng {_month(day)} năm {day.year}"


def _month(day: date) -> str:
    return f"{day.month:02}" if day.month <= 2 else str(day.month)  # noqa: PLR2004 - the decree names months 1 and 2


def local(moment: datetime) -> datetime:
    """The same moment on Vietnam's clock."""
    return moment.astimezone(HANOI)


def clock_day(moment: datetime) -> str:
    """08 giờ 30 phút ngày 05/8/2024, Vietnam's clock."""
    here = local(moment)
    return f"{here:%H} giờ {here:%M} phút ngày {short_day(here.date())}"
