"""The columns of all reports: head, figure and meaning in one place, so that papers and sheets say the same."""

from __future__ import annotations

from typing import NamedTuple

from campaigns.reports.figures import Columns


class Column(NamedTuple):
    """One column of figures."""

    head: str
    field: str  # of figures.Columns
    meaning: str

    def of(self, row: Columns) -> int:
        """The row's figure."""
        return int(getattr(row, self.field))


DETAIL = (
    Column(
        "Người nhận",
        "recipients",
        "Số máy hợp lệ, không trùng trong đợt; mỗi người nhận có đúng một kết quả ở các cột (2), (8)–(13).",
    ),
    Column(
        "Nhà mạng đã nhận",
        "taken",
        "Bản tin nhà mạng đã tiếp nhận để chuyển đi, bằng tổng các cột (4)–(7). Không đồng nghĩa với đã đến máy.",
    ),
    Column(
        "Tin nhắn quy đổi",
        "segments",
        "Cột (2) nhân với số tin nhắn quy đổi của một bản tin tại nhà mạng đó; là đơn vị tính cước.",
    ),
    Column(
        "Đã đến máy",
        "delivered",
        "Nhà mạng xác nhận bằng biên nhận là đã chuyển đến máy. Không phản ánh việc người nhận đã đọc.",
    ),
    Column("Không đến máy", "undelivered", "Nhà mạng xác nhận bằng biên nhận là không chuyển được đến máy."),
    Column(
        "Chưa có biên nhận",
        "accepted",
        "Nhà mạng đã nhận; nhà mạng không cung cấp biên nhận hoặc biên nhận còn trong thời hạn chờ.",
    ),
    Column(
        "Chưa xác nhận",
        "unconfirmed",
        "Nhà mạng đã nhận và có cung cấp biên nhận, nhưng hết thời hạn chờ mà chưa có biên nhận.",
    ),
    Column(
        "Không xác định",
        "uncertain",
        "Bản tin có thể đã được gửi đi nhưng không có trả lời của nhà mạng; không tính vào cột (2) và (3).",
    ),
    Column("Nhà mạng từ chối", "refused", "Nhà mạng trả lời từ chối, không chuyển bản tin."),
    Column("Loại trừ", "suppressed", "Không gửi vì số máy thuộc danh sách loại trừ khi đến lượt gửi."),
    Column("Dừng hẳn", "cancelled", "Không gửi vì đợt gửi được dừng hẳn trước khi đến lượt."),
    Column("Hết hạn", "expired", "Quá hạn gửi hoặc quá số lần thử; nhà mạng chưa tiếp nhận."),
    Column("Chờ gửi", "queued", "Chưa đến lượt gửi hoặc đang chờ gửi lại."),
)
"""Numbered (1) to (13) wherever they are printed; (1) = (2) + (8) + ... + (13) and (2) = (4) + ... + (7)."""

SHORT = (
    ("Bản tin chưa rõ kết quả", "Tổng của “Chưa xác nhận” (cột 7) và “Không xác định” (cột 8) tại Phụ lục II."),
    (
        "Tỷ lệ đã đến máy",
        "Bản tin đã đến máy chia cho bản tin nhà mạng đã nhận, chỉ tính các nhà mạng có cung cấp biên nhận.",
    ),
)
