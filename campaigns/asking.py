"""The letter that asks somebody for an approval: who asks, what for, how many people, when, and one link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns.reports.words import figure, local


@dataclass(frozen=True, slots=True)
class Asked:
    """One plan and one person who could approve it. No number of a recipient, and not the text."""

    wave: int
    plan_hash: str
    person: str
    email: str | None
    author: str  # as papers write the name
    campaign: str
    name: str
    n: int
    opens_at: datetime
    closes_at: datetime
    due: int
    given: int
    principal: str | None  # in whose place: a name


SUBJECTS = {
    "vi": ("Đề nghị duyệt: {name}, {n} người", "diễn tập"),
    "en": ("To be approved: {name}, {n} people", "rehearsal"),
}
LINES = {
    "vi": (
        "{author} đề nghị duyệt gửi {name}, chiến dịch {campaign}.",
        "Số người nhận: {n} người\nThời gian: từ {opens} đến {closes}\nLượt duyệt: đã có {given} trên {due}",
        "Duyệt thay {principal} theo ủy quyền.",
        "Trang duyệt (đăng nhập, đọc, rồi nhập mã xác thực):\n{link}",
        "Mỗi kế hoạch chỉ báo một lần; kế hoạch thay đổi thì có thư mới.",
    ),
    "en": (
        "{author} asks for the approval of {name}, campaign {campaign}.",
        "Recipients: {n} people\nTime: from {opens} until {closes}\nApprovals: {given} of {due} given",
        "In place of {principal}, as deputy.",
        "The approval page (sign in, read, then give a code):\n{link}",
        "One letter a plan; a changed plan brings a new one.",
    ),
}  # fmt: skip
"""Who asks; what; in whose place; the link; and that it comes once."""


def link(asked: Asked, url: str) -> str:
    """The page itself: no word in it lets anybody in, or approves."""
    return f"{url}/console/waves/{asked.wave}/approve"


def letter(asked: Asked, language: str, url: str, *, rehearsal: bool) -> tuple[str, str]:
    """(subject, body) in one of the two languages."""
    facts = {
        "author": asked.author, "name": asked.name, "campaign": asked.campaign, "given": asked.given, "due": asked.due,
        "n": figure(asked.n) if language == "vi" else f"{asked.n:,}", "principal": asked.principal,
        "opens": _moment(asked.opens_at), "closes": _moment(asked.closes_at), "link": link(asked, url),
    }  # fmt: skip
    template, mark = SUBJECTS[language]
    who, what, place, page, once = LINES[language]
    told = [who, what, *([place] if asked.principal else []), page, once]
    subject = " ".join(template.format(**facts).split())  # a name may hold anything, a heading one line
    return (f"[{mark}] " if rehearsal else "") + subject, "\n\n".join(told).format(**facts) + "\n"


def _moment(at: datetime) -> str:
    there = local(at)
    return f"{there:%H:%M} {there.day}/{there.month}/{there.year}"
