"""`dispatcher demo`, `up`, `serve`, `work`, `simulate`: what runs until it is told to stop."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from campaigns.terms import Problem
from dispatcher.verbs.desk import Desk, desk_of
from dispatcher.verbs.guide import Verb, group

if TYPE_CHECKING:
    from config.settings import Settings
    from dispatcher.assemble import Site
    from providers.simulator.faults import Faults

OTHER_WORK = ("books", "sweeper")

app = group("what runs until it is told to stop")


@app.command(
    "demo", cls=Verb, help="letter 20/BCĐ from its definition to the report, with simulated carriers, on this machine"
)
def demo(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="end after the report instead of staying up")] = False,  # noqa: FBT002 - a switch of the command line
    recipients: Annotated[
        int, typer.Option(metavar="N", min=1, max=2_000_000, help="invented recipients; 2000 when nothing is said")
    ] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="another number gives other invented people and faults")] = 20,
    text: Annotated[
        Literal["verbatim", "corrected"],
        typer.Option(metavar="verbatim|corrected", help="which text the invented approver chooses"),
    ] = "corrected",
) -> None:
    """Run the rehearsal."""
    from dispatcher import demo as rehearsal  # noqa: PLC0415 - half a second that `--help` need not wait for

    desk = desk_of(context)
    wishes = rehearsal.Wishes(once=once, recipients=recipients, seed=seed, json_out=desk.json_out, choice=text)
    raise typer.Exit(rehearsal.run(desk.settings(rehearsal=True), wishes, desk.words))


@app.command("drill", cls=Verb, help="kill workers on purpose, and count what became of the messages")
def drill(
    context: typer.Context,
    messages: Annotated[
        int, typer.Option(metavar="N", min=100, max=1_000_000, help="6000 when nothing is said")
    ] = 6000,
    kills: Annotated[int, typer.Option(metavar="K", min=1, max=2_000, help="40 when nothing is said")] = 40,
    seed: Annotated[int, typer.Option(metavar="S", help="the time of the run when nothing is said")] = 0,
    limit: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="a drill that is not over by then has failed; 0: in proportion"),
    ] = 0.0,
    production_times: Annotated[  # noqa: FBT002 - a switch of the command line
        bool, typer.Option("--production-times", help="leases of 60 s and so on, instead of times scaled for a drill")
    ] = False,
    without: Annotated[
        str, typer.Option(metavar="NAME", help="take one protection away, or each in turn with `all`: it must fail")
    ] = "",
    like: Annotated[
        str, typer.Option(metavar="NAME", help="the blows of --without NAME, with the protection in its place")
    ] = "",
) -> None:
    """Run the drill, in a data folder of its own."""
    import time  # noqa: PLC0415 - one use

    from config.settings import load  # noqa: PLC0415 - as above
    from dispatcher import drill as kills_on_purpose  # noqa: PLC0415 - as above

    desk = desk_of(context)
    data = desk.data or Path(desk.env.get("DISPATCHER_DATA") or "var") / "drill" / f"{time.time_ns():x}"
    if without == "all":
        raise typer.Exit(kills_on_purpose.run_table(data, ["--seed", str(seed)] if seed else [], desk.words))
    settings = load(desk.env, data=data, profile="rehearsal" if production_times else "drill")
    wishes = kills_on_purpose.Wishes(messages, kills, seed or int(time.time()), production_times, without, limit)
    for name in filter(None, (without, like)):
        if name not in kills_on_purpose.WITHOUT:
            raise Problem("there is no protection called {name}: take one of {known}", name=name,
                          known=", ".join(kills_on_purpose.WITHOUT))  # fmt: skip
        small = replace(wishes, messages=min(messages, 1500))
        wishes = kills_on_purpose.wishes_of(name, small)
    raise typer.Exit(kills_on_purpose.run(settings, wishes, desk.words))


@app.command("up", cls=Verb, help="servers, workers, pages and receipts of this installation, until Ctrl-C")
def up(context: typer.Context) -> None:
    """Run everything."""
    from dispatcher import crew  # noqa: PLC0415 - as above

    desk = desk_of(context)
    raise typer.Exit(crew.up(desk.settings(), desk.words, rehearsal=desk.rehearsal))


@app.command("serve", cls=Verb, help="pages, API and receipts, until Ctrl-C")
def serve(context: typer.Context) -> None:
    """Listen where the settings say."""
    from dispatcher import app as pages  # noqa: PLC0415 - as above

    desk = desk_of(context)
    settings = desk.settings()
    _write_logs(settings)
    with desk.site() as site:
        desk.say("listens on {url}", url=settings.url)
        desk.answer(url=settings.url)
        pages.serve(_reachable(site), host=settings.listen_host, port=settings.listen_port)


@app.command("work", cls=Verb, help="be one worker, until told to stop")
def work(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="an account of carriers.toml, books or sweeper")],
) -> None:
    """Work in this process."""
    from dispatcher import assemble  # noqa: PLC0415 - as above
    from workers import pool, restart  # noqa: PLC0415 - as above

    desk = desk_of(context)
    settings = desk.settings()
    _write_logs(settings)
    with desk.site(start=False) as site:
        known = [*(each.name for each in assemble.accounts(site).values() if each.enabled), *OTHER_WORK]
        if name not in known:
            raise Problem("there is no work called {name}: take one of {known}", name=name, known=", ".join(known))
        desk.answer(work=name)
        house = assemble.house(_reachable(site))
        if name == "sweeper":  # the one of its kind: it looks whether this is still the database of the journals
            restart.begin_sending(house)
        pool.run(house, name)


def _reachable(site: Site) -> Site:
    """Carriers bring receipts to the public address."""
    return replace(site, callback_base=site.settings.url)


def _write_logs(settings: Settings) -> None:
    from config import logs  # noqa: PLC0415 - as above

    logs.configure(style=settings.log_style, level=settings.log_level)


@app.command("simulate", cls=Verb, help="one simulated carrier in this process, until told to stop")
def simulate(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="smpp, esms, twilio or province")],
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="where it writes down each acceptance; else KIND-truth.log in the data folder"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="where it listens; 127.0.0.1 when nothing is said")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65_535, help="0: any free one")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="what it does wrong: latency, throttle, refuse, silent ...; repeat it"),
    ] = None,
    put: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="what it expects of us: system_id, password ...; repeat it"),
    ] = None,
) -> None:
    """Serve as a carrier would."""
    from providers.simulator.run import run  # noqa: PLC0415 - as above

    desk = desk_of(context)
    settings = desk.settings(rehearsal=True)
    file = (truth or settings.data / "carriers" / f"{kind}-truth.log").absolute()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    expected = _expected(settings, kind) | _pairs(put)
    run(kind, truth=file, faults=_faults(_pairs(fault)), settings=expected, host=host, port=port,
        ready=lambda found: _listening(desk, kind, host, found, file))  # fmt: skip


def _listening(desk: Desk, kind: str, host: str, port: int, truth: Path) -> None:
    desk.say("simulated {carrier} listens on {host}:{port}", carrier=kind, host=host, port=port)
    desk.say("what it takes is written to {file}", file=truth)
    desk.answer(kind=kind, host=host, port=port, truth=str(truth))


def _expected(settings: Settings, kind: str) -> dict[str, str]:
    """The credentials of the simulated account of this kind, as carriers.toml has them."""
    from config.carriers import load_accounts  # noqa: PLC0415 - as above
    from dispatcher.crew import CREDENTIALS  # noqa: PLC0415 - as above

    account = next((a for a in load_accounts(settings.carriers_file) if a.simulated and a.provider == kind), None)
    return {key: str(account.settings[key]) for key in CREDENTIALS.get(kind, ()) if account}


def _pairs(given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for word in given or []:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise Problem("{said} is not of the form NAME=VALUE", said=repr(word))
        pairs[key] = value
    return pairs


def _faults(given: dict[str, str]) -> Faults:
    from providers.simulator.faults import Faults  # noqa: PLC0415 - as above

    known = [field.name for field in fields(Faults)]
    try:
        return Faults(**{key: int(value) if key == "seed" else float(value) for key, value in given.items()})  # type: ignore[arg-type]  # int for seed, float for the rest
    except (TypeError, ValueError):
        raise Problem("--fault takes a number for one of {known}", known=", ".join(known)) from None
