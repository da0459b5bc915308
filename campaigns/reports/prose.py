"""The sentences of the report, as a department of a province writes them; every figure comes from ReportFigures."""

from __future__ import annotations

from collections.abc import Iterable

from campaigns.reports import two_sources
from campaigns.reports.figures import ReportFigures, WaveFigures
from campaigns.reports.letterhead import Letterhead
from campaigns.reports.words import NBSP, VERDICT_WORDS, clock_day, figure, local, long_day, share, short_day
from campaigns.terms import Verdict

REHEARSAL = "DIỄN TẬP - KHÔNG PHẢI SỐ LIỆU THẬT"
BLANK = NBSP * 6  # the clerk fills in number and day


def bands(figures: ReportFigures) -> list[str]:
    """What must stand across the top of every page."""
    found = [REHEARSAL] if figures.rehearsal else []
    return found if figures.finished else [*found, _draft(figures)]


def _draft(figures: ReportFigures) -> str:
    lacks = [f"còn {figure(figures.unsettled)} bản tin chưa rõ"] if figures.unsettled else []
    if figures.total.queued:
        lacks.append(f"{figure(figures.total.queued)} bản tin chờ gửi")
    lacks += [f"{wave.wave_name} chưa kết thúc" for wave in figures.waves if wave.closed is None]
    for count, words in (
        (len(figures.silent), "nhà mạng chưa báo"),
        (len(figures.unaccepted), "kết quả chưa nghiệm thu"),
    ):
        lacks += [f"{count} {words}"] if count else []
    return f"BẢN NHÁP: {', '.join(lacks)}"


def number(head: Letterhead) -> str:
    """07/BC-STTTT; a number below 10 has a zero (II.3.c)."""
    return f"{BLANK if head.number is None else f'{head.number:02}'}/{head.symbol}"


def dated(head: Letterhead, figures: ReportFigures) -> str:
    """Ngày 05 tháng 8 năm 2024, in lower case, with room for the day where none is given."""
    if head.dated:
        return long_day(head.dated)
    return f"ngày{BLANK}tháng{BLANK}năm {local(figures.as_of).year}"


def opening(figures: ReportFigures, head: Letterhead) -> list[str]:
    """On what the report rests, cited in full the first time (II.6.b)."""
    m = figures.mandate
    words = (
        f"Thực hiện {m.kind} số {m.number} {long_day(m.dated)} của {m.issuer} (sau đây gọi tắt là {m.issuer_short}) "
        f"về việc {m.subject}, {head.body} báo cáo kết quả {m.campaign} như sau "
        f"(số liệu tính đến {clock_day(figures.as_of)}):"
    )
    drill = (
        "Báo cáo này lập trong diễn tập: người nhận, nhà mạng và mọi số liệu đều là mô phỏng, không dùng để tổng hợp."
    )
    return [drill, words] if figures.rehearsal else [words]


def deployment(figures: ReportFigures, head: Letterhead) -> list[tuple[str, list[str]]]:
    """What was ordered, what was said, how it was sent."""
    m = figures.mandate
    task = (
        f"Tại {m.task} {m.kind} số {m.number}, {head.body} được giao {m.duty}; báo cáo kết quả thực hiện về "
        f"{m.report_to} trước ngày {short_day(m.deadline)}."
    )
    return [
        ("1. Nhiệm vụ được giao", [task]),
        ("2. Nội dung tin nhắn", _choices(figures)),
        ("3. Tổ chức thực hiện", _organised(figures)),
    ]


def _organised(figures: ReportFigures) -> list[str]:
    own = [words for wave in figures.waves for words in (_sending(wave), _audience(wave), *_related(wave))]
    return [*own, *two_sources.asked(figures)]


def _choices(figures: ReportFigures) -> list[str]:
    paper = f"{figures.mandate.kind} số {figures.mandate.number}"
    found = []
    if names := _names(wave for wave in figures.waves if wave.choice == "verbatim"):
        found.append(f"{names}: nội dung tin nhắn giữ nguyên văn theo {paper}.")
    for reason in dict.fromkeys(wave.choice_reason for wave in figures.waves if wave.choice == "corrected"):
        names = _names(wave for wave in figures.waves if wave.choice == "corrected" and wave.choice_reason == reason)
        found.append(f"{names}: nội dung tin nhắn theo {paper}, có chỉnh sửa so với nguyên văn. Lý do: {_stop(reason)}")
    for order in two_sources.other_texts(figures):
        reason = f"có chỉnh sửa so với nguyên văn. Lý do: {_stop(order.choice_reason)}"
        kept = "giữ nguyên văn."
        found.append(
            f"Yêu cầu nhà mạng: nội dung tin nhắn theo {paper}, {reason if order.choice == 'corrected' else kept}"
        )
    return [
        *found,
        "Nội dung đã được lãnh đạo duyệt trước khi gửi; toàn văn và mã nội dung được nêu tại Phụ lục I kèm theo.",
    ]


def _stop(words: str) -> str:
    return words.strip().rstrip(".") + "."


def _names(waves: Iterable[WaveFigures]) -> str:
    return ", ".join(wave.wave_name for wave in waves)


def _sending(wave: WaveFigures) -> str:
    end = f"đến {clock_day(wave.closed)}" if wave.closed else "chưa kết thúc"
    each = {carrier.segments_each for carrier in wave.carriers}
    parts = f"{min(each)}" if len(each) == 1 else f"từ {min(each)} đến {max(each)}"
    return (
        f"- {wave.wave_name}: gửi từ {clock_day(wave.opened)}, {end}; tên người gửi “{wave.sender}”; "
        f"mỗi bản tin tương đương {parts} tin nhắn quy đổi."
    )


def _audience(wave: WaveFigures) -> str:
    rest = [
        f"{figure(wave.verdicts[verdict])} dòng {words}"
        for verdict, words in VERDICT_WORDS.items()
        if verdict is not Verdict.ACCEPTED and wave.verdicts.get(verdict)
    ]
    accepted = f"{figure(wave.verdicts.get(Verdict.ACCEPTED, 0))} dòng hợp lệ (người nhận)"
    return f"Danh sách của {wave.wave_name} có {figure(wave.file_rows)} dòng, gồm: {'; '.join([accepted, *rest])}."


_TO_WHOM = {
    "correction": "gửi tin đính chính đến {n} người nhận mà tin nhắn của {first} có thể đã đi",
    "failed": "gửi lại cho {n} người nhận mà không nhà mạng nào nhận bản tin của {first}",
    "rest": "gửi cho {n} người nhận chưa đến lượt khi {first} dừng",
}


def _related(wave: WaveFigures) -> list[str]:
    """What another wave has to do with this one, in the reports of both."""
    found = []
    for each in wave.relations:
        first, later = (each.name, wave.wave_name) if each.before else (wave.wave_name, each.name)
        found.append(f"{later} {_TO_WHOM[each.kind].format(n=figure(each.n), first=first)}.")
    return found


def overview(figures: ReportFigures) -> list[str]:
    """The result in one paragraph, and one more for what carriers state."""
    return [*(_own_overview(figures) if figures.waves else []), *two_sources.overview(figures)]


def _own_overview(figures: ReportFigures) -> list[str]:
    whole, several = figures.total, len(figures.waves) > 1
    people = f"{figure(whole.recipients)} {'lượt người nhận' if several else 'người nhận'}"
    words = (
        f"Đã tổ chức {len(figures.waves):02} đợt gửi đến {people}. Các doanh nghiệp viễn thông di động (sau đây gọi "
        f"chung là nhà mạng) đã nhận {figure(whole.taken)} bản tin, tương đương {figure(whole.segments)} tin nhắn quy "
        f"đổi; trong đó {figure(whole.delivered)} bản tin đã đến máy theo biên nhận của nhà mạng. "
        f"Có {figure(whole.unknown)} bản tin chưa rõ kết quả."
    )
    if whole.suppressed:
        words += f" Không gửi {figure(whole.suppressed)} bản tin theo danh sách loại trừ."
    return [words]


def column_notes() -> list[str]:
    """What stands under the tables."""
    return [
        (
            "Ghi chú: “Bản tin nhà mạng đã nhận” gồm bản tin đã đến máy, không đến máy, chưa có biên nhận và "
            "chưa xác nhận; không gồm bản tin không xác định. “Tin nhắn quy đổi” chỉ tính trên bản tin nhà mạng "
            "đã nhận. (*): tỷ lệ chỉ tính tại các nhà mạng có biên nhận. Chi tiết tại Phụ lục II kèm theo."
        ),
    ]


def remarks(figures: ReportFigures) -> list[str]:
    """What the figures say, and what they do not."""
    found = [
        (
            "“Đã đến máy” chỉ tính các bản tin được nhà mạng xác nhận bằng biên nhận; số liệu này không phản ánh "
            "việc người nhận đã đọc tin nhắn. “Nhà mạng đã nhận” nghĩa là nhà mạng đã tiếp nhận bản tin để chuyển đi, "
            "không đồng nghĩa với đã đến máy."
        ),
        *_shares(figures),
        *_silent(figures),
        *_unknown(figures),
        *_receipts(figures),
    ]
    if figures.finished:
        found.append(
            "Số liệu đã được kiểm tra: tại từng nhà mạng, từng đợt và toàn bộ các đợt, "
            "tổng các kết quả bằng số người nhận."
        )
    return found


def _shares(figures: ReportFigures) -> list[str]:
    whole = figures.total
    if not whole.taken_receipted:
        return []
    return [
        (
            f"Tại các nhà mạng có cung cấp biên nhận, {figure(whole.delivered_receipted)} trong số "
            f"{figure(whole.taken_receipted)} bản tin nhà mạng đã nhận được xác nhận là đã đến máy, đạt tỷ lệ "
            f"{share(whole.delivered_receipted, whole.taken_receipted)}."
        )
    ]


def _silent_carriers(figures: ReportFigures) -> dict[str, int]:
    found: dict[str, int] = {}
    for wave in figures.waves:
        for carrier, row in wave.rows():
            if not carrier.receipts_promised and row.taken:
                found[carrier.name] = found.get(carrier.name, 0) + row.taken
    return found


def _silent(figures: ReportFigures) -> list[str]:
    return [
        f"{name} không cung cấp biên nhận: {figure(taken)} bản tin của nhà mạng này được ghi nhận là nhà mạng đã nhận, "
        "không đưa vào cách tính tỷ lệ đã đến máy."
        for name, taken in _silent_carriers(figures).items()
    ]


def _unknown(figures: ReportFigures) -> list[str]:
    whole = figures.total
    hours = f"{figures.waves[0].horizon.total_seconds() / 3600:.0f} giờ"
    parts = (
        (whole.uncertain, "bản tin có thể đã được gửi đi nhưng không có trả lời của nhà mạng"),
        (whole.unconfirmed, f"bản tin nhà mạng đã nhận nhưng sau {hours} chưa có biên nhận"),
    )
    found = []
    if shown := " và ".join(f"{figure(count)} {words}" for count, words in parts if count):
        found.append(
            f"Bản tin chưa rõ kết quả gồm {shown}. Không có căn cứ để kết luận các bản tin này đã đến hay không đến "
            "máy; biên nhận đến muộn, nếu có, sẽ được tính trong báo cáo bổ sung."
        )
    if whole.awaited:
        found.append(
            f"Ngoài ra, {figure(whole.awaited)} bản tin nhà mạng đã nhận còn trong thời hạn chờ biên nhận ({hours} kể "
            "từ khi kết thúc đợt gửi); số liệu sẽ thay đổi khi có biên nhận."
        )
    return found


def _receipts(figures: ReportFigures) -> list[str]:
    received = sum(wave.receipts_received for wave in figures.waves)
    repeats = sum(wave.receipts_repeats for wave in figures.waves)
    clashes = sum(wave.contradictions for wave in figures.waves)
    words = f"Đã tiếp nhận {figure(received)} biên nhận, trong đó {figure(repeats)} biên nhận lặp lại không tính thêm."
    if clashes:
        words += (
            f" Có {figure(clashes)} trường hợp biên nhận mâu thuẫn với trả lời trước đó; cả hai được lưu trong nhật ký "
            "và kết quả tính theo chứng cứ mạnh hơn."
        )
    return [words] if received or clashes else []


def statements(figures: ReportFigures) -> list[str]:
    """What carriers say of their own sending."""
    names = ", ".join(dict.fromkeys(stated.name for stated in figures.statements))
    return [
        (
            f"Số liệu dưới đây do {names} tự tổng hợp và báo cáo bằng văn bản; được nêu riêng để đối chiếu, không cộng "
            "vào số liệu tại mục 1 và mục 2."
        )
    ]


def shortcomings(figures: ReportFigures) -> list[str]:
    """What did not succeed, in figures only: causes are not in the ledger."""
    whole = figures.total
    counts = (
        (whole.undelivered, "bản tin không đến máy theo biên nhận của nhà mạng"),
        (whole.refused, "bản tin bị nhà mạng từ chối"),
        (whole.expired, "bản tin hết hạn trước khi nhà mạng tiếp nhận"),
        (whole.cancelled, "bản tin không gửi do đợt gửi được dừng hẳn"),
        (whole.queued, "bản tin còn chờ gửi"),
        (whole.unknown, "bản tin chưa rõ kết quả"),
    )
    found = [f"{figure(count)} {words}" for count, words in counts if count]
    found += two_sources.shortcomings(figures)
    found += [
        f"{name} không cung cấp biên nhận nên chưa xác định được số đã đến máy" for name in _silent_carriers(figures)
    ]
    return [f"- {words}{'.' if words is found[-1] else ';'}" for words in found] or ["Không phát sinh."]


def proposals(figures: ReportFigures) -> list[str]:
    """What is asked of others."""
    found = [f"Đề nghị {figures.mandate.report_to} tổng hợp kết quả trên theo quy định."]
    if figures.total.unknown or _silent_carriers(figures):
        found.append(
            "Đề nghị các doanh nghiệp viễn thông di động tiếp tục phối hợp, cung cấp biên nhận và số liệu đối soát đối "
            "với các bản tin chưa có biên nhận hoặc chưa rõ kết quả."
        )
    return [f"{at}. {words}" for at, words in enumerate(found, 1)]


def closing(figures: ReportFigures, head: Letterhead) -> str:
    """The last sentence; papers end with "./." (II.6)."""
    return (
        f"Trên đây là báo cáo kết quả {figures.mandate.campaign}, {head.body} kính gửi "
        f"{figures.mandate.report_to} tổng hợp, báo cáo theo quy định./."
    )
