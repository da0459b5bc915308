"""Which account carries which network; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from campaigns.terms import Account, Problem


def pick(carrier: str, routes: Mapping[str, Sequence[str]], accounts: Mapping[str, Account]) -> Account:
    """The first enabled account of the carrier's route, in the order written; raises Problem."""
    check(routes, accounts)
    if carrier not in routes:
        raise Problem(
            'no route for carrier "{carrier}": add it under [routes]; known are {known}',
            carrier=carrier,
            known=", ".join(sorted(routes)) or "-",
        )
    for name in routes[carrier]:
        if accounts[name].enabled:
            return accounts[name]
    raise Problem(
        'no enabled account for carrier "{carrier}" among {names}: enable one or add another to its route',
        carrier=carrier,
        names=", ".join(routes[carrier]) or "-",
    )


def check(routes: Mapping[str, Sequence[str]], accounts: Mapping[str, Account]) -> None:
    """Raise Problem for the first thing that makes these routes unusable as a whole."""
    for carrier, names in routes.items():
        for name in names:
            _check_stop(carrier, name, accounts)
    used = {name for names in routes.values() for name in names}
    simulated = sorted(name for name in used if accounts[name].simulated)
    real = sorted(name for name in used if not accounts[name].simulated)
    if simulated and real:
        # A rehearsal may use simulated accounts only, and they only rehearsals (ledger: section 12).
        raise Problem(
            "routes mix simulated accounts ({simulated}) with real ones ({real}): keep them in separate installations",
            simulated=", ".join(simulated),
            real=", ".join(real),
        )


def _check_stop(carrier: str, name: str, accounts: Mapping[str, Account]) -> None:
    if name not in accounts:
        raise Problem(
            'the route of carrier "{carrier}" names the account "{name}", which does not exist: known are {known}',
            carrier=carrier,
            name=name,
            known=", ".join(sorted(accounts)) or "-",
        )
    if carrier not in accounts[name].carriers:
        raise Problem(
            'the route of carrier "{carrier}" names the account "{name}", which may carry only {carriers}',
            carrier=carrier,
            name=name,
            carriers=", ".join(accounts[name].carriers) or "-",
        )
