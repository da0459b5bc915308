"""The simulated SMSC of the benchmarks as a process of its own, its files, and what processes cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

sys.path.insert(0, str(Path(__file__).parents[1]))

from config.servers.child import Identity, command
from providers.simulator.faults import Faults

LOGIN = {"system_id": "bench", "password": "bench"}
FAULTS = Faults(latency=0.02, refuse=0.005, receipt_delay=0.5, undelivered=0.03, repeat_receipt=0.01)
"""Those of the demo, without the throttling: Kannel stops a whole connection for a second at each "not now"."""
_TICKS = os.sysconf("SC_CLK_TCK")
_POLL = 0.01  # seconds between two looks at a file


class Carrier:
    """A simulated SMSC on a free port of 127.0.0.1; a context manager that ends it."""

    def __init__(self, folder: Path, faults: Faults = FAULTS) -> None:
        folder.mkdir(parents=True)
        self.faults, self.truth = faults, folder / "carrier.log"
        self._port_file, self._said = folder / "port", folder / "carrier.out"

    def __enter__(self) -> Self:
        with self._said.open("wb") as said:
            words = [sys.executable, __file__, str(self.truth), str(self._port_file), json.dumps(asdict(self.faults))]
            self.process = subprocess.Popen(dying_with_us(words), stdout=said, stderr=said)  # noqa: S603 - this file
        wait_for(lambda: self._port_file.exists() or self.process.poll() is not None, 20, "the simulated carrier")
        self.port = int(self._port_file.read_text(encoding="ascii"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self.process)

    @property
    def receipts(self) -> Path:
        """Where it notes each receipt that was acknowledged."""
        return self.truth.with_suffix(".receipts")

    def owes(self, numbers: Iterable[str]) -> int:
        """Receipts it sends for one message to each of these numbers."""
        taken = [number for number in numbers if not self.faults.hits(number, "refuse")]
        return len(taken) + sum(self.faults.hits(number, "repeat_receipt") for number in taken)


class Lines:
    """Counts the lines of a growing file, reading each byte once."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self.n = path, 0, 0

    def look(self) -> int:
        """Lines so far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                news = file.read()
            self._at += len(news)
            self.n += news.count(b"\n")
        return self.n


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured job."""

    name: str
    messages: int
    pdus: int
    seconds: float
    cpu: dict[str, float]  # seconds of user and system time by program
    note: str = ""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU a message, all its programs together."""
        return sum(self.cpu.values()) / self.messages * 1e6

    def line(self) -> str:
        """For people."""
        parts = " + ".join(f"{name} {seconds / self.messages * 1e6:.1f}" for name, seconds in self.cpu.items())
        return (
            f"{self.name:34} {self.messages:>9,} messages {self.seconds:8.2f} s {self.rate:9,.0f} messages/s"
            f" {self.pdus / self.seconds:9,.0f} PDUs/s   CPU {self.cost:6.1f} us a message ({parts}) {self.note}"
        )


def numbers(n: int) -> list[str]:
    """As many invented numbers, all different."""
    return [f"8497{i:07}" for i in range(n)]


def cpu(pid: int) -> float:
    """Seconds of user and system time of a process, its threads and its children that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def family(pid: int) -> list[int]:
    """A process and all that live below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text(encoding="ascii").split() for each in family(int(child))]
        except OSError:
            continue  # the thread ended meanwhile
    return found


def cost(pids: Iterable[int]) -> float:
    """CPU seconds of these processes and all below them."""
    return sum(cpu(each) for pid in pids for each in family(pid))


def wait_for(done: object, seconds: float, what: str, every: float = _POLL) -> None:
    """Return when `done()` is true; ends the benchmark when it takes longer."""
    until = time.monotonic() + seconds
    while not done():  # type: ignore[operator] # any callable
        if time.monotonic() > until:
            raise SystemExit(f"{what}: nothing after {seconds:.0f} s")
        time.sleep(every)


def dying_with_us(words: Sequence[str]) -> list[str]:
    """A command that ends when this benchmark does, kill -9 included."""
    return command(Identity(), signal.SIGKILL, words)


def tidy_on_sigterm() -> None:
    """SIGTERM ends the blocks that hold processes and folders, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def end(process: subprocess.Popen[bytes], patience: float = 10) -> None:
    """Ask it to stop, then make it."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def machine() -> str:
    """What this was measured on."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in info if line.startswith("model name")), "unknown processor")
    memory = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) / (1 << 20)
    busy = os.getloadavg()[0]
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {os.uname().release}, Python {python}, "
        f"{time.strftime('%Y-%m-%d %H:%M')}, load at the end {busy:.1f}"
    )


def _serve(truth: str, port_file: str, faults: str) -> None:
    """Be the carrier until SIGTERM."""
    from providers.simulator.run import run  # noqa: PLC0415 - only the carrier's own process needs it

    def tell(port: int) -> None:
        unfinished = Path(port_file).with_suffix(".new")
        unfinished.write_text(str(port), encoding="ascii")
        unfinished.rename(port_file)

    run("smpp", truth=Path(truth), faults=Faults(**json.loads(faults)), settings=LOGIN, ready=tell)


def _main(arguments: Sequence[str]) -> None:
    _serve(*arguments)


if __name__ == "__main__":
    _main(sys.argv[1:])
