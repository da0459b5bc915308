"""What there is to say of a text or a campaign, ready to be printed or turned into JSON. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from campaigns import schedule, segments, text
from campaigns.definition import Campaign, Mandate, variants
from campaigns.rules import warnings
from campaigns.schedule import WavePlan, Window
from campaigns.segments import Measure
from campaigns.terms import Problem
from campaigns.text import Slip


@dataclass(frozen=True, slots=True)
class TextFacts:
    """A text as it is sent, measured, beside its form without accents."""

    text: str  # NFC
    sha256: str
    measure: Measure
    parts: tuple[str, ...]
    unaccented: str
    unaccented_measure: Measure

    def as_json(self) -> dict[str, Any]:
        """The shape that `dispatcher text FILE --json` prints."""
        plain = {"text": self.unaccented, **_figures(self.unaccented_measure)}
        return {**_figures(self.measure), "sha256": self.sha256, "unaccented": plain}


class Standing(Enum):
    """Where a wave stands against the clock."""

    AHEAD = "ahead"  # its next window is still to open
    OPEN = "open"
    PAST = "past"  # its last window has closed; it never fires by itself


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """A wave with its windows as UTC instants."""

    plan: WavePlan
    windows: tuple[Window, ...]
    standing: Standing
    next_opening: datetime | None  # UTC; None when past


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """A checked campaign, as `dispatcher campaign show` tells it."""

    name: str
    title: str
    digest: str
    mandate: Mandate
    texts: dict[str, TextFacts]  # by variant: verbatim, corrected
    slips: tuple[Slip, ...]  # the approver decides about each
    waves: tuple[WaveFacts, ...]
    senders: dict[str, str]  # carrier -> name
    routes: dict[str, tuple[str, ...]]  # carrier -> accounts
    unrouted: tuple[str, ...]  # carriers whose numbers this campaign cannot reach
    warnings: tuple[Problem, ...]


def of_text(content: str) -> TextFacts:
    """Measure a text in its normal form."""
    content = text.normal(content)
    plain = text.unaccent(content)
    return TextFacts(
        text=content,
        sha256=text.sha256(content),
        measure=segments.measure(content),
        parts=tuple(segments.parts(content)),
        unaccented=plain,
        unaccented_measure=segments.measure(plain),
    )


def of_campaign(campaign: Campaign, now: datetime, carriers: Collection[str]) -> CampaignFacts:
    """All of a checked campaign; `now` only places its waves, `carriers` are all that are known."""
    routes = {route.carrier: route.accounts for route in campaign.routes}
    return CampaignFacts(
        name=campaign.name,
        title=campaign.title,
        digest=campaign.digest,
        mandate=campaign.mandate,
        texts={name: of_text(variant.text) for name, variant in variants(campaign).items()},
        slips=tuple(text.slips(campaign.text.verbatim, campaign.text.letter)),
        waves=tuple(_wave(wave, now) for wave in campaign.waves),
        senders={sender.carrier: sender.name for sender in campaign.senders},
        routes=routes,
        unrouted=tuple(sorted(set(carriers) - set(routes))),
        warnings=tuple(warnings(campaign)),
    )


def _wave(wave: WavePlan, now: datetime) -> WaveFacts:
    opening = schedule.next_opening(wave, now)
    return WaveFacts(wave, schedule.windows(wave), _standing(opening, now), opening)


def _standing(opening: datetime | None, now: datetime) -> Standing:
    if opening is None:
        return Standing.PAST
    return Standing.OPEN if opening == now else Standing.AHEAD


def _figures(measure: Measure) -> dict[str, Any]:
    return {"encoding": measure.encoding, "units": measure.units, "segments": measure.segments}
