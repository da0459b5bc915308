"""/metrics: figures for Prometheus, in its text format 0.0.4; names and meaning stand in docs/control.md, section 9."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

import psycopg
from fastapi import APIRouter, Response

from campaigns.ledger import accounts, budgets, calls, figures, halts, receipts, waves
from campaigns.terms import State
from dispatcher.auth import HouseOf, Reader

router = APIRouter(tags=["control"])
FRESH = 1.0
"""Seconds an answer is given again."""
RECENT = 7 * 86_400.0
"""Seconds after its end for which a wave is still told of."""


@dataclass(slots=True)
class _Kept:
    at: float = -FRESH
    page: str = ""
    lock: Lock = field(default_factory=Lock)


_kept = _Kept()

Sample = tuple[str, dict[str, str], float]
ABOUT = {
    "dispatcher_messages": "Messages of a wave by carrier and state; all states sum to the wave.",
    "dispatcher_in_flight": "The part of state queued that is between its intent and its counting.",
    "dispatcher_wave_running": "1 while the wave may send.",
    "dispatcher_budget_used_ratio": "Used part of a wave's ceiling, whole or of today; 1 stops it.",
    "dispatcher_wave_asks": "1 while the wave asks a person: its hours passed while the system was down.",
    "dispatcher_expected_calls_last_hour": "Calls expected of the last hour's messages of a wave that is slowed down.",
    "dispatcher_on_wire": "Messages that left and have no answer, all waves.",
    "dispatcher_speed_segments_per_second": "Segments that left, of the last three seconds.",
    "dispatcher_rate_segments_per_second": "Segments that may leave: the licence, or a person's rate below it.",
    "dispatcher_licence_segments_per_second": "The contract's licence.",
    "dispatcher_workers": "Living workers that hold a share.",
    "dispatcher_account_enabled": "1 while the account may send.",
    "dispatcher_account_trial": "1 while the account is in trial: it sends to its allow-list only.",
    "dispatcher_stopped": "1 while the kill switch is on.",
    "dispatcher_locked": "1 while nothing may leave, for whatever reason.",
    "dispatcher_counts_lag_seconds": "Age of the oldest answer that is not counted yet.",
}


@router.get("/metrics")
def metrics(house: HouseOf, _person: Reader) -> Response:
    """Figures for Prometheus; read once a second at most."""
    with _kept.lock:
        if time.monotonic() - _kept.at >= FRESH:
            with house.begin() as conn:
                _kept.page = _page(conn)
            _kept.at = time.monotonic()
        return Response(_kept.page, media_type="text/plain; version=0.0.4; charset=utf-8")


def _page(conn: psycopg.Connection) -> str:
    figures.hold_still(conn)
    samples = [*_of_waves(conn), *_of_accounts(conn), *_of_all(conn)]
    lines = []
    for name, about in ABOUT.items():
        lines += [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {value:g}" for of, labels, value in samples if of == name]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _of_waves(conn: psycopg.Connection) -> Iterator[Sample]:
    for wave in waves.all_waves(conn):
        if wave.started_at is None or (wave.finished_at and time.time() - wave.finished_at.timestamp() > RECENT):
            continue
        of = {"wave": str(wave.id), "campaign": wave.campaign, "no": str(wave.no)}
        yield "dispatcher_wave_running", of, float(wave.state == "running")
        for line in budgets.lines(conn, wave.id):
            yield "dispatcher_budget_used_ratio", {**of, "scope": line.scope, "unit": line.unit}, line.part
        yield "dispatcher_wave_asks", of, float(wave.asks)
        if slow := calls.of(conn, wave.id):
            yield "dispatcher_expected_calls_last_hour", of, slow.expected
        for each in figures.standing(conn, wave.id):
            here = {**of, "carrier": each.carrier}
            yield "dispatcher_in_flight", here, each.in_flight
            for state in State:
                yield "dispatcher_messages", {**here, "state": state.name.lower()}, each.counts.get(state, 0)


def _of_accounts(conn: psycopg.Connection) -> Iterator[Sample]:
    for each in accounts.standing(conn):
        of = {"account": each.name}
        says = [worker.says for worker in each.workers]
        yield "dispatcher_on_wire", of, sum(sum((told.get("wire") or {}).values()) for told in says)
        yield "dispatcher_speed_segments_per_second", of, sum(float(told.get("speed", 0)) for told in says)
        yield "dispatcher_rate_segments_per_second", of, each.rate
        yield "dispatcher_licence_segments_per_second", of, each.licence
        yield "dispatcher_workers", of, len(each.workers)
        yield "dispatcher_account_enabled", of, float(each.enabled)
        yield "dispatcher_account_trial", of, float(each.trial)


def _of_all(conn: psycopg.Connection) -> Iterator[Sample]:
    yield "dispatcher_stopped", {}, float(halts.current(conn) is not None)
    yield "dispatcher_locked", {}, float(bool(figures.installation(conn).locked_reason))
    yield "dispatcher_counts_lag_seconds", {}, receipts.oldest_unfolded(conn)
