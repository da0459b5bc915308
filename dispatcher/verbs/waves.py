"""`dispatcher wave`: from plan to the last receipt."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.table import Table

from campaigns import wordings
from campaigns.ledger import audiences, figures, registry, waves
from campaigns.ledger.calls import planned as planned_calls
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, Verdict
from dispatcher import acts, foresight
from dispatcher.halting import Halted, noted
from dispatcher.reopening import give_hours
from dispatcher.verbs import budget as budgets
from dispatcher.verbs import canary, resend
from dispatcher.verbs.accounts import span_of
from dispatcher.verbs.budget import Most, MostADay, read_ceilings
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.foreseen import say_foreseen, show_compared
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.halt import say_halted
from dispatcher.verbs.ids import LATEST, WaveName, day_of, find_wave, read_id
from dispatcher.verbs.plan_page import local, show_plan
from dispatcher.verbs.standing import show_standing, watch
from workers.house import House

SeedsFirst = Annotated[bool, typer.Option("--canary", help="seed phones first; the rest waits for a person's word")]
Reason = Annotated[str, typer.Option(metavar="WORDS", help="why; it stands in the record")]

CALLS_HELP = "the wave leaves so slowly that its hotlines are expected to get no more calls an hour"

app = group("plan, approve, start, watch and stop a wave")


@app.command("list", cls=Verb, help="all waves, the newest first")
def names(context: typer.Context) -> None:
    """Print each wave with its state."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found = waves.all_waves(conn)
    table = Table(box=None, pad_edge=False)
    for title in ("id", "campaign", "wave", "state", "recipients", "planned at"):
        table.add_column(desk.words.say(title), justify="right" if title == "recipients" else "left")
    for wave in found:
        state = desk.words.say("asks: too late?" if wave.asks else wave.state)
        table.add_row(str(wave.id), wave.campaign, wave.name, state, desk.words.number(wave.n),
                      desk.words.value(local(wave.planned_at)))  # fmt: skip
    desk.out.print(table)
    desk.answer(waves=[_as_json(wave) for wave in found])


@app.command("plan", cls=Verb, help="make a wave's messages from a list; the same draft gives the same wave")
def plan(
    context: typer.Context,
    campaign: Annotated[str, typer.Option(metavar="NAME", help="a loaded campaign")],
    no: Annotated[int, typer.Option("--wave", metavar="N", help="the wave's number in the definition")],
    login: Login,
    audience: Annotated[str, typer.Option(metavar="ID", help="the audience's id, or latest")] = LATEST,
    carrier: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="only this carrier's subscribers; repeat it")
    ] = None,
    area: Annotated[list[str] | None, typer.Option(metavar="NAME", help="only rows of this area; repeat it")] = None,
    variant: Annotated[
        str, typer.Option(metavar="NAME", help="the rows to which the definition's rule sends this variant of the text")
    ] = "",
    language: Annotated[
        str, typer.Option(metavar="LANG", help="the rows of areas to which the rule sends a text in this language")
    ] = "",
    budget: Most = None,
    daily: MostADay = None,
    calls: Annotated[int, typer.Option("--calls-an-hour", metavar="N", help=CALLS_HELP)] = 0,
    per: Annotated[
        float, typer.Option("--calls-per-thousand", metavar="N", help="calls expected of 1,000 messages")
    ] = 0,
    seeds_first: SeedsFirst = False,  # noqa: FBT002 - a switch of the command line
) -> None:
    """Plan and show the plan."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        with house.begin() as conn:
            definition, version = registry.get_campaign(conn, campaign)
            chosen = figures.newest_audience(conn, campaign) if audience == LATEST else read_id(audience)
        draft = acts.draft_wave(house, definition, version, no, chosen, rehearsal=desk.rehearsal,
                                carriers=carrier or (), areas=area or (),
                                variant=wordings.chosen(definition, variant, language),
                                budget=read_ceilings(budget, daily),
                                calls=planned_calls(calls, round(per * 100)), canary=seeds_first)  # fmt: skip
        wave = acts.plan_wave(house, draft, person.login)
        show_plan(desk, house, wave)
        say_foreseen(desk, house, wave, list(wave.plan["texts"]))
        with house.begin() as conn:
            verdicts = audiences.verdict_counts(conn, chosen)
    desk.say("wave {id} is planned; another person approves it with the number of recipients", id=str(wave.id))
    desk.answer(**_as_json(wave), rows=sum(verdicts.values()), accepted=verdicts[Verdict.ACCEPTED.value])


@app.command("approve", cls=Verb, help="show the plan, then approve it by typing the number of its recipients")
def approve(
    context: typer.Context,
    wave: WaveName,
    login: Login,
    count: Annotated[int | None, typer.Option(metavar="N", help="how many people will receive the text")] = None,
    text: Annotated[str, typer.Option(metavar="CHOICE", help="which of the plan's texts is sent")] = "",
    reason: Reason = "",
) -> None:
    """Approve this exact plan."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "approve")
        with house.begin() as conn:
            found = find_wave(conn, wave)
        show_plan(desk, house, found, text if text in found.plan["texts"] else "")
        say_foreseen(desk, house, found, [text] if text in found.plan["texts"] else list(found.plan["texts"]))
        choice = _chosen(found, text, reason)
        typed = _typed(desk, found) if count is None else count
        with house.begin() as conn:
            due = foresight.approve(house, conn, found.id, person, typed=typed, choice=choice, reason=reason,
                                    plan_hash=found.plan_hash)  # fmt: skip
    if due:
        desk.say("approved; {n} more approvals are needed", n=due)
    else:
        desk.say("approved: `dispatcher wave start {id} --as LOGIN` begins", id=str(found.id))
    desk.answer(wave=str(found.id), plan_hash=found.plan_hash, text=choice, approvals_due=due)


def _chosen(wave: Wave, text: str, reason: str) -> str:
    texts = wave.plan["texts"]
    choice = text or (next(iter(texts)) if len(texts) == 1 else "")
    if choice not in texts:
        raise Problem("nothing was approved: choose the text with --text {choices}", choices=" | ".join(texts))
    if choice != "verbatim" and not reason.strip():
        raise Problem("nothing was approved: say with --reason why the ordered text is corrected; the report cites it")
    return choice


def _typed(desk: Desk, wave: Wave) -> int:
    """Asked at a terminal; elsewhere it must have been given."""
    if not sys.stdin.isatty():
        raise Problem("nothing was approved: read the plan, then give the number of its recipients with --count")
    desk.say("Type the number of people who will receive this text:")
    said = "".join(char for char in sys.stdin.readline() if char not in " .,\n")
    if not said.isdigit():
        raise Problem("typed {typed} recipients, the plan has {n}: look at the plan again", typed=repr(said), n=wave.n)
    return int(said)


@app.command("start", cls=Verb, help="begin an approved wave")
def start(
    context: typer.Context,
    wave: WaveName,
    login: Login,
    unverified: Annotated[
        str, typer.Option("--unverified-hotline", metavar="WORDS", help="why a hotline may be named unverified")
    ] = "",
) -> None:
    """Set it running and ring the workers."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        with house.begin() as conn:
            found = find_wave(conn, wave)
            acts.ask_first(house, conn, found, person.login, unverified)
            begun = waves.start(conn, found.id, person)
        _ring(desk, house, begun)
    desk.say("{name} runs: {n} messages, text {digest}", name=begun.name, n=begun.n, digest=str(begun.text_sha256)[:12])
    if not begun.rehearsal and house.settings.cool_down:
        desk.say("the first message leaves no sooner than {minutes} minutes after the last approval",
                 minutes=round(house.settings.cool_down / 60))  # fmt: skip
    desk.answer(**_as_json(begun))


def _ring(desk: Desk, house: House, wave: Wave) -> None:
    """A lost Redis costs seconds: the act stands in the ledger, and the sweeper rings again."""
    from redis import RedisError  # noqa: PLC0415 - only where the bell is rung

    try:
        acts.ring(house, wave)
    except RedisError:
        desk.say("Redis does not answer; workers find the wave by themselves once it does", style="yellow")


@app.command("status", cls=Verb, help="where each message of a wave is, by carrier; every row adds up")
def status(
    context: typer.Context,
    wave: WaveName = LATEST,
    follow: Annotated[bool, typer.Option("--watch", help="go on until nothing moves any more")] = False,  # noqa: FBT002 - a switch of the command line
) -> None:
    """Print live counts."""
    desk = desk_of(context)
    with desk.house() as house:
        with house.begin() as conn:
            found = find_wave(conn, wave)
        if follow:
            watch(desk, house, found)
        with house.begin() as conn:
            found, standing = waves.get(conn, found.id), figures.standing(conn, found.id)
        told = show_standing(desk, house, found, standing)
        desk.answer(**_as_json(found), **told, compared=show_compared(desk, house, found))


@app.command("pause", cls=Verb, help="let no further message leave; in force within two seconds")
def pause(context: typer.Context, wave: WaveName, login: Login, reason: Reason = "") -> None:
    """Pause a running wave."""
    _move(desk_of(context), wave, login, "pause", reason)


@app.command("resume", cls=Verb, help="go on with the messages that were never tried")
def resume(context: typer.Context, wave: WaveName, login: Login, reason: Reason = "") -> None:
    """Go on with a paused wave."""
    _move(desk_of(context), wave, login, "resume", reason)


@app.command("cancel", cls=Verb, help="stop a wave for good; what waits is never sent")
def cancel(context: typer.Context, wave: WaveName, login: Login, reason: Reason = "") -> None:
    """End a wave."""
    _move(desk_of(context), wave, login, "cancel", reason)


@app.command("reopen", cls=Verb, help="give new hours to a wave that asks: its own passed while the system was down")
def reopen(
    context: typer.Context,
    wave: WaveName,
    login: Login,
    until: Annotated[str, typer.Option(metavar="DAY", help="the last day, 2026-12-31")],
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="the first day; today unless said")] = "",
    span: Annotated[str, typer.Option("--hours", metavar="HH:MM-HH:MM", help="each day; as before unless said")] = "",
    reason: Reason = "",
) -> None:
    """A new plan of the same messages: another person approves it, then it is started again."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        with house.begin() as conn:
            found = give_hours(
                conn, find_wave(conn, wave), person, first=day_of(first) if first else None, until=day_of(until),
                span=span_of(span) if span else None, reason=reason,
            )  # fmt: skip
        show_plan(desk, house, found)
    desk.say("{name} waits for the approval of its new hours: `dispatcher wave approve`, then `wave start`",
             name=found.name)  # fmt: skip
    desk.answer(**_as_json(found))


def _move(desk: Desk, wave: str, login: str, act: str, reason: str) -> None:
    with desk.house() as house:
        person: Person = desk.person(house, login, "write", "approve")
        since = time.monotonic()
        with house.begin() as conn:
            moved = waves.move(conn, find_wave(conn, wave).id, person.login, act, reason)
        if act == "resume":
            _ring(desk, house, moved)
            found = Halted(0.0, 0, sum(each.waiting for each in _standing(house, moved)), 0)
            desk.say("{name} goes on · {waiting} messages wait", name=moved.name, waiting=found.waiting)
        else:
            found = noted(house, person.login, moved.id, since)
            _ring(desk, house, moved)  # after the stop: its rest is counted at once
            say_halted(desk, moved.name, found)
            if act == "cancel":
                desk.say("{waiting} messages will never be sent", waiting=found.waiting)
    desk.answer(**_as_json(moved), waiting=found.waiting, in_flight=found.on_wire, on_wire=found.on_wire,
                seconds=round(found.seconds, 2), unheard=found.unheard)  # fmt: skip


app.command("correct", cls=Verb, help="another text for exactly those whose phones may have got a wave's text")(
    resend.correct
)
app.command("resend", cls=Verb, help="a wave's text again, for those whom it did not reach for now")(resend.resend)
app.command("canary", cls=Verb, help="what arrived on the seed phones; say that the text is right, or wrong")(
    canary.canary
)
app.command("budget", cls=Verb, help="other ceilings for a wave; one person asks, an approver agrees")(budgets.budget)


def _standing(house: House, wave: Wave) -> list[figures.Standing]:
    with house.begin() as conn:
        return figures.standing(conn, wave.id)


def _as_json(wave: Wave) -> dict[str, object]:
    return {
        "wave": str(wave.id),
        "campaign": wave.campaign,
        "name": wave.name,
        "state": wave.state,
        "rehearsal": wave.rehearsal,
        "recipients": wave.n,
        "plan_hash": wave.plan_hash,
        "text_sha256": wave.text_sha256,
        "opens_at": wave.opens_at.isoformat(),
        "closes_at": wave.closes_at.isoformat(),
        "asks": wave.asks,
    }
