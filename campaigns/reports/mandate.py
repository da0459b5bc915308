"""How a report cites the document that ordered it: read from the stored campaign and the letter it keeps."""

from __future__ import annotations

import re

from campaigns.definition import Campaign
from campaigns.reports.figures import MandateFacts, sha256

KIND = "Văn bản"  # where the legal basis does not say what kind of paper it is
DUTY = "nhắn tin tuyên truyền theo nội dung ấn định"
_SHORT_NAME = re.compile(r"\(gọi tắt là ([^)]{3,80})\)")
_BEFORE_TEXT = re.compile(r",? với nội dung[^,“”]*$")


def facts(campaign: Campaign) -> MandateFacts:
    """The mandate as the report's opening and appendix name it."""
    mandate, verbatim = campaign.mandate, campaign.text.verbatim
    return MandateFacts(
        kind=_kind(campaign),
        number=mandate.number,
        dated=mandate.date,
        issuer=mandate.issuer,
        issuer_short=_short_name(campaign),
        subject=mandate.subject.removeprefix("V/v ").strip(),
        task=f"mục {mandate.section}",
        duty=_duty(campaign),
        report_to=mandate.report_to,
        deadline=mandate.report_before,
        campaign=_lower(campaign.title),
        source_text=verbatim,
        source_sha256=sha256(verbatim),
    )


def _kind(campaign: Campaign) -> str:
    """The word before the number in the legal basis: "Công văn số 20/BCĐ"."""
    found = re.search(rf"([^\W\d_][\w ]*?) số {re.escape(campaign.mandate.number)}", campaign.text.legal_basis)
    return found[1] if found else KIND


def _short_name(campaign: Campaign) -> str:
    """What the letter calls its issuer after the first mention."""
    found = _SHORT_NAME.search(_flat(campaign.text.letter))
    return found[1] if found else campaign.mandate.issuer


def _duty(campaign: Campaign) -> str:
    """The words of the letter that lead to the ordered text."""
    before, quoted, _ = _flat(campaign.text.letter).partition(_flat(campaign.text.verbatim))
    words = _BEFORE_TEXT.sub("", before.rpartition(" - ")[2].rstrip(' “":'))
    return _lower(words) if quoted and words else DUTY


def _flat(text: str) -> str:
    return " ".join(text.split())


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
