"""What the API takes and gives when a wave is steered: budget, canary, correction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dispatcher.api.shapes import Budget, BudgetLine, Counts, Given, Name, Taken


class BudgetTaken(Taken):
    """Other ceilings for a planned wave: each scope that is named stands in place of the plan's."""

    budget: Budget
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class BudgetChanged(Given):
    """Whether the ceilings are in force; else a second person has to give the same."""

    agreed: bool
    budget: list[BudgetLine]  # in force


class CorrectionTaken(Taken):
    """Another text for those whose phones may have got a wave's text."""

    text: Annotated[str, Field(min_length=1, max_length=2_000)]
    stop: Annotated[bool, Field(description="Cancel the wave first, for good, when it may still send.")] = False
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class ResendTaken(Taken):
    """A wave's text again: for `failed`, whom no carrier took in time, or for the `rest`, whose turn never came."""

    to: Literal["failed", "rest"]
    stop: bool = False
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class Offered(Given):
    """Whom a correction would reach now: states and carriers both sum to `n`."""

    text: str  # to begin with; nothing is planned with it by itself
    n: int
    states: Counts
    carriers: Counts


class CanaryTaken(Taken):
    """A person's word on what the seed phones show."""

    right: bool
    carriers: list[Name] = Field(
        default_factory=list, max_length=50, description="Only these; none: all whom it can be about."
    )
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    despite: Annotated[bool, Field(description="Right, though a seed phone is not known to have it: approvers.")] = (
        False
    )
