"""Which wave is meant: by its id, or `latest`."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import psycopg
import typer

from campaigns.ledger import waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem

LATEST = "latest"

WaveName = Annotated[str, typer.Argument(metavar="WAVE", help="the wave's id, or latest")]


def read_id(said: str) -> int:
    """An id as people give it; raises Problem."""
    if not (said.isascii() and said.isdigit() and int(said) < 1 << 63):
        raise Problem("{said} is not an id: give the digits that were shown, or latest", said=repr(said))
    return int(said)


def day_of(said: str) -> date:
    """A day; raises Problem."""
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise Problem("{said} is no day; write it as 2024-07-30", said=repr(said)) from None


def find_wave(conn: psycopg.Connection, said: str) -> Wave:
    """The wave that is meant; raises Problem when there is none."""
    if said != LATEST:
        return waves.get(conn, read_id(said))
    planned = waves.all_waves(conn)
    if not planned:
        raise Problem("no wave was planned yet: see `dispatcher wave plan --help`")
    return planned[0]
