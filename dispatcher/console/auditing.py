"""Who did what and when: the record as sentences, filtered by the address of the page, and as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from campaigns.ledger import audit, people, waves
from campaigns.ledger.audit import Entry, Wanted
from campaigns.terms import Problem, Verdict
from dispatcher.console.call import Call, place_of
from dispatcher.console.pages import HEADERS, ZONE, show
from dispatcher.console.proposing import COSTS
from dispatcher.console.signing import check_code
from dispatcher.words import Words

ROWS = 25
GREATEST = 2**63 - 1
"""Of the numbers that waves have."""
DIGITS = 18
"""Of an entry's number, at most: it fits into 63 bits."""
DIGEST = 64
"""Length of a keyed hash as a subject: a telephone number that was looked up."""
FIELDS = ("person", "act", "subject", "since", "until")
ACTS = {
    "campaign.load": "loaded a campaign", "audience.create": "made a list", "audience.import": "took a file in",
    "audience.verdicts": "took the verdicts of a list", "wave.plan": "planned a wave",
    "wave.approve": "approved a wave",
    "wave.return": "returned a plan", "wave.start": "started a wave", "wave.pause": "paused a wave",
    "wave.resume": "resumed a wave", "wave.cancel": "cancelled what was left of a wave",
    "wave.halted": "waited until a wave stood still", "wave.reopen": "gave a wave new hours",
    "sending.stop": "stopped all sending", "sending.halted": "waited until all sending stood still",
    "sending.lift-asked": "said that sending may go on", "sending.lift": "opened sending again",
    "draft.begin": "began a draft", "draft.submit": "submitted a draft", "draft.delete": "deleted a draft",
    "draft.reopen": "opened a draft again", "draft.file": "kept a letter's file with a draft",
    "order.draft": "drafted an order", "order.approve": "approved an order", "order.issue": "issued an order",
    "order.ack": "noted that a carrier has acknowledged", "order.run": "noted that a carrier sends",
    "order.return": "took a carrier's figures in", "order.accept": "accepted a carrier's figures",
    "order.papers": "took the papers of an order", "order.link": "made a code for a carrier's engineer",
    "message.search": "looked one number up", "audit.export": "took the record as a file",
    "report.write": "began a report", "report.written": "wrote a report", "export.write": "began an export",
    "export.written": "wrote an export", "console.sign-in": "signed in", "console.sign-out": "signed out",
    "console.invite": "made an invitation", "console.password": "chose a password",
    "console.authenticator": "set up an authenticator", "person.add": "entered a person", "person.key": "made a key",
    "person.tie": "tied a carrier's engineer to an account", "person.untie": "untied a carrier's engineer",
    "setting.propose": "proposed a change of the settings", "setting.agree": "agreed to a change of the settings",
    "setting.drop": "dropped a change of the settings", "hotline.verify": "made sure of a hotline",
    "route.lift": "opened an account again", "account.rate": "set the rate of an account",
    "account.hours": "set the hours of an account", "account.maintenance": "entered a carrier's maintenance",
    "account.maintenance-off": "called a carrier's maintenance off",
    "console.province": "signed in with the province's account for the first time",
    "person.email": "set the address of", "person.close": "closed the account of",
    "person.open": "opened the account of", "person.reset-asked": "asked for the reset of",
    "person.reset": "ended password, authenticator and sessions of", "person.reset-dropped": "dropped the reset of",
    "deputy.name": "named a deputy", "deputy.withdraw": "withdrew a deputy",
    "account.trial": "put an account into trial", "account.live-asked": "asked for an account to go live",
    "account.live": "let an account go live", "account.allow": "put numbers on an account's allow-list",
    "account.disallow": "took numbers off an account's allow-list",
    "seeds.set": "chose the seed phones of a campaign",
    "canary.right": "said that the text on the seed phones is right",
    "canary.wrong": "said that the text on the seed phones is wrong",
    "budget.ask": "asked for higher ceilings of a wave",
    "budget.agree": "agreed to higher ceilings of a wave", "wave.ask": "asks for new hours for a wave",
    "hotline.unverified": "started a wave though nobody made sure of a hotline",
    "sender.gone": "started a wave though a sender is no longer registered",
    "failover": "sent on by another account", "sending.unlock": "unlocked sending",
    "installation.restore": "restored the installation from a backup",
    "list.suppress": "put numbers on a list of people who are not texted",
    "list.unsuppress": "took numbers off a list of people who are not texted",
    "people.forget": "deleted old traces of people",
}  # fmt: skip
"""Act -> what somebody did; an act without a sentence shows its own name."""
LABELS = {
    "reason": "Reason", "note": "Reason", "n": "Recipients", "plan_hash": "Hash of the plan",
    "text_sha256": "Hash of the text",
    "choice": "Text chosen", "campaign": "Campaign", "audience": "List", "account": "Account", "carrier": "Carrier",
    "file": "File", "rows": "Rows", "roles": "Roles", "scopes": "Rights", "first": "From day", "last": "To day",
    "asked_by": "Asked by", "version": "Version", "ceilings": "Ceilings", "filter": "Filter",
    "seconds": "Seconds until it stood still", "on_wire": "Messages on the way", "waiting": "Messages that never left",
    "unheard": "Workers that told nothing", "messages": "Messages", "was": "Before", "became": "After",
    "before": "Hash of the plan before", "window": "Hours", "window_before": "Hours before", "budget": "Ceilings",
    "closed": "Closed at", "missed": "Hours missed", "given": "Numbers given", "changed": "Numbers changed",
    "starts": "Begins", "ends": "Ends", "hours": "Hours", "rate": "Segments a second", "sender": "Sender's name",
    "owner": "Owner of the hotline", "words": "Reason", "tested": "Who answered the call", "value": "New value",
    "effective_on": "In force from", "change": "Number of the change", "days": "Days",
    "issuer": "Issuer of the account",
    "principal": "In place of", "carriers": "Carriers", "despite": "Though not every phone has it", "again": "Again",
    "full": "With whole numbers", "form": "Kind of file", "sha256": "Hash of the file", "log": "Hash of the send log",
    "digest": "Hash of the definition", "evidence": "Evidence", "lifted": "Stops lifted", "locks": "Locks taken off",
    "made_at": "Made at", "email": "Address", "way": "By", "asked": "Asked", "waves": "Waves",
    "orders": "Carrier orders", "id": "Number of the entry",
    "campaign_version": "Version", "wave": "the whole wave", "day": "a day", "dong": "Dong", "segments": "Segments",
    "price": "Dong a segment", "name": "Name", "cost": "What a call costs", "source": "Source",
    "accounts": "Accounts", "ended": "Taken out of use", "instead_of": "In the place of",
}  # fmt: skip
"""Name of a fact -> its label; a fact without a label shows its own name."""
NOTHING: tuple[Any, ...] = ("", None, [], {})
OF_WAVES = ("wave.", "canary.", "budget.", "hotline.unverified", "sender.gone", "failover", "report.", "export.")
"""Beginnings of acts whose subject is a wave."""
KINDS = {"draft.": "Drafts", "wave.": "waves", "account.": "sending accounts", "sending.": "kill switch",
         "audience.": "lists", "order.": "carrier orders", "message.": "look-ups", "export.": "exports",
         "report.": "reports", "console.": "sign-in", "person.": "people", "deputy.": "deputies",
         "audit.": "this record"}  # fmt: skip


def audit_page(call: Call) -> Response:
    """The newest acts first; each page of fifty has an address of its own."""
    return _page(call, call.request.query_params, "")


def _page(call: Call, asked: Mapping[str, str], wrong: str, status: int = 200) -> Response:
    given = {name: asked.get(name, "").strip()[:80] for name in FIELDS}
    try:
        wanted = _wanted(given)
    except Problem as problem:
        wanted, wrong, status = Wanted(), call.words.problem(problem), 422
    last = place_of(asked.get("before", ""), DIGITS)
    with call.house.begin() as conn:
        found = audit.entries(conn, wanted, most=ROWS + 1, before=last)
        n, known = audit.count(conn, wanted), people.names(conn)
        called = waves.names(conn, [int(each.subject) for each in found if _of_wave(each)])
    return show(
        call, "audit.html", status, rows=found[:ROWS], n=n, people=known, given=given, wrong=wrong, acts=ACTS,
        kinds=KINDS, facts=facts, label=lambda name: label(call.words, name), told=lambda fact: told(call.words, fact),
        further=_address(given, found[ROWS - 1].id) if len(found) > ROWS else "",
        why=call.form.get("why", ""), named=lambda each: _named(each, called),
        hashed=given["subject"] if len(given["subject"]) == DIGEST else "",
    )  # fmt: skip


def _of_wave(entry: Entry) -> bool:
    subject = entry.subject
    number = subject.isascii() and subject.isdigit() and len(subject) <= len(str(GREATEST))
    return number and entry.act.startswith(OF_WAVES) and int(subject) <= GREATEST


def _named(entry: Entry, called: Mapping[int, str]) -> str:
    """The wave that an act concerns; empty for other acts."""
    return called.get(int(entry.subject), "") if _of_wave(entry) else ""


def _wanted(given: Mapping[str, str]) -> Wanted:
    since, until = _day(given["since"]), _day(given["until"])
    return Wanted(given["person"], given["act"], given["subject"], since, until and until + timedelta(days=1))


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), ZONE)
    except (ValueError, OverflowError):
        raise Problem("choose the day first") from None


def _address(given: Mapping[str, str], before: int) -> str:
    return "?" + urlencode({name: value for name, value in given.items() if value} | {"before": before})


def facts(entry: Entry) -> list[tuple[str, Any]]:
    """What an entry says beside its sentence; long digests shortened, nothing empty."""
    return [(name, value[:12] if isinstance(value, str) and len(value) == DIGEST else value)
            for name, value in entry.details.items() if value not in NOTHING]  # fmt: skip


def label(words: Words, name: str) -> str:
    """What a fact is called; the counts of an import are called by their verdict."""
    if name in {verdict.value for verdict in Verdict}:
        return words.value(Verdict(name))
    return words.say(LABELS[name]) if name in LABELS else name


def told(words: Words, value: Any) -> Any:
    """A fact as people write it; of one with parts each part beside its label."""
    if isinstance(value, bool):
        return words.say("this is so") if value else words.say("this is not so")
    if isinstance(value, int | float):
        return words.number(value)
    if isinstance(value, Mapping):
        parts = ((name, each) for name, each in value.items() if each not in NOTHING)
        return "; ".join(f"{label(words, name)}: {told(words, each)}" for name, each in parts)
    if isinstance(value, list):
        return ", ".join(str(told(words, each)) for each in value)
    return words.say(value) if value in COSTS else value


def export(call: Call) -> Response:
    """The filtered record as a file: with a code and a reason, and an entry of its own."""
    reason = call.form.get("why", "").strip()[:500]
    given = {name: call.form.get(name, "").strip()[:80] for name in FIELDS}
    if not reason:
        return _page(call, call.form, call.words.say("write why the record is taken out: it is kept"), 422)
    wanted = _wanted(given)
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
        if not wrong:
            people.record(conn, call.who.login, "audit.export", "audit", reason=reason,
                          filter={name: value for name, value in given.items() if value})  # fmt: skip
    if wrong:
        return _page(call, call.form, wrong, 422)
    heads = HEADERS | {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_lines(call, wanted), 200, heads, "text/csv; charset=utf-8")


def _lines(call: Call, wanted: Wanted) -> Iterator[bytes]:
    with call.house.begin() as conn:
        yield from audit.lines(conn, wanted)
