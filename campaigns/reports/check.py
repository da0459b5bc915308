"""What must hold before figures become a paper; what does not is said so that a person finds the place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from campaigns.reports.figures import (
    CarrierFigures,
    CarrierStatement,
    MandateFacts,
    OrderFigures,
    ReportFigures,
    WaveFigures,
    sha256,
)
from campaigns.terms import Problem, Problems, Verdict


def check(figures: ReportFigures) -> None:
    """Raise Problem or Problems when a sum, a hash or a time does not hold; writers call it before opening a file."""
    found = list(faults(figures))
    if found:
        raise found[0] if len(found) == 1 else Problems(found)


def faults(figures: ReportFigures) -> Iterator[Problem]:
    """Each reason why these figures must not become a paper."""
    if not figures.waves and not figures.orders:
        yield Problem("The report has no wave: name at least one wave that was opened.")
        return
    yield from _mandate(figures.mandate)
    kinds = {wave.rehearsal for wave in figures.waves} | {order.rehearsal for order in figures.orders}
    if len(kinds) > 1:
        yield Problem("The report mixes rehearsals with real waves: make one report of each.")
    if len({wave.wave_id for wave in figures.waves}) < len(figures.waves):
        yield Problem("The report names one wave twice: name each wave once.")
    for wave in figures.waves:
        yield from _wave(wave)
    for statement in figures.statements:
        yield from _statement(statement)
    for order in figures.orders:
        yield from _order(order)
    whole = figures.total
    if whole.outcomes_sum != whole.recipients:
        yield Problem(
            "The report: outcomes sum to {sum}, but there are {recipients} recipients; call the operator.",
            sum=whole.outcomes_sum,
            recipients=whole.recipients,
        )


def _mandate(mandate: MandateFacts) -> Iterator[Problem]:
    if sha256(mandate.source_text) != mandate.source_sha256:
        yield Problem(
            "{document}: the text does not match its SHA-256 {digest}; load the document again.",
            document=mandate.number,
            digest=mandate.source_sha256,
        )


def _wave(wave: WaveFigures) -> Iterator[Problem]:
    yield from _times(wave)
    yield from _text(wave)
    yield from _audience(wave)
    yield from _receipts(wave)
    if not wave.carriers:
        yield Problem("{wave}: it has no carrier, so nothing to report; leave it out.", wave=wave.wave_name)
    if len({carrier.carrier for carrier in wave.carriers}) < len(wave.carriers):
        yield Problem("{wave}: one carrier stands in two rows; sum them first.", wave=wave.wave_name)
    for carrier in wave.carriers:
        yield from _carrier(wave.wave_name, carrier)


def _times(wave: WaveFigures) -> Iterator[Problem]:
    moments = {"opened": wave.opened, "closed": wave.closed, "generated_at": wave.generated_at}
    bare = [name for name, moment in moments.items() if moment is not None and not _zoned(moment)]
    for name in bare:
        yield Problem("{wave}: the time `{field}` has no zone; give it one.", wave=wave.wave_name, field=name)
    if not bare and not wave.opened <= (wave.closed or wave.generated_at) <= wave.generated_at:
        yield Problem(
            "{wave}: opened, closed and generated must follow each other; look at the wave's times.",
            wave=wave.wave_name,
        )


def _zoned(moment: datetime) -> bool:
    return moment.utcoffset() is not None


def _text(wave: WaveFigures) -> Iterator[Problem]:
    if sha256(wave.text) != wave.text_sha256:
        yield Problem(
            "{wave}: the text is not the one with SHA-256 {digest} that was approved; do not report it.",
            wave=wave.wave_name,
            digest=wave.text_sha256,
        )
    if wave.choice == "corrected" and not wave.choice_reason.strip():
        yield Problem(
            "{wave}: the mandated text was corrected without a reason; write the reason.", wave=wave.wave_name
        )


def _audience(wave: WaveFigures) -> Iterator[Problem]:
    rows = sum(wave.verdicts.values())
    if rows != wave.file_rows:
        yield Problem(
            "{wave}: the files have {file_rows} rows, the verdicts sum to {sum}; import the audience again.",
            wave=wave.wave_name,
            file_rows=wave.file_rows,
            sum=rows,
        )
    accepted, recipients = wave.verdicts.get(Verdict.ACCEPTED, 0), wave.total.recipients
    if accepted != recipients:
        yield Problem(
            "{wave}: {accepted} rows were accepted, but the carriers' recipients sum to {recipients}; plan again.",
            wave=wave.wave_name,
            accepted=accepted,
            recipients=recipients,
        )
    if any(count < 0 for count in wave.verdicts.values()):
        yield Problem("{wave}: a verdict has a negative count.", wave=wave.wave_name)


def _receipts(wave: WaveFigures) -> Iterator[Problem]:
    if not 0 <= wave.receipts_repeats <= wave.receipts_received:
        yield Problem(
            "{wave}: {repeats} repeated receipts cannot be among {received} received.",
            wave=wave.wave_name,
            repeats=wave.receipts_repeats,
            received=wave.receipts_received,
        )


def _carrier(wave_name: str, carrier: CarrierFigures) -> Iterator[Problem]:
    where = {"wave": wave_name, "carrier": carrier.name}
    counted = sum(carrier.counts.values())
    if counted != carrier.recipients:
        yield Problem(
            "{wave}, {carrier}: outcomes sum to {sum}, but there are {recipients} recipients; call the operator.",
            **where,
            sum=counted,
            recipients=carrier.recipients,
        )
    if any(count < 0 for count in carrier.counts.values()):
        yield Problem("{wave}, {carrier}: an outcome has a negative count; call the operator.", **where)
    if carrier.segments_each < 1:
        yield Problem(
            "{wave}, {carrier}: a message has at least one segment, not {segments}.",
            **where,
            segments=carrier.segments_each,
        )


def _order(order: OrderFigures) -> Iterator[Problem]:
    """What we wrote ourselves must hold; what a carrier wrote is shown with its failed checks and stops nothing."""
    if sha256(order.text) != order.text_sha256:
        yield Problem(
            "{wave}: the text is not the one with SHA-256 {digest} that was approved; do not report it.",
            wave=order.name,
            digest=order.text_sha256,
        )


def _statement(stated: CarrierStatement) -> Iterator[Problem]:
    figures = (stated.subscribers, stated.messages, stated.segments, stated.delivered or 0)
    if min(figures) < 0 or stated.messages > stated.segments or (stated.delivered or 0) > stated.messages:
        yield Problem(
            "{carrier}, {document}: delivered <= messages <= segments does not hold; ask the carrier.",
            carrier=stated.name,
            document=stated.document,
        )
