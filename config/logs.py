"""What is written down about the work: one line an event, with phone numbers and secrets masked at this one place.

Everything ends in the root logger's handler: our own events, and those of rq, uvicorn, aiohttp and the rest. What that
handler writes has passed `mask`; a handler that somebody else adds passes it by the filter `Masked`.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from structlog.typing import Processor

TALKATIVE = (
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
    "rq",
    "rq.worker",
    "rq.scheduler",
    "aiohttp",
    "aiohttp.access",
)

# Every spelling of a Vietnamese number that a file or a carrier may hold (vietnam.md, section 3): 0912345678,
# 84912345678, +84 912 345 678, 0084..., 091.234.5678, (+84)912345678, 912345678 and 9.12345678E8 of spreadsheets, the
# 11 digits of before 2018, and homes (02...). A reference of ours (32 hex digits) is no number and stays readable.
_SPACE = r"[\s.()\-]{0,2}"
_REST = rf"(?:{_SPACE}\d)"
_TRUNK = rf"(?:(?:\+|%2[Bb]|00)?{_SPACE}84(?:{_SPACE}0)?|0)"
_OLD = rf"1{_SPACE}(?:2{_REST}|6{_SPACE}[2-9]|8{_SPACE}[68]|9{_SPACE}9)"
_NUMBER = re.compile(
    rf"""(?P<reference>(?<![0-9A-Za-z])[0-9a-f]{{32}}(?![0-9A-Za-z]))
    | (?<!\d) (?P<number>
        {_TRUNK} {_SPACE} (?: [35789]{_REST}{{8}} | {_OLD}{_REST}{{7}} | 2{_REST}{{9}} )
      | (?<!\d[.,]) (?: [35789]\d{{8}} | 1(?:2\d|6[2-9]|8[68]|99)\d{{7}} )
      | (?P<sheet> (?:8\.4[35789]\d{{0,9}}[Ee]\+?10 | [35789]\.\d{{0,8}}[Ee]\+?0?8) )
    ) (?!\d)""",
    re.VERBOSE,
)
_URL_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s@/]+(?=@)", re.IGNORECASE)
_CALLBACK = re.compile(r"(?P<before>/cb/[\w.-]+/)[^\s\"'?&<>]+")  # the last part of a receipt path is a secret
SECRET_KEY = re.compile(
    r"pass(?:word|wd|phrase)?$|secret|token|authori[sz]ation|api_?-?key|private_?key|cookie|credential|signature"
    r"|dispatcher_key",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?P<before>[\"']?\b[\w-]*(?:password|passwd|secret|token|authorization|api_?key|cookie|dispatcher_key)[\w-]*[\"']?"
    r"\s*[:=]\s*(?:(?:basic|bearer)\s+)?)(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"')}\]]+)",
    re.IGNORECASE,
)
HIDDEN = "***"


def mask(text: str) -> str:
    """The same text with each phone number reduced to its last three digits and each secret to three stars."""
    text = _URL_PASSWORD.sub(rf"\g<before>{HIDDEN}", text)
    text = _CALLBACK.sub(r"\g<before>-", text)
    text = _SAID.sub(rf"\g<before>{HIDDEN}", text)
    return _NUMBER.sub(_last_three, text)


def _last_three(found: re.Match[str]) -> str:
    if found["reference"]:
        return found[0]
    digits = f"{float(found['sheet']):.0f}" if found["sheet"] else re.sub(r"\D", "", found[0])
    return HIDDEN + digits[-3:]


def masked(value: Any) -> Any:
    """A log value of any shape, masked: text, bytes, whole numbers, and what holds them."""
    if isinstance(value, bool | None | float) and not _whole(value):
        return value
    if isinstance(value, int | float):
        plain = str(int(value))
        return value if mask(plain) == plain else mask(plain)
    if isinstance(value, Mapping):
        return {masked(key): HIDDEN if SECRET_KEY.search(str(key)) else masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in value]
    return mask(value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else str(value))


def _whole(value: float | None) -> bool:
    return isinstance(value, float) and value.is_integer()


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the last before the line is written, so that tracebacks are text by then."""
    return {key: HIDDEN if SECRET_KEY.search(key) else masked(value) for key, value in event.items()}


class Masked(logging.Filter):
    """The same for a handler that is not ours: the record's words and its traceback are replaced by masked ones."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        record.msg, record.args = masked(record.msg if isinstance(record.msg, dict) else record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = mask("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True


def configure(*, style: Literal["json", "console"] = "json", level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (standard error) as JSON lines or for a person's eyes."""
    import structlog  # noqa: PLC0415 - 0.1 s that a command which prints one line need not wait for

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_last_steps(style)))
    _take_over(handler, level)


def _last_steps(style: str) -> list[Processor]:
    """From event to line; the time is added after masking, as its digits are ours."""
    import structlog  # noqa: PLC0415 - as above

    renderer: Processor = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    if style == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        renderer,
    ]


def _take_over(handler: logging.Handler, level: str) -> None:
    """One handler for the process: libraries' own ones would print beside it."""
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
