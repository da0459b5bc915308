"""The schema: forward to its head and no further, twice is once, and a database keeps its kind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from campaigns.ledger import registry, schema
from campaigns.terms import Account, Problem
from config.servers import Servers, Urls
from dispatcher.assemble import Site
from tests.hand import one

SHAPE = """
SELECT table_name::text, column_name::text, data_type::text, column_default::text FROM information_schema.columns
    WHERE table_schema = 'public'
UNION ALL SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), '' FROM pg_constraint
UNION ALL SELECT proname::text, prosrc, proacl::text, '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT relname::text, relacl::text, '', '' FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT one::text, rehearsal::text, incarnation::text, '' FROM installation
ORDER BY 1, 2, 3, 4
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """A fresh cluster with an empty database."""
    with Servers(tmp_path_factory.mktemp("empty") / "var") as servers:
        yield servers.start()


def test_head_is_alembics_head() -> None:
    """One line of changes, and the constant that all others look at names its end."""
    config = Config()
    config.set_main_option("script_location", str(schema.HERE / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_migrating_again_does_nothing(site: Site, owner: psycopg.Connection) -> None:
    """Tables, constraints, functions, rights and the installation's row are the same after a second migration."""
    before = owner.execute(SHAPE).fetchall()
    owner.rollback()
    assert schema.migrate(site.owner, rehearsal=True) is False
    assert owner.execute(SHAPE).fetchall() == before
    assert schema.version(site.owner) == schema.HEAD


def test_a_rehearsal_database_refuses_to_become_real(site: Site, owner: psycopg.Connection) -> None:
    """Told what it is for; nothing changes."""
    with pytest.raises(Problem, match="for rehearsals only"):
        schema.migrate(site.owner, rehearsal=False)
    assert one(owner, "SELECT rehearsal FROM installation") == (True,)


def test_two_starts_at_once_migrate_once(empty: Urls) -> None:
    """Of two first starts on an empty database one does the work; and a real database is for no rehearsal."""
    assert schema.version(empty.owner) is None
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda: done.append(schema.migrate(empty.owner, rehearsal=False))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, True]
    with pytest.raises(Problem, match="for real sending only"):
        schema.migrate(empty.owner, rehearsal=True)
    with psycopg.connect(empty.app) as app:
        assert one(app, "SELECT rehearsal, locked_reason FROM installation") == (False, "")


def test_the_program_cannot_migrate(site: Site) -> None:
    """The schema is the owner's alone."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        schema.migrate(site.app, rehearsal=False)


def test_the_change_of_guard_is_the_transition_table(owner: psycopg.Connection) -> None:
    """No placeholder is left in what was installed."""
    for (source,) in owner.execute("SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"):
        assert "{app}" not in source
        assert "{guard}" not in source


def test_carriers_keep_their_numbers(app: psycopg.Connection) -> None:
    """Entered again, in another order and with a new one between: nobody's number moves."""
    before = app.execute("SELECT name, id FROM carrier ORDER BY id").fetchall()
    names = [name for name, _ in before]
    registry.enter_carriers(app, ["new", *reversed(names)])
    after: dict[str, int] = dict(app.execute("SELECT name, id FROM carrier").fetchall())
    assert after == dict(before) | {"new": max(id_ for _, id_ in before) + 1}


def test_accounts_are_as_configured_now(app: psycopg.Connection) -> None:
    """Switched off in the configuration is switched off for T1."""
    row = "SELECT provider, simulated, enabled, licence FROM account WHERE name = 'sim-smpp'"
    assert one(app, row)[2] is True
    registry.enter_accounts(app, [Account("sim-smpp", "smpp", True, False, 7.0, (), 0)])  # noqa: FBT003 - columns
    assert one(app, row) == ("smpp", True, False, 7.0)
