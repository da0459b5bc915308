"""The words of the house as types: frozen records that cross floors, on the lowest floor that names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, IntEnum
from typing import Any, NamedTuple


class Problem(Exception):
    """Bad input, told to a person: what is wrong, where, and what to do.

    `template` is the English sentence with `{names}` (it is also the gettext message id); `values` fill it.
    Only the face (dispatcher/words.py) translates; lower floors raise this with plain values.
    """

    def __init__(self, template: str, /, **values: object) -> None:
        super().__init__(template, values)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        """The English sentence."""
        return self.template.format(**self.values)

    def each(self) -> list[Problem]:
        """What is wrong, one by one."""
        return [self]


class Absent(Problem):
    """What was asked for is not there."""


class Problems(Problem):
    """Several problems found in one reading; nothing was done."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("{count} problems found", count=len(found))
        self.found = found

    def __str__(self) -> str:
        """All sentences, one a line."""
        return "\n".join(str(problem) for problem in self.found)

    def each(self) -> list[Problem]:
        """What was found."""
        return self.found


class Outcome(IntEnum):
    """What one attempt is known to have become, weakest to strongest (ledger: section 3)."""

    SKIPPED = 0  # never tried: on an exclusion list when its turn came
    UNCERTAIN = 1  # bytes left, no answer: may have been taken
    NOT_SENT = 2  # proved never to have reached the carrier
    DEFERRED = 3  # the carrier said "not now": throttled, queue full
    REFUSED = 4  # the carrier said no for good
    ACCEPTED = 5  # the carrier took it
    UNDELIVERED = 6  # the carrier says it did not reach the phone
    DELIVERED = 7  # the carrier says it reached the phone


class State(IntEnum):
    """What one message is; 1 and 4-7 are the outcomes of the same number, 0 and 8-10 are facts of the plan."""

    QUEUED = 0  # waits for its first or its next attempt, or is on the wire
    UNCERTAIN = 1  # may have gone out; settled by evidence only
    REFUSED = 4  # refused for good
    ACCEPTED = 5  # taken by the carrier, no receipt yet (or none promised)
    UNDELIVERED = 6  # the carrier's receipt says no
    DELIVERED = 7  # the carrier's receipt says yes
    SUPPRESSED = 8  # on an exclusion list when its turn came
    CANCELLED = 9  # the wave was stopped for good before its turn
    EXPIRED = 10  # our own deadline or cap of tries passed, never taken by a carrier


class Verdict(Enum):
    """What became of one row of an uploaded file; each row has exactly one."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    LANDLINE = "landline"
    FOREIGN = "foreign"
    SUPPRESSED = "suppressed"
    CAPPED = "capped"


class Answer(NamedTuple):
    """What the carrier said of one index of a window, at once."""

    idx: int  # in the window's batch, lo <= idx < hi
    outcome: Outcome
    code: str  # the carrier's own code, as it came; ours begin with "~"
    provider_ref: str  # the carrier's id of the message, "" when it gave none


class Receipt(NamedTuple):
    """What the carrier said later; found again by `ref`, else by (provider, `provider_ref`), else by `number`."""

    outcome: Outcome
    code: str
    ref: str = ""  # our own reference, when the carrier echoes it
    provider_ref: str = ""
    number: int = 0  # 84912345678, 0 when the carrier does not name it


@dataclass(frozen=True, slots=True)
class Callback:
    """One receipt event as it came over the wire, before anybody reads it."""

    body: bytes
    method: str = "POST"
    url: str = ""  # the public URL as the carrier called it, without our secret where the path holds one
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    reference: str = ""  # our reference when it stood in the path and its MAC was right


@dataclass(frozen=True, slots=True)
class Capability:
    """What a carrier's interface promises (reliability: section 2)."""

    client_ref: str  # "none" | "echo" | "dedupe"
    receipts: str  # "none" | "push" | "poll"
    look_up: str  # "none" | "by_id" | "by_ref"
    number_form: str  # "84" | "0" | "+84"
    recipients_a_request: int = 1
    dedupe_horizon: timedelta = timedelta(0)
    duplicate_codes: frozenset[str] = frozenset()  # "this reference was seen": acceptance only of one sent before
    throttle_codes: frozenset[str] = frozenset({"~http429"})  # "not now, you are too fast": the account slows down
    finds: bool = False  # tells by number what it took, without its id


@dataclass(frozen=True, slots=True)
class Sender:
    """A brandname registered at one carrier."""

    name: str  # at most 11 Latin letters, digits, - _ . space (Decree 91/2020)
    carrier: str


@dataclass(frozen=True, slots=True)
class Account:
    """One contract with one provider, as the configuration names it."""

    name: str
    provider: str  # a name of providers/catalog.py
    simulated: bool
    enabled: bool
    licence: float  # segments a second
    carriers: tuple[str, ...]  # which networks it may carry, in order of preference elsewhere
    price: int  # dong a segment
    settings: dict[str, Any] = field(default_factory=dict, hash=False)  # the provider's keyword arguments
