"""Files of a wave: written whole into a folder of ours first, so that nobody receives half of one."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from dispatcher.api.shapes import IdInPath
from dispatcher.auth import Exporter, HouseOf, Reader
from workers.house import House

router = APIRouter(prefix="/waves", tags=["papers"])

PIECE = 262_144
KINDS = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
Format = Literal["csv", "jsonl", "xlsx"]
Rows = Literal["messages", "attempts"]


@router.get("/{wave}/export", response_class=StreamingResponse)
async def export_wave(
    wave: IdInPath,
    request: Request,
    house: HouseOf,
    person: Exporter,
    form: Annotated[Format, Query(alias="format")] = "csv",
    rows: Annotated[Rows, Query(description="One row a message, or one an answer, receipt and look-up.")] = "messages",
) -> StreamingResponse:
    """One list of a wave; numbers show their last three digits."""

    def write(folder: Path) -> Path:
        from dispatcher import papers  # noqa: PLC0415 - python-docx and xlsxwriter are 0.2 s that few calls need

        out = folder / f"wave-{wave}-{rows}.{form}"
        papers.export(house, int(wave), form, out, person.login, rows=rows)
        return out

    return await sent(request, house, write)


@router.get("/{wave}/report", response_class=StreamingResponse)
async def report_wave(wave: IdInPath, request: Request, house: HouseOf, person: Reader) -> StreamingResponse:
    """The report to the provincial police as a letter (.docx): totals only."""

    def write(folder: Path) -> Path:
        from dispatcher import papers  # noqa: PLC0415 - as above

        return papers.write_report(house, int(wave), folder, person.login)["docx"]

    return await sent(request, house, write)


async def sent(request: Request, house: House, write: Callable[[Path], Path]) -> StreamingResponse:
    """Write in a thread, two papers at a time, and send the file."""
    two_at_a_time: asyncio.Semaphore = request.app.state.papers
    async with two_at_a_time:
        name, size, pieces = await asyncio.to_thread(_written, house, write)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(size)}
    return StreamingResponse(pieces, media_type=KINDS[name.rpartition(".")[2]], headers=headers)


def _written(house: House, write: Callable[[Path], Path]) -> tuple[str, int, Iterator[bytes]]:
    """The file's name, size and pieces; by then it has no name on the disk any more, and goes when it is sent."""
    with _scratch(house) as folder:
        path = write(folder)
        file = path.open("rb")
        return path.name, path.stat().st_size, iter(lambda: file.read(PIECE), b"")


@contextmanager
def _scratch(house: House) -> Iterator[Path]:
    folder = house.folder("incoming") / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
