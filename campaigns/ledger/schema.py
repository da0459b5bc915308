"""The ledger's schema: migrated forward by the owner role, looked at by everybody else."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from campaigns import drafting, order
from campaigns.message import guard_sql
from campaigns.terms import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

HEAD = "0035"
"""The newest change in migrations/versions; a test holds it against alembic's own answer."""

HERE = Path(__file__).parent
APP_ROLE = "dispatcher_app"


def version(url: str) -> str | None:
    """Which change this database is at; None when it is empty."""
    with psycopg.connect(url) as conn:
        if conn.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return None
        row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def migrate(owner_url: str, *, rehearsal: bool) -> bool:
    """Bring the database to HEAD as its owner; True when something was done. A database never changes its kind."""
    with psycopg.connect(owner_url) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(20240625)")  # two starts at once: the second finds it done
        done = version(owner_url)
        if done != HEAD:
            _upgrade(owner_url)
        kind = _kind(conn, rehearsal=rehearsal)
    if kind != rehearsal:
        raise Problem(
            "this database is for {kind} only: add or leave out --rehearsal, or use another data folder",
            kind="rehearsals" if kind else "real sending",
        )
    return done != HEAD


def _upgrade(owner_url: str) -> None:
    from alembic import command  # noqa: PLC0415 - 0.3 s that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - as above
    from sqlalchemy import create_engine  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    engine = create_engine(sqlalchemy_url(owner_url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _kind(conn: psycopg.Connection, *, rehearsal: bool) -> bool:
    conn.execute(
        "INSERT INTO installation (rehearsal, incarnation) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (rehearsal, secrets.randbits(62)),
    )
    row = conn.execute("SELECT rehearsal FROM installation").fetchone()
    return bool(row and row[0])


def run_sql_file(connection: Connection, name: str) -> None:
    """Run one file of sql/ with the program's role and the generated guards put in."""
    text = (HERE / "sql" / name).read_text(encoding="utf-8")
    sql = text.replace("{app}", APP_ROLE).replace("{guard}", guard_sql()).replace("{order_guard}", order.guard_sql())
    sql = sql.replace("{draft_guard}", order.guard_sql(drafting.TRANSITIONS))
    raw = connection.connection.cursor()
    raw.execute(sql)
    raw.close()


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy's psycopg dialect."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def open_engine(app_url: str) -> Engine:
    """A pool of connections of the program's role; connects only when used. Parameters never reach an error's text."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - 0.1 s that a worker's hot path never needs

    return create_engine(
        sqlalchemy_url(app_url), pool_size=4, max_overflow=12, pool_pre_ping=True, hide_parameters=True
    )


@contextmanager
def begin(engine: Engine) -> Iterator[psycopg.Connection]:
    """One transaction on a pooled connection, as psycopg's own connection: COPY and sets need it."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - as open_engine

    try:
        with engine.begin() as connection:
            raw = connection.connection.driver_connection
            if not isinstance(raw, psycopg.Connection):
                raise TypeError(type(raw))
            yield raw
    except DBAPIError as error:  # a pool's own error: callers know psycopg's
        raise psycopg.OperationalError(type(error.orig).__name__) from None
