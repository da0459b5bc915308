"""Reads a campaign's definition from its folder, or from what was stored of it; each fault names file, key, reason."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from campaigns import text
from campaigns.compliance import Rules, faults
from campaigns.definition import (
    Campaign,
    CarrierRoute,
    Class,
    Correction,
    Mandate,
    MandatedText,
    TextVariant,
    Use,
    Variant,
    variants,
)
from campaigns.reading import Reader
from campaigns.rules import FILE, check, warnings
from campaigns.schedule import WavePlan
from campaigns.terms import Problem, Problems, Sender

__all__ = [
    "Campaign",
    "CarrierRoute",
    "Class",
    "Correction",
    "Mandate",
    "MandatedText",
    "Variant",
    "WavePlan",
    "check",
    "from_json",
    "load",
    "read_text",
    "variants",
    "warnings",
]

Sources = Callable[[Reader], tuple[str, str]]
"""Gives the mandated text and the letter that a [text] table names or holds."""


def load(
    folder: Path, *, carriers: Collection[str], providers_accounts: Collection[str], law: Sequence[Rules] = ()
) -> Campaign:
    """Read and check a definition's folder; raises Problem or Problems with all that is wrong, and makes nothing."""
    name = folder.resolve().name
    found: list[Problem] = []
    root = Reader(_document(folder / FILE), f"{name}/{FILE}", found)
    campaign = _campaign(root, name, partial(_from_files, folder))
    found.extend(check(campaign, carriers=carriers, accounts=providers_accounts))
    if not found:
        found.extend(faults(law, campaign))
    if found:
        raise Problems(found)
    return campaign


def from_json(stored: Mapping[str, Any]) -> Campaign:
    """The campaign whose `as_json` this is; raises Problems when it is not one. Rules are not checked again."""
    found: list[Problem] = []
    root = Reader(stored, "as_json", found)
    campaign = _campaign(root, root.text("name"), _from_table)
    if found:
        raise Problems(found)
    return campaign


def read_text(path: Path) -> str:
    """A text file as it is sent: UTF-8, NFC, without the last line end; raises Problem when it cannot be read."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Problem("{file} cannot be read: {error}", file=path.name, error=error.strerror) from error
    except UnicodeDecodeError as error:
        place = error.start + 1
        raise Problem("{file} is not UTF-8 (byte {place}); save it as UTF-8", file=path.name, place=place) from error
    return text.normal(re.sub(r"\r?\n\Z", "", content))


# -- tables ----------------------------------------------------------------------------------------------------------


def _campaign(root: Reader, name: str, sources: Sources) -> Campaign:
    campaign = Campaign(
        name=name,
        title=root.text("title"),
        zone=root.text("zone"),
        mandate=_mandate(root.table("mandate")),
        text=_text(root.table("text"), sources),
        senders=tuple(_sender(table) for table in root.tables("senders")),
        waves=tuple(wave for table in root.tables("waves") if (wave := _wave(table))),
        routes=tuple(_route(table) for table in root.tables("routes")),
    )
    root.close()
    return campaign


def _mandate(table: Reader) -> Mandate:
    mandate = Mandate(
        number=table.text("number"),
        date=table.day("date"),
        place=table.text("place"),
        issuer=table.text("issuer"),
        subject=table.text("subject"),
        section=table.integer("section"),
        addressee=table.text("addressee"),
        basis=table.text("basis"),
        report_to=table.text("report_to"),
        report_before=table.day("report_before"),
        peak_from=table.day("peak_from"),
        peak_to=table.day("peak_to"),
        observance_day=table.day("observance_day"),
    )
    table.close()
    return mandate


def _text(table: Reader, sources: Sources) -> MandatedText:
    verbatim, letter = sources(table)
    mandated = MandatedText(
        verbatim=verbatim,
        letter=letter,
        corrections=tuple(_correction(each) for each in table.tables("corrections", needed=False)),
        hotlines=table.texts("hotlines"),
        class_=table.one_of("class", Class),
        legal_basis=table.text("legal_basis"),
        ignores_opt_outs=table.maybe_text("ignores_opt_outs"),
        variants=tuple(_variant(each) for each in table.tables("variants", needed=False)),
        use=tuple(_use(each) for each in table.tables("use", needed=False)),
    )
    table.close()
    return mandated


def _correction(table: Reader) -> Correction:
    correction = Correction(table.text("found"), table.text("suggested"), table.text("reason"))
    table.close()
    return correction


def _variant(table: Reader) -> TextVariant:
    variant = TextVariant(
        name=table.text("name"),
        language=table.text("language"),
        text=table.text("text"),
        vouched_by=table.text("vouched_by"),
    )
    table.close()
    return variant


def _use(table: Reader) -> Use:
    use = Use(
        variant=table.text("variant"),
        carriers=table.texts("carriers", needed=False),
        units=table.integers("units", needed=False),
    )
    table.close()
    return use


def _sender(table: Reader) -> Sender:
    sender = Sender(carrier=table.text("carrier"), name=table.text("name"))
    table.close()
    return sender


def _wave(table: Reader) -> WavePlan | None:
    """A wave, or None when it could not be read: an empty hour would break rules that its author kept."""
    day = table.day("date")
    wave = WavePlan(
        no=table.integer("no"),
        name=table.text("name"),
        date=day,
        until=table.day("until", default=day),
        opens=table.clock("opens"),
        closes=table.clock("closes"),
    )
    table.close()
    return wave if table.sound else None


def _route(table: Reader) -> CarrierRoute:
    route = CarrierRoute(carrier=table.text("carrier"), accounts=table.texts("accounts"))
    table.close()
    return route


# -- sources ---------------------------------------------------------------------------------------------------------


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Problem("{file} cannot be read: {error}", file=str(path), error=error.strerror) from error
    except ValueError as error:  # TOML's own, with line and column, or text that is not UTF-8
        raise Problem("{file} is not TOML: {error}", file=str(path), error=error) from error


def _from_files(folder: Path, table: Reader) -> tuple[str, str]:
    return _file(folder, table, "file"), _file(folder, table, "letter")


def _file(folder: Path, table: Reader, key: str) -> str:
    name = table.text(key)
    if not name:
        return ""
    if Path(name).name != name:
        table.fault(key, Problem("is {name}; name a file of the same folder", name=repr(name)))
        return ""
    try:
        content = read_text(folder / name)
    except Problem as problem:
        table.fault(key, problem)
        return ""
    if not content.strip():
        table.fault(key, Problem("names {name}, which is empty; write the text into it", name=name))
    return content.strip() and content


def _from_table(table: Reader) -> tuple[str, str]:
    return table.text("verbatim"), table.text("letter")
