"""`dispatcher account`: how fast each account may send, who sends for it, and a slower rate while it runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from campaigns.ledger import accounts
from campaigns.terms import Problem
from dispatcher.verbs.desk import Login, desk_of
from dispatcher.verbs.guide import Verb, group

MAY_STEER = {"operator", "approver"}

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="as in carriers.toml")]

app = group("accounts: rate, licence, and who sends")


@app.command("list", cls=Verb, help="each account with its licence, its rate now and what its workers hold of it")
def names(context: typer.Context) -> None:
    """Print the accounts."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found = accounts.standing(conn)
    table = Table(box=None, pad_edge=False)
    for title in ("account", "licence (segments/s)", "rate now", "workers", "held now", "state"):
        table.add_column(desk.words.say(title), justify="left" if title in {"account", "state"} else "right")
    for each in found:
        held = sum(worker.rate for worker in each.workers)
        state = "" if each.enabled else desk.words.say("switched off")
        table.add_row(each.name, f"{each.licence:g}", f"{each.rate:g}", str(len(each.workers)), f"{held:g}", state)
    desk.out.print(table)
    for each in found:
        for sender, rate in each.senders.items():
            desk.say("{account}, sender {sender}: {rate} segments a second", account=each.name, sender=sender,
                     rate=f"{rate:g}")  # fmt: skip
    desk.answer(accounts=[_as_json(each) for each in found])


@app.command("rate", cls=Verb, help="send slower from now on, or as fast as the contract says again")
def rate(
    context: typer.Context,
    account: Name,
    login: Login,
    segments: Annotated[
        float | None, typer.Argument(metavar="N", help="segments a second, at most the licence")
    ] = None,
    contract: Annotated[bool, typer.Option("--contract", help="as the contract says")] = False,  # noqa: FBT002 - a switch of the command line
    sender: Annotated[str, typer.Option(metavar="NAME", help="only messages of this sender's name")] = "",
) -> None:
    """In force at every worker's next look."""
    desk = desk_of(context)
    if (segments is None) != contract:
        raise Problem("say either a number of segments a second, or --contract")
    with desk.house() as house:
        person = desk.person(house, login, "write")
        _may_steer(set(person.roles), login)
        with house.begin() as conn:
            accounts.set_rate(conn, account, segments, person.login, sender)
            now = next(each for each in accounts.standing(conn) if each.name == account)
    desk.say("{account}: {rate} segments a second from now on, licence {licence}", account=account,
             rate=f"{now.senders.get(sender, now.rate):g}", licence=f"{now.licence:g}")  # fmt: skip
    desk.answer(**_as_json(now))


def _may_steer(roles: set[str], login: str) -> None:
    if not MAY_STEER & roles:
        raise Problem("{login} may not steer accounts: an operator or an approver may", login=login)


def _as_json(each: accounts.Standing) -> dict[str, object]:
    return {
        "account": each.name,
        "enabled": each.enabled,
        "licence": each.licence,
        "rate": each.rate,
        "senders": dict(each.senders),
        "workers": [{"rate": worker.rate, "until": worker.until.isoformat(), **worker.says} for worker in each.workers],
    }
