"""What the law asks of a class of campaigns on a day, read from a table with its sources (Decree 91/2020)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from campaigns import text
from campaigns.definition import Campaign, Class, all_texts
from campaigns.reading import Reader
from campaigns.terms import Problem, Problems

LISTS = ("request", "police", "staff", "opt_out", "do_not_call")
"""Who must not be texted: asked for it, named by the police, our own test phones, no advertising, the national list."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One row of the table."""

    class_: Class
    source: str
    valid_from: date
    opens: time
    closes: time
    most_a_day: int  # messages to one person within 24 h, all campaigns together
    approvals: int
    labels: tuple[str, ...]  # one of them begins the text; none: no label
    closings: tuple[str, ...]  # one of them ends it, {word} and {number} filled in; none: no closing words
    always: tuple[str, ...]
    unless_decided: tuple[str, ...]


def load(path: Path) -> tuple[Rules, ...]:
    """Read the table. Raises Problem or Problems naming file and key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem("{file}: cannot be read ({error}). Restore the file.", file=path.name, error=error) from error
    found: list[Problem] = []
    root = Reader(table, path.name, found)
    rows = tuple(_row(each) for each in root.tables("rules"))
    root.close()
    if found:
        raise Problems(found)
    return rows


def _row(table: Reader) -> Rules:
    row = Rules(
        class_=table.one_of("class", Class), source=table.text("source"), valid_from=table.day("valid_from"),
        opens=table.clock("opens"), closes=table.clock("closes"), most_a_day=table.integer("most_a_day"),
        approvals=table.integer("approvals"), labels=table.texts("labels", needed=False),
        closings=table.texts("closings", needed=False),
        always=table.texts("always"), unless_decided=table.texts("unless_decided", needed=False),
    )  # fmt: skip
    if not {*row.always, *row.unless_decided} <= {*LISTS}:
        table.fault("always", Problem("is not known here; known are {known}", known=", ".join(LISTS)))
    table.close()
    return row


def rules_on(rows: Sequence[Rules], class_: Class, day: date) -> Rules:
    """The newest row of a class that is valid on a day. Raises Problem when the law of that day is not in the table."""
    valid = [row for row in rows if row.class_ is class_ and row.valid_from <= day]
    if not valid:
        sentence = "compliance.toml has no rules for {class_} on {day}: add the law of that day"
        raise Problem(sentence, class_=class_.value, day=day)
    return max(valid, key=lambda row: row.valid_from)


def obeyed(rules: Rules, campaign: Campaign) -> tuple[str, ...]:
    """The lists that suppress for this campaign."""
    return rules.always if campaign.text.ignores_opt_outs else (*rules.always, *rules.unless_decided)


def faults(law: Sequence[Rules], campaign: Campaign) -> Iterator[Problem]:
    """What of a sound definition breaks the law of its waves' days; nothing is told where no law is given."""
    for wave in campaign.waves if law else ():
        rules = rules_on(law, campaign.text.class_, wave.date)
        for hour, name in ((wave.opens, "opens"), (wave.closes, "closes")):
            if not rules.opens <= hour <= rules.closes:
                yield _at(campaign, f"waves (no. {wave.no}).{name}", Problem(
                    "is {hour}; the law of that day allows {earliest} to {latest} ({source})", hour=f"{hour:%H:%M}",
                    earliest=f"{rules.opens:%H:%M}", latest=f"{rules.closes:%H:%M}", source=rules.source))  # fmt: skip
    if law and campaign.waves:
        rules = rules_on(law, campaign.text.class_, campaign.waves[0].date)
        for choice, each in all_texts(campaign).items():
            for reason in _frame(rules, each.text):
                yield _at(campaign, "text" if choice == "verbatim" else f"text ({choice})", reason)


def _frame(rules: Rules, content: str) -> Iterator[Problem]:
    """What the law wants first and last in a text of this class."""
    if rules.labels and not content.startswith(rules.labels):
        yield Problem("does not begin with {labels}, as advertising must", labels=" or ".join(rules.labels))
    if rules.closings and not any(closes(content, each) for each in rules.closings):
        yield Problem("does not end with how to refuse, as advertising must; write for instance: {example}",
                      example=rules.closings[0].format(word="TC", number="1800xxxx"))  # fmt: skip


def closes(content: str, closing: str) -> bool:
    """Whether a text ends with these words, accents and capitals apart: {word} is any keyword, {number} any number."""
    parts = re.split(r"(\{word\}|\{number\})", text.unaccent(closing))
    blanks = {"{word}": r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)?", "{number}": r"\+?\d[\d. ]{1,13}\d"}
    pattern = "".join(blanks.get(part) or r"\s+".join(map(re.escape, part.split(" "))) for part in parts)
    return re.search(rf"(?<!\w){pattern}[.!]?$", text.unaccent(content).rstrip(), re.IGNORECASE) is not None


def _at(campaign: Campaign, key: str, reason: Problem) -> Problem:
    return Problem("{file}: {key}: {reason}", file=f"{campaign.name}/campaign.toml", key=key, reason=reason)


def facts(rules: Rules, campaign: Campaign, *, rehearsal: bool) -> dict[str, Any]:
    """What a plan says of it, so that an approval covers it; a rehearsal reaches nobody, and has no cap."""
    lists = obeyed(rules, campaign)
    return {
        "class": rules.class_.value,
        "source": rules.source,
        "legal_basis": campaign.text.legal_basis,
        "lists": list(lists),
        "ignored": [name for name in rules.unless_decided if name not in lists],
        "decision": campaign.text.ignores_opt_outs,
        "most_a_day": None if rehearsal else rules.most_a_day,
    }
