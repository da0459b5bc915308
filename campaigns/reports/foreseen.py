"""What was foreseen of a wave at its approval, beside what happened, as the report's annex and its sheet say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns.forecast import Share, summed
from campaigns.reports.figures import WaveFigures
from campaigns.reports.words import clock_day, figure


def lines(wave: WaveFigures) -> list[tuple[str, str]]:
    """Two rows, (what, figures); none where the approval kept no forecast."""
    found = wave.compared
    if found is None:
        return []
    return [
        ("Dự kiến khi duyệt", _said(found.forecast, found.finishes_at)),
        ("Thực tế" if found.over else "Thực tế đến lúc này", _said(found.actual, found.last_at)),
    ]


def _said(shares: Sequence[Share], last: datetime | None) -> str:
    whole = summed(shares)
    end = f"; lượt gửi cuối lúc {clock_day(last)}" if last else ""
    return (
        f"{figure(whole.messages)} bản tin; {figure(whole.segments)} tin nhắn quy đổi; {figure(whole.dong)} đồng{end}"
    )
