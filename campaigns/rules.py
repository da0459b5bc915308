"""What a definition must hold before anybody plans with it: faults refuse it, warnings stand beside it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, time

from campaigns import schedule, text, wordings
from campaigns.definition import Campaign, variants
from campaigns.schedule import WavePlan
from campaigns.terms import Problem

FILE = "campaign.toml"

# Decree 91/2020, article 13.6: messages between 07:00 and 22:00 only.
EARLIEST, LATEST = time(7), time(22)
# Decree 91/2020, articles 22-30: a registered name. No space at its ends, which carriers trim.
SENDER_NAME = re.compile(r"(?!\d+$)(?! )[A-Za-z0-9_. -]{1,11}(?<! )")
_UNREAD = date.min  # what the reader leaves where a day could not be read: told already

Faults = Iterator[Problem]


def check(campaign: Campaign, *, carriers: Collection[str], accounts: Collection[str]) -> list[Problem]:
    """All that is wrong with a definition; empty values were refused by the reader and are passed over here."""
    return [
        *_mandate(campaign),
        *_text(campaign),
        *_corrections(campaign),
        *wordings.check(campaign, carriers),
        *_senders(campaign, carriers),
        *_waves(campaign),
        *_routes(campaign, carriers, accounts),
    ]


def warnings(campaign: Campaign) -> list[Problem]:
    """What a person should know of a sound definition; nothing of it forbids sending."""
    return [*_late_waves(campaign), *_not_whole(campaign), *_slips(campaign), *_idle_senders(campaign)]


# -- faults ----------------------------------------------------------------------------------------------------------


def _mandate(campaign: Campaign) -> Faults:
    if campaign.zone not in {"", schedule.ZONE_NAME}:
        reason = Problem("is {zone}; days and hours are read in {only}", zone=campaign.zone, only=schedule.ZONE_NAME)
        yield _at(campaign, "zone", reason)
    mandate = campaign.mandate
    for first, then in (("date", "report_before"), ("peak_from", "peak_to")):
        one, two = getattr(mandate, first), getattr(mandate, then)
        if _UNREAD not in {one, two} and two < one:
            reason = Problem("is {day}, before {other} ({other_day})", day=two, other=first, other_day=one)
            yield _at(campaign, f"mandate.{then}", reason)


def _text(campaign: Campaign) -> Faults:
    told = set()
    for variant in variants(campaign).values():
        for fault in text.faults(variant.text, campaign.text.hotlines) if variant.text else ():
            if str(fault) not in told:
                yield _at(campaign, "text", fault)
            told.add(str(fault))
    if campaign.text.verbatim and campaign.text.letter and not _quoted(campaign):
        yield _at(campaign, "text.file", Problem("is not found word for word in the letter; copy it from there"))


def _corrections(campaign: Campaign) -> Faults:
    for place, correction in enumerate(campaign.text.corrections, 1):
        if campaign.text.verbatim and correction.found not in campaign.text.verbatim:
            reason = Problem("is {found}, which the text does not hold", found=repr(correction.found))
            yield _at(campaign, f"text.corrections[{place}].found", reason)


def _senders(campaign: Campaign, carriers: Collection[str]) -> Faults:
    yield from _known_once(campaign, "senders", [sender.carrier for sender in campaign.senders], carriers)
    for place, sender in enumerate(campaign.senders, 1):
        if sender.name and not SENDER_NAME.fullmatch(sender.name):
            reason = Problem(
                "is {name}; a sender has at most 11 Latin letters, digits, - _ . or spaces, and is not all digits",
                name=repr(sender.name),
            )
            yield _at(campaign, f"senders[{place}].name", reason)


def _routes(campaign: Campaign, carriers: Collection[str], accounts: Collection[str]) -> Faults:
    yield from _known_once(campaign, "routes", [route.carrier for route in campaign.routes], carriers)
    for place, route in enumerate(campaign.routes, 1):
        for account in route.accounts:
            if account not in accounts:
                reason = Problem("names {account}; configured are {known}", account=account, known=_listed(accounts))
                yield _at(campaign, f"routes[{place}].accounts", reason)
        if route.carrier in carriers and not campaign.sender(route.carrier):
            reason = Problem("is {carrier}, which has no sender; add one", carrier=route.carrier)
            yield _at(campaign, f"routes[{place}].carrier", reason)


def _known_once(campaign: Campaign, table: str, named: Sequence[str], carriers: Collection[str]) -> Faults:
    """Each carrier is one we know, and stands once."""
    for place, carrier in enumerate(named, 1):
        key = f"{table}[{place}].carrier"
        if carrier and carrier not in carriers:
            reason = Problem("is {carrier}; known are {known}", carrier=carrier, known=_listed(carriers))
            yield _at(campaign, key, reason)
        elif carrier in named[: place - 1]:
            yield _at(campaign, key, Problem("is {carrier} for the second time; keep one", carrier=carrier))


def _waves(campaign: Campaign) -> Faults:
    numbers = Counter(wave.no for wave in campaign.waves)
    for no in (no for no, times in numbers.items() if times > 1):
        yield _at(campaign, _wave_key(no, "no"), Problem("stands {times} times; keep one", times=numbers[no]))
    for wave in campaign.waves:
        for key, reason in (*_hours(wave), *_period(campaign, wave)):
            yield _at(campaign, _wave_key(wave.no, key), reason)


def _hours(wave: WavePlan) -> Iterator[tuple[str, Problem]]:
    opens, closes = f"{wave.opens:%H:%M}", f"{wave.closes:%H:%M}"
    if wave.closes <= wave.opens:
        yield "closes", Problem("is {closes}: the window ends before it begins ({opens})", closes=closes, opens=opens)
    for key, hour in (("opens", wave.opens), ("closes", wave.closes)):
        if not EARLIEST <= hour <= LATEST:
            yield key, Problem(
                "is {hour}; messages go out between {earliest} and {latest} only (Decree 91/2020, article 13.6)",
                hour=f"{hour:%H:%M}", earliest=f"{EARLIEST:%H:%M}", latest=f"{LATEST:%H:%M}",
            )  # fmt: skip


def _period(campaign: Campaign, wave: WavePlan) -> Iterator[tuple[str, Problem]]:
    if wave.until < wave.date:
        yield "until", Problem("is {day}: the wave ends before it begins ({first})", day=wave.until, first=wave.date)
    first, last = campaign.mandate.peak_from, campaign.mandate.peak_to
    if _UNREAD in {first, last} or last < first:
        return
    for day, key in {wave.until: "until", wave.date: "date"}.items():  # told once when they are the same day
        if not first <= day <= last:
            yield key, Problem("is {day}, outside the peak period {first} to {last}", day=day, first=first, last=last)


# -- warnings --------------------------------------------------------------------------------------------------------


def _late_waves(campaign: Campaign) -> Faults:
    last = campaign.mandate.report_by
    for wave in campaign.waves:
        if wave.until > last:
            reason = Problem("is {day}, after the last day for the report ({last})", day=wave.until, last=last)
            yield _at(campaign, _wave_key(wave.no, "date"), reason)


def _not_whole(campaign: Campaign) -> Faults:
    """A text cut short would still be found in the letter, so what stands round it is looked at."""
    quoted = _quoted(campaign)
    around = quoted[:1] + quoted[-1:]
    if around not in {"“”", '""', "«»"}:
        reason = Problem("is not all that stands between quotation marks in the letter; compare them")
        yield _at(campaign, "text.file", reason)


def _slips(campaign: Campaign) -> Faults:
    """Suspects for which the definition proposes no correction, so that the approver would not be asked."""
    for slip in text.slips(campaign.text.verbatim, campaign.text.letter):
        if not any(slip.found in correction.found for correction in campaign.text.corrections):
            yield _at(campaign, "text", Problem(
                "{found} at character {position} is written {suggested} elsewhere in the letter (line {lines});"
                " propose it as a correction, or leave it",
                found=slip.found, position=slip.position, suggested=slip.suggested, lines=_listed(slip.source_lines),
            ))  # fmt: skip


def _idle_senders(campaign: Campaign) -> Faults:
    for place, sender in enumerate(campaign.senders, 1):
        if not campaign.accounts(sender.carrier):
            reason = Problem("is {carrier}, which has no route: nothing is sent there", carrier=sender.carrier)
            yield _at(campaign, f"senders[{place}].carrier", reason)


# -- wording ---------------------------------------------------------------------------------------------------------


def _at(campaign: Campaign, key: str, reason: Problem) -> Problem:
    return Problem("{file}: {key}: {reason}", file=f"{campaign.name}/{FILE}", key=key, reason=reason)


def _wave_key(no: int, key: str) -> str:
    return f"waves (no. {no}).{key}"


def _listed(values: Collection[object]) -> str:
    return ", ".join(sorted(map(str, values))) or "-"


def _quoted(campaign: Campaign) -> str:
    """The mandated text as the letter has it, with one character on each side; "" when it is not there."""
    letter, wanted = (" ".join(each.split()) for each in (campaign.text.letter, campaign.text.verbatim))
    place = letter.find(wanted)
    return letter[max(place - 1, 0) : place + len(wanted) + 1] if place >= 0 else ""
