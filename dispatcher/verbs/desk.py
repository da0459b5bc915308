"""What every verb works at: the language, the two outputs, the settings, the house, and who is acting."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from campaigns.terms import Problem
from dispatcher.words import Words

if TYPE_CHECKING:
    from campaigns.ledger.people import Person
    from config.settings import Settings
    from dispatcher.assemble import Site
    from workers.house import House

KEY = "DISPATCHER_KEY"
WIDTH = 140  # columns where there is no terminal: a table row stays one line

Login = Annotated[
    str, typer.Option("--as", metavar="LOGIN", help="who does this; that person's key is in DISPATCHER_KEY")
]
MaybeLogin = Annotated[str, typer.Option("--as", metavar="LOGIN", help="who does this; needed for whole numbers")]


@dataclass(frozen=True, slots=True)
class Desk:
    """One call of the command line."""

    words: Words
    out: Console  # for people: standard output, or standard error beside --json
    json_out: bool
    data: Path | None  # --data
    rehearsal: bool  # --rehearsal
    env: Mapping[str, str]

    def say(self, template: str, /, style: str | None = None, **values: object) -> None:
        """Print a sentence in the language."""
        self.out.print(self.words.say(template, **values), style=style, soft_wrap=True)

    def answer(self, **facts: Any) -> None:
        """With --json: one line on standard output, the last one. Ids are text: JSON's readers round 63 bits."""
        if self.json_out:
            sys.stdout.write(json.dumps(facts, ensure_ascii=False, default=str) + "\n")
            sys.stdout.flush()

    def settings(self, *, rehearsal: bool | None = None) -> Settings:
        """The settings of this installation; a rehearsal lies in a data folder of its own. Raises config's Problem."""
        from config.settings import load  # noqa: PLC0415 - 0.1 s that `text` and `--help` need not wait for

        if not (self.rehearsal if rehearsal is None else rehearsal):
            return load(self.env, data=self.data)
        folder = self.data or Path(self.env.get("DISPATCHER_DATA") or "var") / "rehearsal"
        return load(self.env, data=folder, profile="rehearsal")

    @contextmanager
    def site(self, *, start: bool = True) -> Iterator[Site]:
        """The servers, joined when they run, started for this call when they are ours; and a prepared database."""
        from dispatcher import assemble  # noqa: PLC0415 - 0.3 s, as above

        with assemble.site(self.settings(), rehearsal=self.rehearsal, start=start) as site:
            with _told_simply():
                _make_ready(site)
            yield site

    @contextmanager
    def house(self, *, start: bool = True) -> Iterator[House]:
        """A House on those servers."""
        from dispatcher import assemble  # noqa: PLC0415 - as above

        with self.site(start=start) as site:
            house = assemble.house(site)
            try:
                with _told_simply():
                    yield house
            finally:
                house.engine.dispose()
                house.redis.close()

    def person(self, house: House, login: str, *scopes: str) -> Person:
        """The person who acts, whose key allows one of these; a Problem otherwise."""
        from campaigns.ledger import people  # noqa: PLC0415 - needs the database's library, 0.1 s

        key = self.env.get(KEY, "")
        with house.begin() as conn:
            known = people.who(conn, key) if key else None
            scope = next((s for s in scopes if known and s in known.scopes), scopes[0])
            return people.require(conn, login, key, scope)


def desk_of(context: typer.Context) -> Desk:
    """The desk of a running verb."""
    found = context.find_object(Desk)
    if found is None:
        raise TypeError("a verb runs under dispatcher.cli.run")
    return found


def _make_ready(site: Site) -> None:
    """Bring a database that we may change to this version; say what to do about one that we may not."""
    from campaigns.ledger import figures, schema  # noqa: PLC0415 - as above
    from dispatcher import assemble  # noqa: PLC0415 - as above

    found = schema.version(site.app)
    if found != schema.HEAD and not site.owner:
        raise Problem(
            "the database is at version {found}, this program needs {needed}: run `dispatcher migrate`",
            found=found or "-",
            needed=schema.HEAD,
        )
    if site.owner:
        assemble.prepare(site)
        return
    engine = schema.open_engine(site.app)
    with schema.begin(engine) as conn:
        rehearsal = figures.installation(conn).rehearsal
    engine.dispose()
    if rehearsal != site.rehearsal:
        kind = "rehearsals" if rehearsal else "real sending"
        raise Problem(
            "this database is for {kind} only: add or leave out --rehearsal, or use another data folder", kind=kind
        )


@contextmanager
def _told_simply() -> Iterator[None]:
    """A server that does not answer is a Problem that a person can act on, not a fault of the program."""
    import psycopg  # noqa: PLC0415 - as above
    import redis  # noqa: PLC0415 - as above
    import sqlalchemy.exc  # noqa: PLC0415 - as above

    try:
        yield
    except (psycopg.OperationalError, sqlalchemy.exc.OperationalError) as error:
        raise Problem("the database does not answer ({why}): look at `dispatcher doctor`", why=_first(error)) from error
    except redis.ConnectionError as error:
        raise Problem("Redis does not answer ({why}): look at `dispatcher doctor`", why=_first(error)) from error


def _first(error: Exception) -> str:
    from config.logs import mask  # noqa: PLC0415 - only on the way out

    return mask(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
