"""`dispatcher text forecast`: what a text will cost and when its last message leaves, with accents and without."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from campaigns import schedule, text
from campaigns.campaign import read_text
from campaigns.definition import Class
from campaigns.forecast import Forecast, Lane, forecast
from campaigns.limits import Billed, refusal
from campaigns.schedule import WavePlan
from campaigns.terms import Problem
from dispatcher.verbs.desk import Desk, desk_of

if TYPE_CHECKING:
    from config.carriers import AccountSettings

_SHARE = re.compile(r"([a-z_]+)=([0-9][0-9.]*)")


def forecast_text(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a text file, UTF-8")],
    recipients: Annotated[str, typer.Option(metavar="A=N,B=N", help="how many people at which carrier")],
    price: Annotated[int, typer.Option(metavar="N", help="dong a segment; else each account's price", min=0)] = 0,
    rate: Annotated[float, typer.Option(metavar="N", help="segments a second at each carrier; else the accounts'",
                                        min=0)] = 0,
    day: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="the first day; tomorrow when nothing is said")] = "",
    hours: Annotated[str, typer.Option(metavar="HH:MM-HH:MM", help="the hours of each day")] = "08:00-20:00",
    days: Annotated[int, typer.Option(metavar="N", help="how many days the wave may take", min=1)] = 7,
    class_: Annotated[Class, typer.Option("--class", metavar="CLASS", help="public_information")] = (
        Class.PUBLIC_INFORMATION
    ),
) -> None:  # fmt: skip
    """Print both forms side by side, by carrier."""
    from config.carriers import load_accounts, load_carriers  # noqa: PLC0415 - other verbs of `text` need none
    from dispatcher.standards import limits  # noqa: PLC0415 - as above

    desk = desk_of(context)
    settings = desk.settings()
    names = {each.id: each.name for each in load_carriers(settings.carriers_file)}
    wanted = _shares(recipients, names)
    content = text.normal(read_text(file))
    wave = _wave(day, hours, days)
    accounts = {} if price and rate else _accounts(load_accounts(settings.carriers_file), wanted)
    charged = {} if price else _prices(desk, accounts, wave)
    tables, found = limits(settings), {}
    for choice, form in (("with accents", content), ("without accents", text.unaccent(content))):
        billed = {carrier: tables.bill(form, carrier, class_.value, wave.date) for carrier in wanted}
        _refuse(billed)
        lanes = [
            _lane(carrier, n, billed[carrier].segments, accounts.get(carrier), price or charged[carrier], rate)
            for carrier, n in wanted.items()
        ]
        found[choice] = forecast(lanes, schedule.windows(wave), datetime.now(UTC))
    desk.out.print(_table(desk, found, names))
    _tell(desk, found)
    desk.answer(
        forecasts={"accented": found["with accents"].as_json(), "unaccented": found["without accents"].as_json()}
    )


def _refuse(billed: Mapping[str, Billed]) -> None:
    """A carrier that takes no such text has no forecast. Raises Problem."""
    refused = [refusal(carrier, each) for carrier, each in billed.items() if not each.segments]
    if refused:
        raise refused[0]


def known(asked: Sequence[str], names: Collection[str]) -> list[str]:
    """Carriers of this installation; raises Problem for another."""
    for carrier in asked:
        if carrier not in names:
            raise Problem("carrier {carrier} is unknown; known are {known}", carrier=carrier, known=", ".join(names))
    return list(asked)


def _shares(recipients: str, names: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for share in recipients.replace(" ", "").split(","):
        match = _SHARE.fullmatch(share)
        if not match:
            raise Problem("{share} is no share of the recipients; write --recipients viettel=1000,mobifone=500",
                          share=repr(share))  # fmt: skip
        found[match[1]] = int(match[2].replace(".", ""))
    known(list(found), names)
    return found


def _wave(day: str, hours: str, days: int) -> WavePlan:
    try:
        first = date.fromisoformat(day) if day else datetime.now(UTC).astimezone(schedule.ZONE).date() + timedelta(1)
        opens, closes = (time.fromisoformat(each) for each in hours.split("-"))
    except ValueError:
        raise Problem("write the day as 2024-07-01 and the hours as 08:00-20:00") from None
    if closes <= opens:
        raise Problem("write the day as 2024-07-01 and the hours as 08:00-20:00")
    return WavePlan(1, "", first, first + timedelta(days - 1), opens, closes)


def _accounts(accounts: Sequence[AccountSettings], wanted: Collection[str]) -> dict[str, AccountSettings]:
    """One account a carrier: a real one that is enabled, else a real one, else a simulated one."""
    ranked = sorted(accounts, key=lambda each: (each.simulated, not each.enabled))
    found = {}
    for carrier in wanted:
        account = next((each for each in ranked if carrier in each.carriers), None)
        if account is None:
            raise Problem("no account carries {carrier}: give --price and --rate", carrier=carrier)
        found[carrier] = account
    return found


def _prices(desk: Desk, accounts: Mapping[str, AccountSettings], wave: WavePlan) -> dict[str, int]:
    """Carrier -> dong a segment on the wave's first day, with what two persons agreed on since the file was written."""
    from dispatcher.standards import prices  # noqa: PLC0415 - as above

    with desk.house() as house, house.begin() as conn:
        found = prices(conn, {each.name: each for each in accounts.values()}, wave.date)
    return {carrier: found[each.name] for carrier, each in accounts.items()}


def _lane(carrier: str, n: int, size: int, account: AccountSettings | None, price: int, rate: float) -> Lane:
    name = carrier if rate or account is None else account.name  # a rate is given for each carrier
    return Lane(
        carrier, name, n, size,
        price, rate or (account.licence if account else 1),
    )  # fmt: skip


def _table(desk: Desk, found: Mapping[str, Forecast], names: Mapping[str, str]) -> Table:
    number = desk.words.number
    table = Table(box=None, pad_edge=False)
    table.add_column(desk.words.say("carrier"))
    table.add_column(desk.words.say("recipients"), justify="right")
    for choice in found:
        for title in ("segments", "cost, dong"):
            table.add_column(f"{desk.words.say(title)}\n{desk.words.say(choice)}", justify="right")
    first, second = found.values()
    for one, two in zip(first.lanes, second.lanes, strict=True):
        table.add_row(names[one.carrier], number(one.recipients), number(one.all_segments), number(one.dong),
                      number(two.all_segments), number(two.dong))  # fmt: skip
    table.add_row(desk.words.say("total"), number(first.recipients), number(first.segments), number(first.dong),
                  number(second.segments), number(second.dong), style="bold")  # fmt: skip
    return table


def _tell(desk: Desk, found: Mapping[str, Forecast]) -> None:
    for choice, each in found.items():
        if each.finishes_at:
            desk.say(
                "{choice}: the last message leaves at {at} ({lasting} of sending), each message tried once",
                choice=desk.words.say(choice), at=each.finishes_at.astimezone(schedule.ZONE),
                lasting=timedelta(seconds=round(each.seconds)),
            )  # fmt: skip
        else:
            desk.say("{choice}: {n} segments do not fit into these days and hours", choice=desk.words.say(choice),
                     n=each.left_over, style="yellow")  # fmt: skip
    first, second = found.values()
    desk.say("without accents: {n} dong less", n=first.dong - second.dong)
