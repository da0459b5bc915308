"""A letter's own file with its draft: sealed in the data folder, recorded in the ledger, given back as it came."""

from __future__ import annotations

import io
from pathlib import Path

from campaigns import letter, text
from campaigns.keeping import keep, pieces
from campaigns.ledger import draft_files
from campaigns.ledger.draft_files import DraftFile
from workers.house import House

FOLDER = "letters"
MOST_NAME = 200


def take(house: House, draft: int, path: Path, person: str) -> str:
    """Keep a letter's file with its draft and read it; its lines, "" where it is a scan. Raises Problem.

    It is sealed before its row is written: a row always has its file.
    """
    content, name = path.read_bytes(), text.normal(path.name)[:MOST_NAME]
    kind, lines = letter.take(content, name)
    with house.begin() as conn:
        draft_files.open_draft(conn, draft, len(content))
    kept = keep(house.folder(FOLDER), house.keyring, io.BytesIO(content))
    with house.begin() as conn:
        draft_files.add(conn, draft, name, kind, kept, len(lines.splitlines()), person)
    return lines


def content_of(house: House, file: DraftFile) -> bytes:
    """The bytes as they came. Raises SealBroken when they are not what was kept."""
    return b"".join(pieces(house.folder(FOLDER), house.keyring, file.sha256))


def download_name(file: DraftFile) -> str:
    """Its name, ended as its kind is, whatever its sender called it."""
    endings = letter.ENDINGS[file.kind]
    return file.name if file.name.lower().endswith(endings) else file.name + endings[0]
