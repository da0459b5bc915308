"""What happens at a named crash point when CRASH_AT names it: this process is killed, or stopped, there and then."""

from __future__ import annotations

import os
import signal
from pathlib import Path

DEATHS = ".deaths"
_passed: dict[str, int] = {}


def pass_by(wish: str) -> None:
    """CRASH_AT=name:n[:carrier[:STOP]]: at the n-th passing, by SIGKILL or once by SIGSTOP.

    With `carrier` (the path of a simulated carrier's truth without its end, or `folder/*` for all of a folder) not
    before something is read and not answered there: only such a death is a test. How much it was is written beside it.
    """
    name, at, carrier, how = (*wish.split(":"), "", "")[:4]
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] < int(at or 1):
        return
    if carrier and not _on_the_wire(name, Path(carrier)):
        return
    if how == "STOP":
        os.environ.pop("CRASH_AT")
    os.kill(os.getpid(), signal.SIGSTOP if how == "STOP" else signal.SIGKILL)


def _on_the_wire(name: str, carrier: Path) -> int:
    from providers.simulator.unanswered import total  # noqa: PLC0415 - a simulated carrier: only a drill has one

    open_now = total(carrier.parent, carrier.name).now
    if open_now > 0:
        with (carrier.parent / DEATHS).open("a", encoding="ascii") as deaths:
            deaths.write(f"{name} {os.getpid()} {open_now}\n")
    return max(0, open_now)
