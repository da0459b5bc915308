"""The words with which a carrier is reminded of its figures: plain text, ready for an e-mail or a chat."""

from __future__ import annotations

from campaigns.order import OrderPlan, Standing
from campaigns.reports.words import short_day

WHAT = (
    "Số liệu gồm: thuê bao, bản tin, tin nhắn quy đổi, số đã đến máy, số không đến máy theo lý do, theo từng đợt và "
    "ngày; gửi bằng tệp mẫu kèm công văn hoặc nhập trực tuyến theo địa chỉ và mã ghi trong công văn, kèm bản chụp văn "
    "bản đã ký."
)


def reminder(plan: OrderPlan, number: str, issued: str, standing: Standing) -> str:
    """Vietnamese, as the letter; it names the letter and the deadline, and holds no code (that is in the letter).

    `issued` is the letter's day as papers write it; `standing` says whether the deadline has passed.
    """
    due = short_day(plan.deadline)
    letter = f"Công văn số {number} ngày {issued}"
    rehearsal = "[DIỄN TẬP] " if plan.rehearsal else ""
    return "\n".join(
        [
            f"{rehearsal}Về việc báo cáo kết quả nhắn tin theo {letter}",
            "",
            f"Kính gửi: Doanh nghiệp viễn thông di động {plan.carrier_name}",
            "",
            _state(letter, due, standing),
            WHAT,
            f"Đầu mối liên hệ: {plan.contact.strip().rstrip('.')}.",
            "Trân trọng./.",
        ]
    )


def _state(letter: str, due: str, standing: Standing) -> str:
    if standing.overdue:
        return (
            f"Đến nay đã quá hạn báo cáo {-standing.days_left} ngày (hạn: {due}), chưa nhận được kết quả theo {letter}."
            " Đề nghị doanh nghiệp gửi kết quả ngay trong ngày; nếu có vướng mắc, đề nghị nêu rõ lý do, thời điểm gửi."
        )
    left = f"còn {standing.days_left} ngày" if standing.days_left else "hết hôm nay"
    silent = (
        f"Đến nay chưa nhận được phản hồi của doanh nghiệp về {letter}; đề nghị xác nhận đã nhận yêu cầu. "
        if standing.silent
        else ""
    )
    return f"{silent}Hạn báo cáo kết quả theo {letter} là {due} ({left}); đề nghị doanh nghiệp gửi đúng hạn."
