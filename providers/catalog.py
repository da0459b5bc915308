"""Which class speaks to which provider: one line each; an installation may name its own as "package.module:Class"."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from campaigns.terms import Problem
from providers.base import Provider

CLASSES: Final[dict[str, str]] = {
    "smpp": "providers.smpp:Smpp",
    "esms": "providers.esms:Esms",
    "speedsms": "providers.speedsms:SpeedSms",
    "twilio": "providers.twilio:Twilio",
}


def find(name: str) -> type[Provider]:
    """The class of a catalogued provider or of "package.module:Class"; raises Problem."""
    try:
        found = load(CLASSES.get(name, name))
    except (ImportError, AttributeError, ValueError) as error:
        raise Problem(
            'no provider "{name}": use one of {names}, or "package.module:Class" of an installed package',
            name=name,
            names=", ".join(sorted(CLASSES)),
        ) from error
    if not (isinstance(found, type) and issubclass(found, Provider)):
        raise Problem('"{name}" is no provider: the class must extend providers.base.Provider', name=name)
    return found


def build(name: str, settings: Mapping[str, Any], account: str = "") -> Provider:
    """The provider of one account, not yet connected; raises Problem naming the account and the key."""
    cls = find(name)
    owner = f"account {account or name}"
    check_settings(cls, settings, owner)
    try:
        return cls(**settings)
    except Problem as problem:
        raise Problem("{owner}: {problem}", owner=owner, problem=problem) from None


def load(path: str) -> Any:
    """The object that "package.module:name" names; raises ImportError, AttributeError or ValueError."""
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ValueError(path)
    return getattr(import_module(module), attribute)


def check_settings(made: Callable[..., Any], settings: Mapping[str, Any], owner: str) -> None:
    """Compare settings with the keyword arguments of what they are for; raises Problem for the first that is wrong."""
    known = {
        key: parameter
        for key, parameter in inspect.signature(made, eval_str=True).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for key, value in settings.items():
        if key not in known:
            keys = ", ".join(sorted(known))
            raise Problem('{owner}: no key "{key}"; known are {keys}', owner=owner, key=key, keys=keys)
        _check_kind(owner, key, value, known[key].annotation)
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in settings:
            raise Problem('{owner}: the key "{key}" is missing: add it to the account', owner=owner, key=key)


def _check_kind(owner: str, key: str, value: object, kind: object) -> None:
    """Plain kinds only; the value is not shown, it may be a secret."""
    fits = isinstance(value, (int, float) if kind is float else kind) if kind in (str, int, float, bool) else True
    if not fits or (isinstance(value, bool) and kind is not bool and kind in (str, int, float)):
        raise Problem(
            '{owner}: "{key}" must be of kind {kind}, not {found}',
            owner=owner,
            key=key,
            kind=getattr(kind, "__name__", str(kind)),
            found=type(value).__name__,
        )
