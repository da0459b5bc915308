"""Carriers and accounts of this installation, read from carriers.toml: who may carry what, how fast, at what price."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import data as shipped
from config.problem import Problem

# Decree 91/2020: at most 11 Latin letters, digits, hyphen, underscore, full stop or space.
SENDER_NAME = re.compile(r"[A-Za-z0-9._ -]{1,11}")
SECRET_WORDS = re.compile(r"pass(word|wd)?|secret|token|api_?key", re.IGNORECASE)
REFERENCES = ("_env", "_file")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A mobile network, in the fixed order in which waves are numbered and reports are printed."""

    id: str  # as in prefixes.csv
    name: str  # as its subscribers know it
    receipts: bool  # False: it never says what reached a phone, and the report says so


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One contract with one provider, as carriers.toml has it."""

    name: str
    provider: str  # a name of providers/catalog.py, or "package.module:Class"
    simulated: bool  # may carry rehearsals only
    enabled: bool
    licence: float  # segments a second
    carriers: tuple[str, ...]  # which networks it may carry
    price: int  # dong a segment
    senders: dict[str, str] = field(default_factory=dict, hash=False)  # carrier -> brandname registered there
    settings: dict[str, Any] = field(default_factory=dict, hash=False)  # the provider's keyword arguments, unresolved

    def keywords(self, env: Mapping[str, str]) -> dict[str, Any]:
        """The provider's keyword arguments with every secret fetched from where it is kept. Raises Problem."""
        return dict(_fetched(self.name, key, value, env) for key, value in self.settings.items())


KINDS: dict[str, tuple[type, ...]] = {
    "provider": (str,),
    "simulated": (bool,),
    "enabled": (bool,),
    "licence": (int, float),
    "carriers": (list,),
    "price": (int,),
    "senders": (dict,),
    "settings": (dict,),
}


def load_carriers(path: Path = shipped.CARRIERS) -> tuple[Carrier, ...]:
    """The carriers in their fixed order."""
    return tuple(_carrier(path, key, row) for key, row in _read(path)["carriers"].items())


def load_accounts(path: Path = shipped.CARRIERS) -> tuple[AccountSettings, ...]:
    """All accounts, disabled ones too, in the order of the file. Raises config.problem.Problem."""
    written = _read(path)
    known = tuple(written["carriers"])
    return tuple(_account(path, name, row, known) for name, row in written.get("accounts", {}).items())


def _read(path: Path) -> dict[str, Any]:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem("{place} cannot be read: {why}", place=str(path), why=str(error)) from None
    for key in written:
        if key not in {"carriers", "accounts"}:
            raise Problem("{place}: {key} is unknown; allowed are {allowed}",
                          place=path.name, key=key, allowed="carriers, accounts")  # fmt: skip
    if not written.get("carriers"):
        raise Problem("{place}: no carrier is named; copy the [carriers] tables of the shipped file", place=path.name)
    return written


def _carrier(path: Path, key: str, row: dict[str, Any]) -> Carrier:
    if set(row) != {"name", "receipts"} or not isinstance(row["receipts"], bool):
        raise Problem("{place}: carrier {carrier} needs exactly name (text) and receipts (true or false)",
                      place=path.name, carrier=key)  # fmt: skip
    return Carrier(key, str(row["name"]), row["receipts"])


def _account(path: Path, name: str, row: dict[str, Any], known: tuple[str, ...]) -> AccountSettings:
    for key in row:
        if key not in KINDS:
            raise Problem("{place}: account {account}: {key} is unknown; allowed are {allowed}",
                          place=path.name, account=name, key=key, allowed=", ".join(KINDS))  # fmt: skip
    for key, kinds in KINDS.items():
        _check_kind(path, name, key, row.get(key), kinds)
    account = AccountSettings(**(row | {"name": name, "carriers": tuple(row["carriers"])}))
    _check_figures(path, account)
    _check_carriers(path, account, known)
    _check_secrets(path, account)
    return account


def _check_kind(path: Path, name: str, key: str, value: object, kinds: tuple[type, ...]) -> None:
    if value is None:
        raise Problem("{place}: account {account}: {key} is missing", place=path.name, account=name, key=key)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise Problem(
            "{place}: account {account}: {key} must be {wanted}, not {value}",
            place=path.name, account=name, key=key, wanted=" / ".join(kind.__name__ for kind in kinds),
            value=repr(value),
        )  # fmt: skip


def _check_figures(path: Path, account: AccountSettings) -> None:
    if account.licence <= 0:
        raise Problem("{place}: account {account}: licence must be above 0 segments a second, not {value}",
                      place=path.name, account=account.name, value=account.licence)  # fmt: skip
    if account.price < 0:
        raise Problem("{place}: account {account}: price must be 0 dong or more, not {value}",
                      place=path.name, account=account.name, value=account.price)  # fmt: skip


def _check_carriers(path: Path, account: AccountSettings, known: tuple[str, ...]) -> None:
    for carrier in (*account.carriers, *account.senders):
        if carrier not in known:
            raise Problem("{place}: account {account}: carrier {carrier} is unknown; known are {allowed}",
                          place=path.name, account=account.name, carrier=carrier, allowed=", ".join(known))  # fmt: skip
    for carrier in account.carriers:
        if not SENDER_NAME.fullmatch(str(account.senders.get(carrier, ""))):
            raise Problem(
                "{place}: account {account}: senders.{carrier} must be the name registered there: "
                "1 to 11 Latin letters, digits, - _ . or space",
                place=path.name, account=account.name, carrier=carrier,
            )  # fmt: skip


def _check_secrets(path: Path, account: AccountSettings) -> None:
    """A real account's secret never stands in the file: it would be in git, in backups and on screens."""
    for key, value in account.settings.items():
        plain = SECRET_WORDS.search(key) and not key.endswith(REFERENCES) and not isinstance(value, dict)
        if plain and not account.simulated:
            raise Problem(
                "{place}: account {account}: settings.{key} is a secret and must not stand here; "
                "write {key}_env or {key}_file and keep the secret there",
                place=path.name, account=account.name, key=key,
            )  # fmt: skip


def _plain(key: str) -> str:
    return next((key.removesuffix(end) for end in REFERENCES if key.endswith(end)), key)


def _fetched(account: str, key: str, value: Any, env: Mapping[str, str]) -> tuple[str, Any]:
    """One keyword argument; `x_env`, `x_file` and `x = { env = ... }` become x. Only keys that name a secret."""
    if isinstance(value, dict) and set(value) == {"env"}:
        return key, _from_env(account, key, str(value["env"]), env)
    if isinstance(value, dict) and set(value) == {"file"}:
        return key, _from_file(account, key, Path(value["file"]))
    if SECRET_WORDS.search(key) and key.endswith("_env"):
        return _plain(key), _from_env(account, key, str(value), env)
    if SECRET_WORDS.search(key) and key.endswith("_file"):
        return _plain(key), _from_file(account, key, Path(value))
    return key, value


def _from_env(account: str, key: str, name: str, env: Mapping[str, str]) -> str:
    if not env.get(name):
        raise Problem("account {account}: settings.{key} names the variable {name}, which is not set",
                      account=account, key=key, name=name)  # fmt: skip
    return env[name]


def _from_file(account: str, key: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Problem("account {account}: settings.{key} names {path}, which cannot be read: {why}",
                      account=account, key=key, path=str(path), why=error.strerror) from None  # fmt: skip
