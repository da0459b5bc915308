"""Which account carries which network; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from campaigns.terms import Account, Problem


def usable(routes: Mapping[str, Sequence[str]], accounts: Mapping[str, Account]) -> dict[str, list[Account]]:
    """Carrier -> the enabled accounts of its route in the order written, none where there is none; raises Problem."""
    check(routes, accounts)
    found = {carrier: [accounts[name] for name in names if accounts[name].enabled] for carrier, names in routes.items()}
    return {carrier: each for carrier, each in found.items() if each}


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
