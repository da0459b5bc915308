"""The letter's own file: taken in, kept with its draft and given back, so that text and letter can be compared."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.responses import Response

from campaigns import text
from campaigns.ledger import draft_files
from campaigns.ledger.draft_files import DraftFile
from campaigns.letter import PICTURES, Kind
from campaigns.terms import Problem
from dispatcher import letter_files
from dispatcher.console import drafting
from dispatcher.console.call import Call, to
from dispatcher.console.pages import HEADERS

OWN_POLICY = {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}
"""What somebody else made runs nothing and reaches nothing."""
INLINE = PICTURES | {Kind.PDF}


def take_letter(call: Call) -> Response:
    """Keep a letter's file; the page then shows what it seems to order, each value with its line, or the scan."""
    draft = drafting.draft_of(call)
    if call.file is None:
        return _refused(call, call.words.say("choose a file first: .docx, .pdf, .txt, .png or .jpg"))
    try:
        lines = letter_files.take(call.house, draft.id, call.file, call.who.login)
    except Problem as problem:
        return _refused(call, call.words.problem(problem))
    if not lines:
        return to(drafting.step_path(draft.id, "letter"))
    saved = drafting.saved_or_page(call, "letter", {"letter": lines.strip("\n")})
    return saved if isinstance(saved, Response) else to(drafting.step_path(draft.id, "letter") + "?fill=1")


def _refused(call: Call, sentence: str) -> Response:
    return drafting.page(call, drafting.draft_of(call), "letter", wrong=[("file", sentence)], status=422)


def letter_file(call: Call) -> Response:
    """A kept file, byte for byte."""
    with call.house.begin() as conn:
        file = draft_files.get(conn, call.number("draft"), call.number("file"))
    heads = HEADERS | OWN_POLICY | {"Content-Disposition": _disposition(file)}
    return Response(letter_files.content_of(call.house, file), 200, heads, file.kind.value)


def _disposition(file: DraftFile) -> str:
    """Shown or saved; the name in UTF-8 (RFC 6266), and without accents for who cannot read that."""
    name = letter_files.download_name(file)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text.unaccent(name))
    how = "inline" if file.kind in INLINE else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
