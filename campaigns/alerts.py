"""What people must be told while nobody looks: kinds of alerts, each with its sentence in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from campaigns.reports.words import figure

SENTENCES: Mapping[str, tuple[str, str]] = {
    "stalled": (
        (
            "Đợt “{name}” đứng yên hơn 10 phút trong giờ gửi, còn {waiting} bản tin (tài khoản {accounts}). Xem "
            "`dispatcher wave status {about}`; kiểm tra tiến trình gửi và kết nối nhà mạng."
        ),
        (
            "Wave “{name}” has stood still for more than 10 minutes of its hours, {waiting} messages are left "
            "(account {accounts}). See `dispatcher wave status {about}`; look at the workers and the carrier's "
            "connection."
        ),
    ),
    "canary": (
        (
            "Đợt “{name}” chờ người xem tin thử trên máy mẫu của {carriers} rồi xác nhận đúng nội dung. Xem "
            "`dispatcher wave canary {about}`."
        ),
        (
            "Wave “{name}” waits for somebody to look at the seed phones of {carriers} and say that the text is "
            "right. See `dispatcher wave canary {about}`."
        ),
    ),
    "trial": (
        (
            "Đợt “{name}”: {waiting} bản tin chờ vì tài khoản {accounts} đang tập dượt, chỉ gửi cho số trong danh sách "
            "cho phép. Xem `dispatcher wave status {about}`; hai người cho gửi thật bằng `dispatcher account go-live`."
        ),
        (
            "Wave “{name}”: {waiting} messages wait because account {accounts} is in trial and sends to its allow-list "
            "only. See `dispatcher wave status {about}`; two persons let it go live with `dispatcher account go-live`."
        ),
    ),
    "closing": (
        (
            "Đợt “{name}” hết giờ gửi lúc {closes} mà còn {waiting} bản tin chưa gửi. Xem `dispatcher wave status "
            "{about}`."
        ),
        (
            "The hours of wave “{name}” end at {closes} and {waiting} messages have not left. See `dispatcher "
            "wave status {about}`."
        ),
    ),
    "asks": (
        (
            "Đợt “{name}” lỡ giờ gửi vì hệ thống ngừng chạy: cần người quyết định gửi tiếp giờ mới hay kết thúc. "
            "Xem `dispatcher wave status {about}`."
        ),
        (
            "Wave “{name}” missed its hours while the system was down: a person decides on new hours or its end. "
            "See `dispatcher wave status {about}`."
        ),
    ),
    "paused": (
        (
            "Đợt “{name}” tự tạm ngưng vì quá nhiều bản tin không gửi được hoặc chưa rõ. Xem `dispatcher wave "
            "status {about}`, rồi gửi tiếp hoặc dừng hẳn."
        ),
        (
            "Wave “{name}” paused by itself: too many messages failed or are in doubt. See `dispatcher wave status "
            "{about}`, then resume or cancel."
        ),
    ),
    "budget": (
        (
            "Đợt “{name}” đã dùng {percent}% ngân sách đã duyệt; hết ngân sách thì đợt tự tạm ngưng. Xem "
            "`dispatcher wave status {about}`."
        ),
        (
            "Wave “{name}” has used {percent}% of its approved budget; at its end it pauses by itself. See "
            "`dispatcher wave status {about}`."
        ),
    ),
    "approval": (
        (
            "Đợt “{name}” ({n} người nhận) do {author} trình đã chờ duyệt hơn 30 phút. Mở trang quản lý, hoặc "
            "`dispatcher wave approve {about}`."
        ),
        (
            "Wave “{name}” ({n} recipients), planned by {author}, has waited for approval for more than 30 "
            "minutes. Open the console, or `dispatcher wave approve {about}`."
        ),
    ),
    "route": (
        (
            "Tài khoản {account} bị dừng một phần hoặc toàn bộ: nhà mạng trả mã {code}. Sửa xong thì `dispatcher "
            "account open {account}`."
        ),
        (
            "Account {account} is stopped, whole or in part: the carrier said {code}. Mend it, then `dispatcher "
            "account open {account}`."
        ),
    ),
    "carrier": (
        ("Không gửi được qua tài khoản {account} hơn 2 phút nay (mã {code}). Hỏi nhà mạng; hệ thống vẫn tự thử lại."),
        (
            "Account {account} has not worked for more than 2 minutes ({code}). Ask the carrier; the program "
            "tries again by itself."
        ),
    ),
    "drought": (
        (
            "Tài khoản {account}: không có biên nhận nào trong 15 phút dù {n} bản tin đã được nhận. Hỏi nhà "
            "mạng, kiểm tra địa chỉ nhận biên nhận."
        ),
        (
            "Account {account}: not one receipt in 15 minutes although {n} messages were taken. Ask the carrier, "
            "look at the address for receipts."
        ),
    ),
    "locked": (
        "Việc gửi đang bị khóa: {reason}. Xem `dispatcher unlock`.",
        "Sending is locked: {reason}. See `dispatcher unlock`.",
    ),
    "order": (
        (
            "{carrier} chưa báo kết quả yêu cầu {campaign}: hạn {deadline}, còn {days_left} ngày. Xem "
            "`dispatcher order remind`."
        ),
        (
            "{carrier} has not reported on order {campaign}: due {deadline}, {days_left} days left. See "
            "`dispatcher order remind`."
        ),
    ),
    "test": (
        "Đây là tin thử của hệ thống nhắn tin: đường báo này hoạt động.",
        "This is a test of the message dispatcher: this way of telling works.",
    ),
}
"""Kind -> (Vietnamese, English); `{about}` and the facts of alerts_now() fill it."""


class Found(NamedTuple):
    """Something that people must be told."""

    kind: str
    about: str
    facts: Mapping[str, Any]


class Alert(NamedTuple):
    """The same with its times, as the ledger has it."""

    id: int
    kind: str
    about: str
    facts: Mapping[str, Any]
    began_at: datetime
    ended_at: datetime | None


def sentence(found: Found | Alert, language: str) -> str:
    """What happened and what to do, in one of the two languages."""
    template = SENTENCES[found.kind][0 if language == "vi" else 1]
    write = figure if language == "vi" else "{:,}".format
    facts = {name: write(value) if isinstance(value, int) else value for name, value in found.facts.items()}
    return template.format(about=found.about, **facts)
