"""`dispatcher person`: who may act here, and with which key."""

from __future__ import annotations

import re
from typing import Annotated

import psycopg
import typer

from campaigns.ledger import engineers, figures, logins, people, resets
from campaigns.terms import Problem
from dispatcher.verbs.desk import KEY, Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group

SCOPES = {
    "officer": ("read", "write"),
    "approver": ("read", "write", "approve"),  # write: whoever approves may also stop
    "engineer": ("read",),
    "auditor": ("read", "export"),
    "operator": ("read", "write", "admin"),
}
"""What the key of a role allows unless --scope says otherwise."""
DAYS = 365
LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")  # as the ledger's own check

By = Annotated[str, typer.Option("--as", metavar="LOGIN", help="who does this; the first person is entered without")]
LoginName = Annotated[str, typer.Argument(metavar="LOGIN", help="small letters, digits and . _ -, at most 40")]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", metavar="SCOPE", help="read write approve export admin; repeat it")
]
Days = Annotated[int, typer.Option(metavar="N", help="days until the key ends", min=1, max=3650)]

app = group("persons and their keys")


@app.command("add", cls=Verb, help="enter a person and show their key, once; the first one needs no key")
def add(
    context: typer.Context,
    login: LoginName,
    name: Annotated[str, typer.Option(metavar="NAME", help="as papers write it")] = "",
    role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="officer approver engineer auditor operator; repeat it")
    ] = None,
    scope: Scopes = None,
    days: Days = DAYS,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACCOUNT", help="of a carrier's engineer: his company's account in carriers.toml; repeat it"
        ),
    ] = None,
    by: By = "",
) -> None:
    """Enter a person; on an empty installation an operator, without anybody's leave."""
    desk = desk_of(context)
    if not LOGIN.fullmatch(login):
        raise Problem("{login} is no login: small letters, digits and . _ - only, at most 40", login=repr(login))
    with desk.house() as house, house.begin() as conn:
        figures.lock_persons(conn)
        first = figures.installation(conn).persons == 0
        roles = _roles(role, first=first)
        actor = login if first else people.require(conn, by, desk.env.get(KEY, ""), "admin").login
        if not first and figures.has_person(conn, login):
            raise Problem("{login} is already entered: `dispatcher person key {login}` makes a new key", login=login)
        people.add_person(conn, login, name or login, roles)
        key, scopes = _new_key(conn, login, scope or _scopes(roles), days)
        people.record(conn, actor, "person.add", login, roles=roles, scopes=scopes, first=first)
        if provider:
            engineers.tie(conn, login, provider, actor)
    desk.say("{login} is entered: {roles}", login=login, roles=roles)
    _show_key(desk, key, scopes)
    if provider:
        desk.say("{login} sees these accounts and nothing else: {accounts}", login=login, accounts=provider)
    desk.answer(login=login, roles=roles, scopes=scopes, key=key, first=first, accounts=provider or [])


@app.command("key", cls=Verb, help="a new key for a person, shown once")
def key(
    context: typer.Context,
    login: LoginName,
    by: Login,
    scope: Scopes = None,
    days: Days = DAYS,
) -> None:
    """Make a key; older ones stay valid until they end."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        actor = people.require(conn, by, desk.env.get(KEY, ""), "admin")
        roles = figures.roles_of(conn, login)
        made, scopes = _new_key(conn, login, scope or _scopes(roles), days)
        people.record(conn, actor.login, "person.key", login, scopes=scopes, days=days)
    _show_key(desk, made, scopes)
    desk.answer(login=login, roles=roles, scopes=scopes, key=made)


@app.command("invite", cls=Verb, help="a one-time link to the pages, where the person chooses a password")
def invite(context: typer.Context, login: LoginName, by: By = "") -> None:
    """Make the link; an operator's first one, on an installation where nobody can sign in yet, needs nobody's leave."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        figures.lock_persons(conn)
        roles = figures.roles_of(conn, login)
        first = "operator" in roles and not logins.anybody(conn)
        actor = login if first else people.require(conn, by, desk.env.get(KEY, ""), "admin").login
        word = logins.invite_new(conn, login, actor)
        people.record(conn, actor, "console.invite", login, first=first)
        link = f"{house.settings.url}/console/invitation/{word}"
    _show_link(desk, login, link)
    desk.answer(login=login, link=link, first=first)


@app.command("reset", cls=Verb, help="a lost password or phone, where no second operator is there to agree on the page")
def reset(
    context: typer.Context,
    login: LoginName,
    by: Login,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it stands in the record")] = "",
) -> None:
    """End password, authenticator and sessions, and show a one-time link."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        figures.lock_persons(conn)
        actor = people.require(conn, by, desk.env.get(KEY, ""), "admin").login
        word = resets.alone(conn, login, reason, actor)
        link = f"{house.settings.url}/console/invitation/{word}"
    desk.say("password, authenticator and sessions of {login} have ended", login=login)
    _show_link(desk, login, link)
    desk.answer(login=login, link=link)


@app.command("email", cls=Verb, help="where a person gets letters that ask for an approval")
def email(
    context: typer.Context,
    login: LoginName,
    by: Login,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="name@example.vn; nothing takes it away")] = "",
) -> None:
    """One address a person; nobody else has the same."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        actor = people.require(conn, by, desk.env.get(KEY, ""), "admin")
        people.set_email(conn, login, address, actor.login)
    desk.say("{login} gets letters at: {email}", login=login, email=address or "-")
    desk.answer(login=login, email=address)


@app.command("close", cls=Verb, help="close an account: its sessions and keys end at once")
def close(context: typer.Context, login: LoginName, by: Login) -> None:
    """What the person did stays in the record."""
    _switch(context, login, by, on=False)


@app.command("open", cls=Verb, help="open a closed account again; its keys do not come back")
def reopen(context: typer.Context, login: LoginName, by: Login) -> None:
    """The password is as it was."""
    _switch(context, login, by, on=True)


def _switch(context: typer.Context, login: str, by: str, *, on: bool) -> None:
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        actor = people.require(conn, by, desk.env.get(KEY, ""), "admin")
        people.switch(conn, login, actor.login, on=on)
    desk.say("the account of {login} is open" if on else "the account of {login} is closed", login=login)
    desk.answer(login=login, open=on)


def _roles(given: list[str] | None, *, first: bool) -> list[str]:
    roles = given or (["operator"] if first else [])
    if not roles or not set(roles) <= SCOPES.keys():
        raise Problem("name at least one role with --role: {known}", known=", ".join(SCOPES))
    if first and "operator" not in roles:
        roles = [*roles, "operator"]  # somebody must be able to enter the next person
    return roles


def _scopes(roles: list[str]) -> list[str]:
    wanted = {scope for role in roles for scope in SCOPES[role]}
    return [scope for scope in people.ALL_SCOPES if scope in wanted]


def _new_key(conn: psycopg.Connection, login: str, scopes: list[str], days: int) -> tuple[str, list[str]]:
    if not set(scopes) <= set(people.ALL_SCOPES):
        raise Problem("a key may allow: {known}", known=", ".join(people.ALL_SCOPES))
    return people.new_key(conn, login, scopes, days=days), scopes


def _show_link(desk: Desk, login: str, link: str) -> None:
    desk.say("the invitation of {login}; it works once, within {n} hours:", login=login, n=logins.INVITED_HOURS)
    if not desk.json_out:
        desk.out.print(link, soft_wrap=True, style="bold")


def _show_key(desk: Desk, key: str, scopes: list[str]) -> None:
    desk.say("The key, shown this once; it allows {scopes}:", scopes=scopes)
    if not desk.json_out:
        desk.out.print(key, soft_wrap=True, style="bold")
    desk.say("Put it into {name} and act with --as.", name=KEY)
