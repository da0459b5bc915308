"""What a report says, as figures: given by the ledger, summed here, checked before any file is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Literal

from campaigns.forecast import Compared
from campaigns.message import SENT
from campaigns.terms import State, Verdict

HORIZON = timedelta(hours=72)
"""How long a promised receipt is waited for before the report says "unconfirmed" (ledger: section 3)."""


@dataclass(frozen=True, slots=True)
class Columns:
    """One row of a report. Each recipient is in exactly one of the ten outcomes, so they sum to `recipients`.

    `taken` (bản tin nhà mạng đã nhận) is what a carrier is known to have taken: delivered + undelivered + accepted +
    unconfirmed. Uncertain messages are not in it: nothing proves that they left. So the true number lies between
    `taken` and `taken + uncertain`. `segments` (tin quy đổi) counts the SMS parts of `taken` only.
    `share` (tỷ lệ) is delivered / taken, over those carriers that promise receipts.
    """

    recipients: int = 0
    delivered: int = 0  # by the carrier's receipt
    undelivered: int = 0  # by the carrier's receipt
    accepted: int = 0  # taken; no receipt promised, or still awaited
    awaited: int = 0  # the part of `accepted` whose promised receipt is still waited for
    unconfirmed: int = 0  # taken; the promised receipt did not come within the horizon
    uncertain: int = 0  # may have left; no answer
    refused: int = 0  # by the carrier, for good
    suppressed: int = 0
    cancelled: int = 0
    expired: int = 0
    queued: int = 0
    segments: int = 0
    taken_receipted: int = 0  # the part of `taken` at carriers that promise receipts
    delivered_receipted: int = 0  # the part of `delivered` at those carriers

    def __add__(self, other: Columns) -> Columns:
        return Columns(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def taken(self) -> int:
        """Messages that a carrier is known to have taken."""
        return self.delivered + self.undelivered + self.accepted + self.unconfirmed

    @property
    def unknown(self) -> int:
        """Chưa rõ kết quả: no answer to our sending, or no receipt where one was promised."""
        return self.uncertain + self.unconfirmed

    @property
    def not_sent(self) -> int:
        """Never offered to a carrier, by exclusion list, by a stop or by our own deadline."""
        return self.suppressed + self.cancelled + self.expired

    @property
    def outcomes_sum(self) -> int:
        """All ten outcomes together; equals `recipients` in every sound report."""
        return self.taken + self.uncertain + self.refused + self.not_sent + self.queued


def total(rows: Iterable[Columns]) -> Columns:
    """The row of sums."""
    return sum(rows, Columns())


@dataclass(frozen=True, slots=True)
class CarrierFigures:
    """One carrier in one wave, as the ledger counts it."""

    carrier: str  # the code of the routes, "viettel"
    name: str  # as papers write it, "Viettel"
    recipients: int
    segments_each: int  # SMS parts of the text at this carrier
    counts: Mapping[State, int]
    receipts_promised: bool

    def columns(self, *, past_horizon: bool) -> Columns:
        """The report's row; after the horizon an awaited receipt is called unconfirmed."""
        late = past_horizon and self.receipts_promised
        accepted, taken = self._count(State.ACCEPTED), sum(self._count(state) for state in SENT)
        return Columns(
            recipients=self.recipients,
            delivered=self._count(State.DELIVERED),
            undelivered=self._count(State.UNDELIVERED),
            accepted=0 if late else accepted,
            awaited=accepted if self.receipts_promised and not late else 0,
            unconfirmed=accepted if late else 0,
            uncertain=self._count(State.UNCERTAIN),
            refused=self._count(State.REFUSED),
            suppressed=self._count(State.SUPPRESSED),
            cancelled=self._count(State.CANCELLED),
            expired=self._count(State.EXPIRED),
            queued=self._count(State.QUEUED),
            segments=taken * self.segments_each,
            taken_receipted=taken if self.receipts_promised else 0,
            delivered_receipted=self._count(State.DELIVERED) if self.receipts_promised else 0,
        )

    def _count(self, state: State) -> int:
        return self.counts.get(state, 0)


@dataclass(frozen=True, slots=True)
class WaveRelation:
    """Another wave that this one follows, or that follows it."""

    name: str
    kind: str  # "correction" | "failed" | "rest": to whom the later of the two is sent
    n: int  # messages of the later one
    before: bool  # the other one is the earlier


@dataclass(frozen=True, slots=True)
class WaveFigures:
    """One wave: what was said, when, by whom approved, and what became of it."""

    wave_name: str  # "Đợt 1"
    wave_id: int
    rehearsal: bool
    sender: str
    text: str  # the approved bytes
    text_sha256: str
    choice: Literal["verbatim", "corrected"]
    choice_reason: str  # why the mandated text was corrected
    opened: datetime  # with zone
    closed: datetime | None  # with zone; None while messages may still leave
    carriers: tuple[CarrierFigures, ...]
    file_rows: int  # rows of the uploaded files
    verdicts: Mapping[Verdict, int]
    contradictions: int
    receipts_received: int
    receipts_repeats: int  # of those received
    authored_by: str
    approved_by: str
    generated_at: datetime  # with zone: the figures are as of this moment
    horizon: timedelta = HORIZON
    compared: Compared | None = None  # what was foreseen at the approval, beside what happened
    relations: tuple[WaveRelation, ...] = ()

    @property
    def past_horizon(self) -> bool:
        """Whether promised receipts are no longer waited for; late ones still count in a later report."""
        return self.closed is not None and self.generated_at >= self.closed + self.horizon

    def rows(self) -> list[tuple[CarrierFigures, Columns]]:
        """Each carrier with its row."""
        return [(carrier, carrier.columns(past_horizon=self.past_horizon)) for carrier in self.carriers]

    @property
    def total(self) -> Columns:
        """The wave's row of sums."""
        return total(row for _, row in self.rows())

    @property
    def unsettled(self) -> int:
        """Messages for which this report is too early."""
        whole = self.total
        return 0 if self.past_horizon else whole.uncertain + whole.awaited


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One row of a carrier's statement."""

    wave: str  # "Đợt 1"
    day: date | None
    unit: str
    subscribers: int
    messages: int
    segments: int
    delivered: int | None


@dataclass(frozen=True, slots=True)
class CarrierStatement:
    """What a carrier states of its own sending (a Return): shown beside our figures, never summed with them."""

    name: str
    document: str  # "Công văn số 312/VTQĐ ngày 02/8/2024"
    subscribers: int
    messages: int
    segments: int
    delivered: int | None  # None: the carrier does not state it
    version: int = 1
    received: date | None = None
    method: str = ""  # how the carrier chose the subscribers, in its own words
    evidence: str = ""  # SHA-256 of the signed paper
    failed: tuple[str, ...] = ()  # checks that do not hold, as sentences
    accepted: bool = True
    note: str = ""  # with which it was accepted
    earlier: tuple[str, ...] = ()  # what did not hold in the versions that this one corrects
    rows: tuple[StatementRow, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderFigures:
    """One carrier that was asked to send, and its statement when it gave one."""

    name: str
    number: str  # of the letter that asked
    dated: date | None
    area: str
    sender: str
    text: str
    text_sha256: str
    segments_each: int
    choice: Literal["verbatim", "corrected"]
    choice_reason: str
    deadline: date
    authored_by: str
    approved_by: str
    rehearsal: bool
    stated: CarrierStatement | None = None


@dataclass(frozen=True, slots=True)
class MandateFacts:
    """The document that ordered the text, as a report cites it."""

    kind: str  # "Công văn"
    number: str  # "20/BCĐ"
    dated: date
    issuer: str  # in full
    issuer_short: str
    subject: str  # its own subject line
    task: str  # where it orders us: "mục 5"
    duty: str  # what it orders, in lower case
    report_to: str  # "Công an tỉnh Lai Châu (Cơ quan thường trực ...)"
    deadline: date  # the report must be there before this day
    campaign: str  # what was done, in lower case: "nhắn tin tuyên truyền ..."
    source_text: str  # the text as the document prints it
    source_sha256: str


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """A whole report. Statements of carriers stand beside our own figures (features: F-N5)."""

    mandate: MandateFacts
    waves: tuple[WaveFigures, ...]
    statements: tuple[CarrierStatement, ...] = field(default=())
    orders: tuple[OrderFigures, ...] = field(default=())
    made_at: datetime | None = None  # with zone; for a report without a wave of our own

    @property
    def rehearsal(self) -> bool:
        """Whether these are invented figures; `check` refuses a mixture."""
        return any(wave.rehearsal for wave in self.waves) or any(order.rehearsal for order in self.orders)

    @property
    def as_of(self) -> datetime:
        """The moment up to which all figures hold: the earliest of the waves' moments."""
        moments = [wave.generated_at for wave in self.waves] + ([self.made_at] if self.made_at else [])
        return min(moments)

    @property
    def total(self) -> Columns:
        """All waves; one person counts once in each wave (lượt người nhận)."""
        return total(wave.total for wave in self.waves)

    @property
    def unsettled(self) -> int:
        """Messages for which this report is too early."""
        return sum(wave.unsettled for wave in self.waves)

    @property
    def silent(self) -> tuple[OrderFigures, ...]:
        """Carriers that were asked and have reported nothing."""
        return tuple(order for order in self.orders if order.stated is None)

    @property
    def unaccepted(self) -> tuple[OrderFigures, ...]:
        """Carriers whose statement nobody has accepted yet."""
        return tuple(order for order in self.orders if order.stated and not order.stated.accepted)

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be expected; an unfinished report is a stamped draft."""
        closed = all(wave.closed for wave in self.waves)
        return closed and not (self.unsettled or self.total.queued or self.silent or self.unaccepted)


def sha256(text: str) -> str:
    """64 hex digits over the UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()
