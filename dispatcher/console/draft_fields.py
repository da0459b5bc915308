"""How the fields of a draft are called on pages, and which days are echoed in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from campaigns import drafting, typed
from campaigns.drafting import Fault, Fields
from campaigns.letter import Kind
from campaigns.terms import Problem
from dispatcher.words import Words

STEP_NAMES: Mapping[str, str] = {
    "letter": "The letter", "text": "Text", "people": "Recipients", "schedule": "Schedule", "forecast": "Forecast",
    "review": "Check and submit",
}  # fmt: skip
LABELS: Mapping[str, str] = {
    "title": "Name of the campaign", "number": "Number of the letter", "date": "Day of the letter",
    "place": "Place", "issuer": "Issuer", "subject": "About", "section": "Section that orders the texts",
    "addressee": "Addressed to", "basis": "Its own basis", "report_to": "Report to",
    "report_before": "Report before the day", "peak_from": "Peak period from", "peak_to": "Peak period to",
    "observance_day": "Day of the letter's occasion", "name": "Short name for commands", "letter": "The letter's words",
    "verbatim": "The text, word for word", "hotlines": "Hotlines in the text", "class": "Class of the message",
    "legal_basis": "Legal basis", "form": "Which form goes out", "vouched_by": "Who vouches for the wording",
    "extract": "The letter's paragraph with the text", "way": "Who sends", "audience": "List of recipients",
    "sender": "Sender's name", "area": "Area", "contact": "Who answers the carriers' questions",
    "deadline": "Carriers' figures until", "found": "Words of the text", "suggested": "Words in their place",
    "choice": "Keep or mend", "reason": "Reason of the correction", "until": "Last day",
    "opens": "From", "closes": "To", "route": "Account", "order": "Asked to send", "kept": "Variants",
}  # fmt: skip
_NUMBERED = re.compile(r"([cw])(\d+)_(\w+)")
_OF_CARRIER = re.compile(r"(route|sender|order)_(\w+)")
WAVE_LABELS = {"name": "Name of the wave", "date": "Day of the wave"}
DAYS = (*drafting.DAYS, "deadline", *(f"w{no}_{part}" for no in range(1, drafting.WAVES + 1)
                                      for part in ("date", "until")))  # fmt: skip


def label(words: Words, name: str, carriers: Mapping[str, str]) -> str:
    """A field's name as its page has it."""
    if match := _NUMBERED.fullmatch(name):
        if match[1] == "w":
            what = words.say(WAVE_LABELS.get(match[3]) or LABELS[match[3]])
            return words.say("Wave {n}: {what}", n=match[2], what=what)
        return words.say(LABELS[match[3]])
    if (match := _OF_CARRIER.fullmatch(name)) and match[2] in carriers:
        return f"{carriers[match[2]]}: {words.say(LABELS[match[1]])}"
    return words.say(LABELS[name])


def echo(words: Words, name: str, said: Fields) -> str:
    """A day in words, so that a month typed first is seen; "" for what is no day."""
    if name not in DAYS or not said.get(name):
        return ""
    try:
        return words.day_in_words(typed.day(said[name]))
    except Problem:
        return ""


def told(words: Words, fault: Fault, carriers: Mapping[str, str]) -> str:
    """A fault with the name of its field before it."""
    return f"{label(words, fault.field, carriers)}: {words.problem(fault.problem)}"


def shown(words: Words, name: str, value: str) -> str:
    """A field's value in a comparison: what it stands for."""
    if name == "class":
        return words.say(CLASSES.get(value, value))
    if name == "way":
        return words.say(WAYS.get(value, value))
    return value


KINDS: Mapping[Kind, str] = {
    Kind.DOCX: "Word file", Kind.PDF: "PDF", Kind.TEXT: "text file", Kind.PNG: "PNG picture", Kind.JPEG: "JPEG picture",
}  # fmt: skip
"""What a letter's file is called."""
CLASSES = {"public_information": "public information (no advertising)", "advertising": "advertising"}
WAYS = {"list": "We send, to a list of our own", "orders": "The carriers send, to their own subscribers"}
