"""Every adapter keeps the provider contract (see contract.py for what each check proves)."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.providers.contract import Case, Check, applicable, load_case
from tests.providers.contract_finds import finds

CASES = [load_case(path) for path in sorted((Path(__file__).parent / "cases").glob("*.toml"))]
PAIRS = [
    pytest.param(case, check, id=f"{case.kind}-{check.__name__}")
    for case in CASES
    for check in (*applicable(case), *((finds,) if case.http else ()))
]


@pytest.mark.parametrize(("case", "check"), PAIRS)
def test_contract(case: Case, check: Check, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The check holds, and nothing that was logged meanwhile shows a credential."""
    caplog.set_level(logging.DEBUG)
    asyncio.run(check(case, tmp_path))
    assert not [secret for secret in case.secrets if secret in caplog.text]
