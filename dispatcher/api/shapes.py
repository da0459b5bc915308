"""What the API takes and gives. Ids are text: they have 63 bits, and JavaScript's numbers only 53."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9]{1,19}$", examples=["4611686018427387904"])]
IdInPath = Annotated[str, Path(pattern=r"^[0-9]{1,19}$", description="An id, in digits.")]
NameInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["20-BCD-2024"])]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["20-BCD-2024"])]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""One line of text for people."""
Day = Annotated[date, BeforeValidator(lambda said: date.fromisoformat(said) if isinstance(said, str) else said)]
Clock = Annotated[time, BeforeValidator(lambda said: time.fromisoformat(said) if isinstance(said, str) else said)]
GivenId = Annotated[str, BeforeValidator(str)]
Counts = dict[str, int]


class Taken(BaseModel):
    """A request's body: nothing is guessed, nothing unknown is let through."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Given(BaseModel):
    """An answer's body, made from a record of the ledger."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Told(Given):
    """What is wrong: for people in their language, for programs as a template with its values."""

    message: str
    template: str
    values: dict[str, Any]


class Refusal(Given):
    """The body of every answer that is not 2xx; `error.found` lists the single faults of a definition or a list."""

    error: Told


class CampaignGiven(Given):
    """A campaign's newest version."""

    name: str
    version: int
    digest: str
    author: str


class CampaignWhole(Given):
    """A campaign with everything its definition says."""

    name: str
    version: int
    digest: str
    texts: dict[str, dict[str, Any]]  # choice -> text, sha256, encoding, units, segments
    definition: dict[str, Any]


class FoundGiven(Given):
    """A value with the line of the letter it was read from; days as 2024-07-30, periods as two days with a slash."""

    value: str
    line: int
    source: str


class SlipGiven(Given):
    """Two words of the text that the letter writes with other accents elsewhere."""

    found: str
    suggested: str
    position: int
    source_lines: list[int]


class HotlineGiven(Given):
    """A number that people may be told to call."""

    number: str
    name: str
    owner: str
    hours: str
    cost: str
    verified_on: date
    asks: bool


class ProposalGiven(Given):
    """What a letter seems to order, the likeliest first; `accepted` is always false, a person takes each value over."""

    number: list[FoundGiven]
    date: list[FoundGiven]
    place: list[FoundGiven]
    issuer: list[FoundGiven]
    subject: list[FoundGiven]
    basis: list[FoundGiven]
    text: list[FoundGiven]
    hotlines: list[FoundGiven]
    deadlines: list[FoundGiven]
    periods: list[FoundGiven]
    days: list[FoundGiven]
    slips: list[SlipGiven]
    accepted: bool
    lines: list[str]


class Loaded(Given):
    """The version that holds the shipped definition now."""

    name: str
    version: int
    digest: str


class FileGiven(Given):
    """One imported file; the verdicts sum to its rows."""

    name: str
    sha256: str
    rows: int


class AudienceGiven(Given):
    """An audience; the verdicts sum to the rows of its files."""

    id: GivenId
    campaign: str
    name: str
    author: str
    created_at: datetime
    frozen_at: datetime | None
    rows: int
    verdicts: Counts
    files: list[FileGiven]


Ceiling = Annotated[int, Field(ge=1, lt=1 << 53)]
Scope = Annotated[str, Field(pattern=r"^(wave|day)$")]
Unit = Annotated[str, Field(pattern=r"^(messages|segments|dong)$")]
Budget = dict[Scope, dict[Unit, Ceiling]]
"""The most that may leave, of the whole wave and a day."""


class BudgetLine(Given):
    """One ceiling; `alert` from 80 % on."""

    scope: Literal["wave", "day"]
    unit: Literal["messages", "segments", "dong"]
    ceiling: int
    used: int  # intents without those that were proved not to be taken
    part: float
    alert: bool


class CallsTaken(Taken):
    """Slow the wave down for its hotlines: calls an hour at most, and calls expected of 100,000 messages."""

    most_an_hour: Annotated[int, Field(ge=1, le=1_000_000)]
    per_100_000: Annotated[int, Field(ge=1, le=100_000)]


class WavePlanned(Taken):
    """Which wave to plan for whom; the rest stands in the campaign's definition."""

    campaign: Name
    no: Annotated[int, Field(ge=1, le=32_767, description="The wave's number in the definition.")]
    audience: Id
    variant: Annotated[
        str, Field(pattern=r"^([a-z][a-z0-9-]{0,39})?$", description="The rows to which the rule sends this variant.")
    ] = ""
    language: Annotated[
        str, Field(pattern=r"^([a-z]{2,3})?$", description="The rows of areas to which the rule sends this language.")
    ] = ""
    carriers: Annotated[list[Line], Field(max_length=50, description="Only their subscribers.")] = Field(
        default_factory=list
    )
    areas: Annotated[list[Line], Field(max_length=200, description="Only rows of these areas, by name.")] = Field(
        default_factory=list
    )
    budget: Budget = {}
    calls: CallsTaken | None = None
    canary: Annotated[bool, Field(description="Seed phones first; the rest waits for a person's word.")] = False


class ApprovalTaken(Taken):
    """One person's word on exactly this plan."""

    count: Annotated[int, Field(ge=1, le=2_147_483_647, description="The number of recipients, typed again.")]
    text: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", examples=["verbatim"])]
    reason: Line
    plan_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Reason(Taken):
    """Why; it stands in the audit log."""

    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class HoursTaken(Reason):
    """New hours of a wave that asks, on the province's clock; the hours of each day are as before if left out."""

    first: Day | None = None  # today
    until: Day
    opens: Clock | None = None
    closes: Clock | None = None  # 00:00: the end of the day


class StartTaken(Taken):
    """Why a hotline may be named though nobody has made sure of it lately; "" when all are verified."""

    unverified_hotline: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class RelationGiven(Given):
    """Another wave that comes before this one, or after it."""

    wave: GivenId
    name: str
    kind: Literal["correction", "failed", "rest"]
    n: int  # messages of the later one
    state: str
    before: bool  # the other one is the earlier


class CanaryGiven(Given):
    """One carrier's canary."""

    carrier: str
    n: int
    arrived: int
    failed: int
    state: Literal["waiting", "arrived", "failed", "right", "wrong"]
    despite: bool | None
    others: list[str]  # accounts that took this carrier over: no seed phone has the text by them


class TrialWaiting(Given):
    """What of a wave waits on an account in trial, one carrier's."""

    account: str
    carrier: str
    waiting: int  # messages that have not left
    allowed: int  # of these, to numbers of the allow-list: they leave
    next: str | None  # the live account of the route by which the others go; null: they wait


class WaveGiven(Given):
    """A wave as it stands."""

    id: GivenId
    campaign: str
    version: int
    no: int
    name: str
    rehearsal: bool
    audience: GivenId
    author: str
    state: Literal["planned", "running", "paused", "cancelled", "finished"]
    n: int
    plan_hash: str
    approvals_due: int
    opens_at: datetime
    closes_at: datetime
    planned_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    choice: str | None
    text_sha256: str | None
    asks: bool  # its hours passed while the system was down: `reopen` or `cancel`


class ApprovalGiven(Given):
    """One approval that counts."""

    person: str
    choice: str
    reason: str
    at: datetime
    stands_for: str | None  # in whose place; null: in the person's own name


class WaveWhole(WaveGiven):
    """A wave with its plan: what the plan hash is the hash of (RFC 8785, SHA-256)."""

    text: str | None
    plan: dict[str, Any]
    approvals: list[ApprovalGiven]
    relations: list[RelationGiven]
    doubts: list[dict[str, Any]]  # suspected slips: found, suggested, reason, the letter's lines of either spelling


class Approved(Given):
    """What an approval has led to."""

    plan_hash: str
    approvals_due: int  # still


class Standing(Given):
    """One carrier's messages: the states sum to `total`; `in_flight` is the part of queued that is on its way."""

    carrier: str
    in_flight: int
    states: Counts
    total: int


class GoingNow(Given):
    """One account of a wave, as its workers told last."""

    account: str
    carriers: tuple[str, ...]
    workers: int
    on_wire: int  # of this wave: left, no answer yet
    speed: float  # segments a second of the last three
    rate: float  # allowed now
    licence: float
    waiting: int
    eta_seconds: float | None
    told_seconds_ago: float | None


class ErrorGiven(Given):
    """What went wrong lately at a carrier, and what to do."""

    carrier: str
    outcome: str
    code: str
    messages: int
    last: datetime
    advice: str


class Status(Given):
    """Live counts of a wave from one moment: the carriers' totals sum to `n`."""

    wave: GivenId
    state: str
    n: int
    in_flight: int  # the most that can still leave after a pause
    states: Counts
    carriers: list[Standing]
    accounts: list[GoingNow]
    errors: list[ErrorGiven]
    stopped: bool  # the kill switch is on
    reason: str  # of the last pause, resume or cancel
    calls: Counts | None  # of a wave slowed down for its hotlines: its figures, `last_hour` (messages), `expected`
    budget: list[BudgetLine]
    canary: list[CanaryGiven]
    trial: list[TrialWaiting]  # accounts in trial on which something of it waits
    age: float  # seconds by which the counts lag at most


class Halted(Given):
    """What a stop led to: measured until each worker told that it sends no more."""

    seconds: float
    on_wire: int  # had left and had no answer; they settle by themselves
    waiting: int  # of the wave, never left
    unheard: int  # workers that told nothing; they stop by themselves within 1.5 s of their last look


class WaveHalted(WaveGiven):
    """A wave that was stopped."""

    halted: Halted


class Ready(Given):
    """What this process needs, and whether it has it."""

    ready: bool
    checks: dict[str, bool]
