"""The page that an approver reads: who asks, how many people, what text, when, at what cost, on what basis."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from campaigns.doubts import Excerpt, doubts
from campaigns.ledger import audiences, lists, registry, suppression, trials, waves
from campaigns.ledger.waves import Wave
from campaigns.schedule import ZONE
from campaigns.terms import State, Verdict
from config.carriers import load_carriers
from dispatcher.exclusions import LIST_NAMES
from dispatcher.foresight import prices_of
from dispatcher.going import planned_budget, planned_calls, planned_canary
from dispatcher.resending import TO_WHOM, sums
from dispatcher.trialing import planned_trials, seed_trials
from dispatcher.verbs.desk import Desk
from dispatcher.verbs.texts import bubble
from workers.house import House


def show_plan(desk: Desk, house: House, wave: Wave, choice: str = "") -> None:
    """Print the plan, with one of its texts or with all of them."""
    plan = wave.plan
    if wave.rehearsal:
        desk.say("Rehearsal: no phone receives anything", style="yellow")
    desk.say("{author} asks to send {name} of {campaign}", author=wave.author, name=wave.name, campaign=wave.campaign)
    desk.say("{n} people will receive this text", n=wave.n, style="bold")
    if after := wave.plan.get("resend"):
        with house.begin() as conn:
            before = waves.get(conn, int(after["of"]))
        states = {State[name.upper()]: n for name, n in after["states"].items()}
        desk.say(TO_WHOM[after["kind"]], wave=before.name, style="yellow")
        desk.out.print("  " + sums(desk.words, states))
    _list(desk, house, wave)
    texts = {name: text for name, text in plan["texts"].items() if choice in {"", name}}
    for name, text in texts.items():
        bubble(desk, text["text"], f"{_senders(plan)} · {name}", _under(desk, text))
    show_doubts(desk, house, wave)
    desk.out.print(_carriers(desk, house, wave, max(int(text["segments"]) for text in texts.values())))
    _when(desk, house, wave)
    _basis(desk, house, wave)


def _list(desk: Desk, house: House, wave: Wave) -> None:
    """Which list it is: an approver must not approve somebody else's because the count is the same."""
    with house.begin() as conn:
        found = lists.audience(conn, wave.audience)
        verdicts = audiences.verdict_counts(conn, wave.audience)
    files = ", ".join(f"{file.name} (SHA-256 {file.sha256[:12]})" for file in found.files)
    desk.say("list {name} of {author}: {files}", name=found.name, author=found.author, files=files)
    rows = [f"{desk.words.value(Verdict(key))} {desk.words.number(n)}" for key, n in verdicts.items() if n]
    desk.out.print("  " + " · ".join(rows), soft_wrap=True)


def show_doubts(desk: Desk, house: House, wave: Wave) -> None:
    """Suspected slips side by side, each spelling with the letter's lines: the approver chooses between the texts."""
    with house.begin() as conn:
        campaign, _ = registry.get_campaign(conn, wave.campaign, wave.version)
    for each in doubts(campaign.text):
        desk.say("The letter may hold a slip: {found} → {suggested}", found=each.found, suggested=each.suggested,
                 style="yellow")  # fmt: skip
        desk.out.print(each.reason or desk.words.say("Found by comparing the text with the rest of the letter."))
        table = Table(pad_edge=False, show_lines=False)
        for words in (each.found, each.suggested):
            table.add_column(f"“{words}”", ratio=1)
        table.add_row(_lines(desk, each.ordered), _lines(desk, each.elsewhere))
        desk.out.print(table)


def _lines(desk: Desk, lines: Sequence[Excerpt]) -> Text:
    if not lines:
        return Text(desk.words.say("the letter does not write it so"), style="dim")
    said = [
        Text.assemble((desk.words.say("line {line}:", line=each.line), "dim"), f" {each.before}",
                      (each.words, "bold underline"), each.after)
        for each in lines
    ]  # fmt: skip
    return Text("\n").join(said)


def _senders(plan: dict[str, Any]) -> str:
    return ", ".join(dict.fromkeys(plan["senders"].values()))


def _under(desk: Desk, text: dict[str, Any]) -> str:
    return desk.words.say(
        "{segments} segments a message · SHA-256 {digest}", segments=int(text["segments"]), digest=text["sha256"][:12]
    )


def _carriers(desk: Desk, house: House, wave: Wave, segments: int) -> Table:
    """Recipients, segments and cost of each carrier; the prices are those of its first day, as agreed by now."""
    number = desk.words.number
    table = Table(box=None, pad_edge=False)
    for title in ("carrier", "recipients", "segments", "price a segment, dong", "cost, dong", "account"):
        table.add_column(desk.words.say(title), justify="left" if title in {"carrier", "account"} else "right")
    whole, by_carrier, prices = 0, wave.plan["audience"]["by_carrier"], prices_of(house, wave)
    for carrier, name in carrier_names(house, by_carrier).items():
        n = by_carrier[carrier]
        account = wave.plan["accounts"][carrier]
        price = prices.get(account, 0)
        cost = n * segments * price
        whole += cost
        table.add_row(name, number(n), number(n * segments), number(price), number(cost), account)
    table.add_row(desk.words.say("total"), number(wave.n), number(wave.n * segments), "", number(whole), style="bold")
    return table


def carrier_names(house: House, wanted: Collection[str]) -> dict[str, str]:
    """Carriers as their subscribers know them, in the fixed order; one that is no longer configured keeps its id."""
    known = {each.id: each.name for each in load_carriers(house.settings.carriers_file) if each.id in wanted}
    return known | {each: each for each in wanted if each not in known}


def _when(desk: Desk, house: House, wave: Wave) -> None:
    window = wave.plan["window"]
    desk.say(
        "sends from {opens} to {closes}, each day from {day_opens} to {day_closes}",
        opens=local(wave.opens_at),
        closes=local(wave.closes_at),
        day_opens=window["day_opens"][:5],
        day_closes=window["day_closes"][:5],
    )
    ceiling = wave.plan["ceiling"]
    desk.say("never more than {segments} segments and {dong} dong", segments=ceiling["segments"], dong=ceiling["dong"])
    for line in (
        *planned_budget(desk.words, wave.plan),
        *planned_calls(desk.words, wave.plan),
        *planned_canary(desk.words, wave.plan),
    ):
        desk.out.print(line)
    with house.begin() as conn:
        met, seeds = trials.of_wave(conn, wave.id), trials.of_seeds(conn, wave.id)
    for line in (*seed_trials(desk.words, seeds), *planned_trials(desk.words, met)):
        desk.out.print(line, style="yellow", soft_wrap=True)


def _basis(desk: Desk, house: House, wave: Wave) -> None:
    with house.begin() as conn:
        campaign, _ = registry.get_campaign(conn, wave.campaign, wave.version)
    desk.say("basis: {basis}", basis=campaign.text.legal_basis)
    _compliance(desk, wave.plan.get("compliance") or {})
    _repeats(desk, house, wave)
    desk.say("author {author} · plan {digest} · approvals needed {n}", author=wave.author, digest=wave.plan_hash[:12],
             n=wave.approvals_due)  # fmt: skip


CLASS_NAMES = {"public_information": "public information", "advertising": "advertising"}


def _compliance(desk: Desk, found: dict[str, Any]) -> None:
    """Class, law and lists; a decision to text people who refused advertising is approved with the plan."""
    if not found:
        return
    desk.say("class {class_}: {source}", class_=desk.words.say(CLASS_NAMES[found["class"]]), source=found["source"])
    lists = ", ".join(desk.words.say(LIST_NAMES[name]) for name in found["lists"])
    desk.say("left out: {lists}", lists=lists)
    if found["ignored"]:
        ignored = ", ".join(desk.words.say(LIST_NAMES[name]) for name in found["ignored"])
        desk.say("texted all the same, by this campaign's decision: {lists} ({decision})", lists=ignored,
                 decision=found["decision"], style="yellow")  # fmt: skip
    if found["most_a_day"]:
        desk.say("nobody gets more than {n} messages within 24 hours, all campaigns together", n=found["most_a_day"])


def _repeats(desk: Desk, house: House, wave: Wave) -> None:
    with house.begin() as conn:
        for each in suppression.repeats(conn, wave.id):
            desk.say("{n} of these people get this very text from {name} of {campaign} too", n=each.people,
                     name=each.name, campaign=each.campaign, style="yellow")  # fmt: skip


def local(moment: datetime) -> datetime:
    """The same moment on the province's clock."""
    return moment.astimezone(ZONE)
