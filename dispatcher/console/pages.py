"""Pages from their templates: escaped, without inline style or script, weighed, in the reader's language."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from campaigns.ledger import halts, waves
from campaigns.ledger.waves import Wave
from dispatcher.console.call import APPROVERS, SEEKERS, STAFF, WATCHERS, WORKBENCH, Call

HERE = Path(__file__).parent
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # `no-referrer` would make a form's Origin "null", which we refuse
}
FILES = {"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8"}
YEAR = "public, max-age=31536000, immutable"
MENU: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("/console", "Home", frozenset()),
    ("/console/campaigns", "Campaigns", STAFF),
    ("/console/approvals", "To be approved", STAFF),
    ("/console/orders", "Carrier orders", STAFF),
    ("/console/accounts", "Sending accounts", STAFF),
    ("/console/messages", "Messages", SEEKERS),
    ("/console/carriers", "Carriers", WORKBENCH),
    ("/console/audit", "Audit log", WATCHERS),
    ("/console/settings", "Settings", STAFF),
    ("/console/people", "People", frozenset({"operator"})),
)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["coded"] = coded
    made.globals["files"] = {name: f"/console/static/{name}?v={_version(name)}" for name in FILES}
    return made


def coded(words: str) -> Markup:
    """What stands between backticks, a command, as code."""
    parts = (Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(words.split("`")))
    return Markup().join(parts)


def _version(name: str) -> str:
    return hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]


def show(call: Call, template: str, status: int = 200, **facts: Any) -> Response:
    """A page."""
    words = call.words
    looks = call.request.cookies.get("look", "")
    page = _templates().get_template(template).render(
        say=words.say, words=words, number=words.number, call=call, person=call.person, mark=call.mark,
        theme=looks if looks in {"light", "dark"} else "", language=words.language, local=local, clock=clock,
        when=lambda wave: when(call, wave), section=_section(call.request.url.path),
        day=lambda at: words.date(local(at)), menu=_menu(call), here=call.request.url.path, roles=_roles(call),
        waiting=_waiting(call), killed=_killed(call), rehearsal=call.rehearsal,
        office=("UBND TỈNH LAI CHÂU", "Sở Thông tin và Truyền thông"), **facts,
    )  # fmt: skip
    return HTMLResponse(page, status, HEADERS | {"Content-Language": words.language, "Vary": "Cookie"})


def _killed(call: Call) -> bool:
    """The file, or the ledger's own switch."""
    if call.house.settings.kill_switch_file.exists():
        return True
    with call.house.begin() as conn:
        return halts.current(conn) is not None


def _menu(call: Call) -> list[tuple[str, str]]:
    if call.person is None:
        return []
    return [(path, call.words.say(name)) for path, name, roles in MENU if not roles or call.has(*roles)]


def _section(path: str) -> str:
    """Which line of the menu a page belongs to."""
    if path.startswith(("/console/lists/", "/console/drafts")):
        return "/console/campaigns"
    if path.startswith("/console/deputies"):
        return "/console/approvals"
    if path.startswith("/console/waves/"):
        return "/console/approvals" if path.endswith("/approve") else "/console/campaigns"
    return next((place for place, *_ in reversed(MENU) if path == place or path.startswith(f"{place}/")), "")


def when(call: Call, wave: Wave) -> str:
    """The hours and days of a wave in one sentence, the same on every page; a rehearsal is open all day."""
    opens, closes = (str(wave.plan["window"][name])[:5] for name in ("day_opens", "day_closes"))
    # a window that closes at midnight belongs to the day before
    first, last = local(wave.opens_at).date(), local(wave.closes_at - timedelta(seconds=1)).date()
    if opens == closes:
        return call.words.say("at any hour from {first} to the end of {last}", first=first, last=last)
    if first == last:
        return call.words.say("from {opens} to {closes} on {day}", opens=opens, closes=closes, day=first)
    return call.words.say("from {opens} to {closes} each day, {first} to {last}",
                          opens=opens, closes=closes, first=first, last=last)  # fmt: skip


def _roles(call: Call) -> str:
    return ", ".join(call.words.say(role) for role in call.person.roles) if call.person else ""


def _waiting(call: Call) -> int:
    """Waves that wait for an approval; for who approves, those that wait for this very person's."""
    if not call.has(*STAFF):
        return 0
    with call.house.begin() as conn:
        return len(waves.lacking(conn, call.who.login if call.has(*APPROVERS) else ""))


def local(at: datetime) -> datetime:
    """On the province's clock."""
    return at.astimezone(ZONE)


def clock(at: datetime) -> str:
    """10:56:17."""
    return f"{local(at):%H:%M:%S}"


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def static(call: Call) -> Response:
    """One of our two files; its address names its content, so a browser keeps it."""
    name = str(call.request.path_params["name"])
    if name not in FILES:
        return Response(status_code=404)
    return Response((HERE / "static" / name).read_bytes(), 200, {"Cache-Control": YEAR}, FILES[name])


def theme_and_language(call: Call) -> Response:
    """Keep the reader's choice and go back."""
    back = call.form.get("back", "")
    response: Response = Response(status_code=303, headers={"Location": own_path(back)})
    kept: Mapping[str, tuple[str, ...]] = {"look": ("light", "dark", "auto"), "lang": ("vi", "en")}
    for name, allowed in kept.items():
        if (chosen := call.form.get(name, "")) in allowed:
            response.set_cookie(name, chosen, max_age=31_536_000, path="/", samesite="lax", httponly=True)
    return response


def own_path(text: str) -> str:
    """A path of the console, or its home: nobody is sent to another site by a link of ours."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and "//" not in text
    return text if plain and (text == "/console" or text.startswith(("/console/", "/console?"))) else "/console"
