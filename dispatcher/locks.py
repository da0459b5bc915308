"""Why sending is locked, in the language: the ledger keeps each reason as one line of English."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dispatcher.words import Words

TEMPLATES = (
    "stop: by {by}: {reason}",
    "restore: waits for the writer of {names} to end",
    "restore: journal {name} names {n} windows that this database lacks",
    "restore: journal {name} was taken in by a newer database",
    "restore: a window of journal {name} is not in this database",
    "restore: the database is not the one of the journals",
    "restore: from a backup; its journals are not in yet",
    "wave: journal {name} names wave {wave}, which this database lacks",
    "wave: journal {name} names messages of wave {wave} that its plan lacks",
    "blind: what was sent after the backup of {time} is in no journal of this data folder",
)
"""As campaigns/ledger/recovery.py, workers/ and backup.py write them; a test holds them against the source."""


def said(words: Words, lines: Iterable[str]) -> list[str]:
    """Each reason as a sentence; one that is not known here as it is."""
    return [_said(words, line) for line in lines]


def _said(words: Words, line: str) -> str:
    for template in TEMPLATES:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template))
        if found := re.fullmatch(pattern, line):
            return words.say(template, **found.groupdict())
    return line
