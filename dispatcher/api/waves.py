"""Waves: planned, approved by another person, started, stopped, watched."""

from __future__ import annotations

import logging
import time
from typing import Any

import psycopg
from fastapi import APIRouter, Request, Response
from redis import RedisError

from campaigns import wordings
from campaigns.doubts import doubts
from campaigns.ledger import (
    budgets,
    calls,
    canaries,
    figures,
    foreseen,
    halts,
    progress,
    registry,
    resends,
    trials,
    waves,
)
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, State
from dispatcher import acts, foresight, resending
from dispatcher.api.control_shapes import (
    BudgetChanged,
    BudgetTaken,
    CanaryTaken,
    CorrectionTaken,
    Offered,
    ResendTaken,
)
from dispatcher.api.errors import language
from dispatcher.api.shapes import (
    ApprovalGiven,
    ApprovalTaken,
    Approved,
    BudgetLine,
    CanaryGiven,
    ErrorGiven,
    Given,
    GivenId,
    GoingNow,
    Halted,
    HoursTaken,
    IdInPath,
    Reason,
    RelationGiven,
    Standing,
    StartTaken,
    Status,
    TrialWaiting,
    WaveGiven,
    WaveHalted,
    WavePlanned,
    WaveWhole,
)
from dispatcher.auth import Approver, HouseOf, Reader, Starter, Writer
from dispatcher.going import advice, as_json, budget_json, calls_json, segments_of, why_paused
from dispatcher.halting import noted
from dispatcher.reopening import give_hours
from dispatcher.words import speak
from workers.house import House

log = logging.getLogger(__name__)

router = APIRouter(prefix="/waves", tags=["waves"])


class ForecastGiven(Given):
    """What is foreseen of each text if the wave were approved now; and the approval's forecast beside the facts."""

    wave: GivenId
    texts: dict[str, dict[str, Any] | None]  # choice -> recipients, segments, dong, finishes_at; null: unknown account
    trial: list[TrialWaiting]  # accounts in trial that the plan meets; []: none
    compared: dict[str, Any] | None  # null: not started, or approved before forecasts were kept


@router.post("", responses={201: {"model": WaveWhole}})
def plan_wave(wanted: WavePlanned, request: Request, house: HouseOf, person: Writer, response: Response) -> WaveWhole:
    """Plan a wave of a campaign for an audience; 200 and the wave that is there, when its plan would be the same."""
    with house.begin() as conn:
        campaign, version = registry.get_campaign(conn, wanted.campaign)
        known = {wave.id for wave in waves.all_waves(conn)}
    rehearsal: bool = request.app.state.rehearsal
    draft = acts.draft_wave(house, campaign, version, wanted.no, int(wanted.audience), rehearsal=rehearsal,
                            variant=wordings.chosen(campaign, wanted.variant, wanted.language),
                            carriers=wanted.carriers, areas=wanted.areas, budget=wanted.budget,
                            calls=calls.planned(**wanted.calls.model_dump()) if wanted.calls else None,
                            canary=wanted.canary)  # fmt: skip
    wave = acts.plan_wave(house, draft, person.login)
    response.status_code = 200 if wave.id in known else 201
    with house.begin() as conn:
        return _whole(conn, wave)


@router.get("")
def list_waves(house: HouseOf, _person: Reader) -> list[WaveGiven]:
    """Every wave, the newest first."""
    with house.begin() as conn:
        return [WaveGiven.model_validate(wave) for wave in waves.all_waves(conn)]


@router.get("/{wave}")
def get_wave(wave: IdInPath, house: HouseOf, _person: Reader) -> WaveWhole:
    """A wave with its plan and its approvals."""
    with house.begin() as conn:
        return _whole(conn, waves.get(conn, int(wave)))


def _whole(conn: psycopg.Connection, wave: Wave) -> WaveWhole:
    plain = WaveGiven.model_validate(wave).model_dump()
    approvals = [ApprovalGiven.model_validate(each) for each in waves.approvals(conn, wave)]
    campaign, _ = registry.get_campaign(conn, wave.campaign, wave.version)
    relations = [RelationGiven.model_validate(each) for each in resends.relations(conn, wave.id)]
    return WaveWhole(**plain, text=wave.text, plan=wave.plan, approvals=approvals, relations=relations,
                     doubts=[each.as_json() for each in doubts(campaign.text)])  # fmt: skip


@router.post("/{wave}/approve")
def approve_wave(wave: IdInPath, given: ApprovalTaken, house: HouseOf, person: Approver) -> Approved:
    """Approve exactly this plan with this text, as an approver who did not plan it."""
    with house.begin() as conn:
        due = foresight.approve(house, conn, int(wave), person, typed=given.count, choice=given.text,
                                reason=given.reason, plan_hash=given.plan_hash)  # fmt: skip
    return Approved(plan_hash=given.plan_hash, approvals_due=due)


@router.post("/{wave}/start")
def start_wave(wave: IdInPath, house: HouseOf, person: Starter, given: StartTaken | None = None) -> WaveGiven:
    """Set an approved wave running; 422 while a hotline of its text is unverified and nobody says why it may be."""
    with house.begin() as conn:
        why = given.unverified_hotline if given else ""
        acts.ask_first(house, conn, waves.get(conn, int(wave)), person.login, why)
        found = waves.start(conn, int(wave), person)
    _ring(house, found)
    return WaveGiven.model_validate(found)


@router.post("/{wave}/pause")
def pause_wave(wave: IdInPath, house: HouseOf, person: Starter, given: Reason | None = None) -> WaveHalted:
    """Stop before the next write to any carrier; the status says how many may still be on their way."""
    return _halt(house, person, wave, "pause", given)


@router.post("/{wave}/resume")
def resume_wave(wave: IdInPath, house: HouseOf, person: Starter, given: Reason | None = None) -> WaveGiven:
    """Go on with what was never tried."""
    found = _move(house, person, wave, "resume", given)
    _ring(house, found)
    return WaveGiven.model_validate(found)


@router.post("/{wave}/reopen")
def reopen_wave(wave: IdInPath, given: HoursTaken, house: HouseOf, person: Writer) -> WaveWhole:
    """New hours for a wave that asks: a new plan hash, to be approved by others and started again."""
    if (given.opens is None) != (given.closes is None):
        raise Problem("give both ends of the hours, or none of them")
    span = (given.opens, given.closes) if given.opens is not None and given.closes is not None else None
    with house.begin() as conn:
        found = waves.get(conn, int(wave))
        return _whole(conn, give_hours(conn, found, person, first=given.first, until=given.until, span=span,
                                       reason=given.reason))  # fmt: skip


@router.post("/{wave}/cancel")
def cancel_wave(wave: IdInPath, house: HouseOf, person: Starter, given: Reason | None = None) -> WaveHalted:
    """Stop for good; what has left stays as it is."""
    return _halt(house, person, wave, "cancel", given)


@router.post("/{wave}/budget")
def change_budget(wave: IdInPath, given: BudgetTaken, house: HouseOf, person: Starter) -> BudgetChanged:
    """Ask for other ceilings; the same figures by a second person, an approver but not the author, set them."""
    with house.begin() as conn:
        agreed = budgets.change(conn, int(wave), given.budget, person, given.reason)
        lines = budgets.lines(conn, int(wave))
    return BudgetChanged(agreed=agreed, budget=[BudgetLine.model_validate(budget_json(line)) for line in lines])


@router.get("/{wave}/canary")
def get_canary(wave: IdInPath, house: HouseOf, _person: Reader) -> list[CanaryGiven]:
    """What became of the seed messages, by carrier; none: the wave has no canary."""
    with house.begin() as conn:
        return [CanaryGiven.model_validate(each) for each in canaries.standing(conn, waves.get(conn, int(wave)).id)]


@router.post("/{wave}/canary")
def say_canary(wave: IdInPath, given: CanaryTaken, house: HouseOf, person: Starter) -> list[CanaryGiven]:
    """Say that the text on the seed phones is right, or wrong: what waits goes on or stays, carrier by carrier."""
    with house.begin() as conn:
        found = waves.get(conn, int(wave))
        canaries.say(conn, found, person, right=given.right, carriers=given.carriers, reason=given.reason,
                     despite=given.despite)  # fmt: skip
        told = [CanaryGiven.model_validate(each) for each in canaries.standing(conn, found.id)]
    _ring(house, found)
    return told


@router.get("/{wave}/correct")
def offered_correction(wave: IdInPath, house: HouseOf, _person: Reader) -> Offered:
    """Whom a correction of this wave would reach now, and a text to begin with."""
    offer = resending.offer(house, int(wave))
    states = {state.name.lower(): n for state, n in offer.chosen.states.items()}
    return Offered(text=offer.text, n=offer.chosen.n, states=states, carriers=dict(offer.chosen.carriers))


@router.post("/{wave}/correct", status_code=201)
def correct_wave(wave: IdInPath, given: CorrectionTaken, house: HouseOf, person: Writer) -> WaveWhole:
    """Plan another text for exactly those whose phones may have got this wave's; 422 while it may still send."""
    if given.stop:
        resending.stop_for_good(house, int(wave), resends.CORRECTION, person, given.reason)
    made = resending.plan(house, int(wave), resends.CORRECTION, person, given.text)
    with house.begin() as conn:
        return _whole(conn, made)


@router.post("/{wave}/resend", status_code=201)
def resend_wave(wave: IdInPath, given: ResendTaken, house: HouseOf, person: Writer) -> WaveWhole:
    """Plan this wave's text again for those whom no carrier took, or whose turn never came."""
    if given.stop:
        resending.stop_for_good(house, int(wave), given.to, person, given.reason)
    made = resending.plan(house, int(wave), given.to, person)
    with house.begin() as conn:
        return _whole(conn, made)


def _halt(house: House, person: Person, wave: str, act: str, given: Reason | None) -> WaveHalted:
    since = time.monotonic()
    found = _move(house, person, wave, act, given)
    told = Halted.model_validate(noted(house, person.login, found.id, since))
    return WaveHalted(**WaveGiven.model_validate(found).model_dump(), halted=told)


def _move(house: House, person: Person, wave: str, act: str, given: Reason | None) -> Wave:
    with house.begin() as conn:
        return waves.move(conn, int(wave), person.login, act, given.reason if given else "")


def _ring(house: House, wave: Wave) -> None:
    try:
        acts.ring(house, wave)
    except RedisError as error:
        log.warning("no bell for wave %s (%s): the sweeper rings it", wave.id, type(error).__name__)


@router.get("/{wave}/status")
def wave_status(wave: IdInPath, request: Request, house: HouseOf, _person: Reader) -> Status:
    """Live counts by carrier, of one moment: they sum to the wave at every instant; and how it goes now."""
    words = speak(language(request))
    with house.begin() as conn:
        figures.hold_still(conn)
        found = waves.get(conn, int(wave))
        carriers = figures.standing(conn, int(wave))
        accounts, age = progress.going(conn, found.id), progress.age(conn, found.id)
        told = progress.complaints(conn, found.id) if found.started_at else []
        budget, canary = budgets.lines(conn, found.id), canaries.standing(conn, found.id)
        slow, met = calls.of(conn, found.id), trials.of_wave(conn, found.id)
        stopped, reason = halts.current(conn) is not None, progress.state_reason(conn, found.id)
    return Status(
        wave=wave, state=found.state, n=found.n, in_flight=sum(each.in_flight for each in carriers),
        states={state.name.lower(): sum(each.counts.get(state, 0) for each in carriers) for state in State},
        carriers=[_standing(each) for each in carriers], stopped=stopped, age=round(age, 2),
        calls=calls_json(slow), reason=why_paused(words, reason),
        budget=[BudgetLine.model_validate(budget_json(line)) for line in budget],
        canary=[CanaryGiven.model_validate(each) for each in canary],
        trial=[TrialWaiting.model_validate(each) for each in met],
        accounts=[GoingNow.model_validate(as_json(each, segments_of(found))) for each in accounts],
        errors=[ErrorGiven(carrier=each.carrier, outcome=each.outcome.name.lower(), code=each.code, last=each.last,
                           messages=each.messages, advice=advice(words, each.outcome)) for each in told],
    )  # fmt: skip


@router.get("/{wave}/forecast")
def wave_forecast(wave: IdInPath, house: HouseOf, _person: Reader) -> ForecastGiven:
    """Cost, segments and finishing time: before the approval by each text, after the start beside what happened."""
    with house.begin() as conn:
        found = waves.get(conn, int(wave))
        beside = foreseen.beside(conn, found) if found.started_at else None
        met = trials.of_wave(conn, found.id)
    told = {choice: foresight.of_wave(house, found, choice) for choice in found.plan["texts"]}
    return ForecastGiven(wave=wave, texts={choice: each.as_json() if each else None for choice, each in told.items()},
                         trial=[TrialWaiting.model_validate(each) for each in met],
                         compared=beside.as_json() if beside else None)  # fmt: skip


def _standing(each: figures.Standing) -> Standing:
    states = {state.name.lower(): each.counts.get(state, 0) for state in State}
    return Standing(carrier=each.carrier, in_flight=each.in_flight, states=states, total=each.total)
