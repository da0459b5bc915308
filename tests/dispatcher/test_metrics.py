"""/metrics as Prometheus reads it, over a real socket."""

from __future__ import annotations

import re

from campaigns.terms import State
from dispatcher.assemble import Site
from tests.cluster import AUTHOR, Started
from tests.serving import key_of, serving
from workers.house import House

LINE = re.compile(r'(?P<name>[a-z_]+)(?P<labels>\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)*\})? (?P<value>[0-9.e+-]+)')


def test_the_page_is_readable_and_its_states_sum_to_the_wave(site: Site, house: House, started: Started) -> None:
    """Each line is of the format and has its TYPE; every carrier's states together are the wave; no number in it."""
    wave = started(n=40)
    with serving(site) as served:
        said = served.get("/metrics", key_of(house, AUTHOR, "read"))
        assert served.get("/metrics").status == 401
    page = said.body.decode()
    assert said.headers["content-type"].startswith("text/plain; version=0.0.4")
    typed = set(re.findall(r"^# TYPE ([a-z_]+) gauge$", page, re.MULTILINE))
    found = [LINE.fullmatch(line) for line in page.splitlines() if not line.startswith("#")]
    assert all(found)
    samples = [each.groups() for each in found if each]
    assert {name for name, _, _ in samples} <= typed
    mine = [(labels, value) for name, labels, value in samples
            if name == "dispatcher_messages" and f'wave="{wave.id}"' in (labels or "")]  # fmt: skip
    assert sum(float(value) for _, value in mine) == 40
    assert {re.search(r'state="(\w+)"', labels or "")[1] for labels, _ in mine} == {  # type: ignore[index]
        state.name.lower() for state in State
    }
    assert ("dispatcher_stopped", None, "0") in samples
