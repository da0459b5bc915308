"""An uploaded list on its way to a file of our own folder: in pieces, within limits, under a name of ours."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from campaigns.terms import Problem
from dispatcher.api.errors import NotReadable, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

IDLE = 30.0
"""Seconds without a byte, after which an upload is given up."""
FIELD_BYTES = 1000
FRAME_BYTES = 65_536
"""For headings and small fields beside the file."""
PARTS = 8


def form(fields: Mapping[str, Mapping[str, Any]], *required: str) -> dict[str, Any]:
    """What OpenAPI says of a multipart form, which these routes read themselves; `required` fields, or the file."""
    schema = {"type": "object", "required": list(required or ("file",)), "properties": dict(fields)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def file(description: str = "") -> dict[str, str]:
    """A file in such a form."""
    return {"type": "string", "format": "binary"} | ({"description": description} if description else {})


@dataclass(slots=True)
class Upload:
    """What has come: small fields, and the files on the disk; `whole` is False when a body broke off."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    whole: bool = False

    @property
    def path(self) -> Path | None:
        """The file of the field `file`."""
        return self.files.get("file")


@dataclass(frozen=True, slots=True)
class Room:
    """What a body may hold."""

    most: int  # bytes of all files
    files: tuple[str, ...] = ("file",)  # fields in which a file may come, one each
    parts: int = PARTS
    cut: bool = False  # a body that is too large is taken up to the limit, and its caller keeps that much


@asynccontextmanager
async def received(request: Request, folder: Path, room: Room) -> AsyncIterator[Upload]:
    """Take a multipart body; the files are gone when the caller has done with them. Raises Problem.

    Where `room.cut` is set, what came of a broken or oversized body is given to the caller instead, with `whole` False.
    """
    place = folder / secrets.token_hex(8)
    place.mkdir(mode=0o700)
    sink = _Sink(place, room)
    try:
        try:
            await _fill(request, sink, room)
        except (NotReadable, TooLarge):
            sink.close()
            if not (room.cut and sink.upload.files):
                raise
        sink.upload.whole = sink.whole
        yield sink.upload
    finally:
        sink.close()
        shutil.rmtree(place)


async def _fill(request: Request, sink: _Sink, room: Room) -> None:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise NotReadable("send the list as multipart/form-data with the fields campaign and file")
    if not room.cut and int(request.headers.get("content-length") or 0) > room.most + FRAME_BYTES:
        raise sink.too_large()
    try:
        parser = MultipartParser(options[b"boundary"], sink.callbacks())
        stream = request.stream()
        while piece := await asyncio.wait_for(anext(stream, b""), IDLE):
            parser.write(piece)
        parser.finalize()
    except (FormParserError, ClientDisconnect):
        raise NotReadable("the upload is cut off or not multipart/form-data") from None
    except TimeoutError:
        raise NotReadable("the upload stood still for {seconds} s: send it again", seconds=IDLE) from None
    if not sink.whole:
        raise NotReadable("the upload is cut off or not multipart/form-data")


class _Sink:
    """Turns the parser's calls into fields and a file; refuses what is too much."""

    def __init__(self, place: Path, room: Room) -> None:
        self.upload = Upload()
        self.whole = False
        self._place, self._room = place, room
        self._header = (b"", b"")
        self._said: dict[bytes, bytes] = {}
        self._name = ""
        self._text = b""
        self._file: BinaryIO | None = None
        self._size = self._parts = 0

    def callbacks(self) -> MultipartCallbacks:
        """As python-multipart calls them."""
        return {
            "on_part_begin": self._begin, "on_part_data": self._data, "on_part_end": self._end,
            "on_header_field": self._header_name, "on_header_value": self._header_value,
            "on_header_end": self._header_end, "on_headers_finished": self._part, "on_end": self._done,
        }  # fmt: skip

    def too_large(self) -> TooLarge:
        """The refusal of a file above the limit."""
        return TooLarge("a file may have {most} MB: split a list into several files", most=self._room.most // 1_000_000)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._room.parts:
            raise NotReadable("the upload has more than {most} parts", most=self._room.parts)
        self._said, self._header = {}, (b"", b"")
        self._name, self._text = "", b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        self._said[self._header[0].lower()] = self._header[1]
        self._header = (b"", b"")

    def _part(self) -> None:
        _, options = parse_options_header(self._said.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if options.get(b"filename"):  # empty: a form's field in which nobody chose a file
            self._open(options[b"filename"].decode("utf-8", "replace"))

    def _open(self, name: str) -> None:
        if self._name not in self._room.files or self._name in self.upload.files:
            raise NotReadable("send one file, in the field file")
        place = self._place / self._name
        place.mkdir(mode=0o700)
        self.upload.files[self._name] = path = place / file_name(name)
        self._file = path.open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
            if len(self._text) > FIELD_BYTES:
                raise NotReadable("the field {name} is too long", name=self._name[:40])
            return
        self._size += end - start
        if self._size > self._room.most:
            raise self.too_large()
        self._file.write(data[start:end])

    def _end(self) -> None:
        if self._file is not None:
            self.close()
        else:
            self.upload.fields[self._name] = _decoded(self._text)

    def _done(self) -> None:
        self.whole = True


def _decoded(text: bytes) -> str:
    try:
        return text.decode().strip()
    except UnicodeDecodeError:
        raise Problem("the fields of the upload must be UTF-8") from None


def file_name(given: str) -> str:
    """The last part of a name, of letters, digits and a few signs only: it stands in sentences, and in our folder."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]  # some systems write letter and accent apart
    kept = re.sub(r"[^\w.\- ()]", "_", last).lstrip(".")
    stem, dot, kind = kept.rpartition(".")
    return f"{stem[:60]}{dot}{kind[:8]}" if stem else kept[:60] or "list"
