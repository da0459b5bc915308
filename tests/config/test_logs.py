"""No phone number and no secret reaches a log line, whoever writes it."""

from __future__ import annotations

import io
import json
import logging
import random
import re
from collections.abc import Iterator

import pytest
import structlog

from config import logs

SPELLINGS = (
    "0{n}",
    "84{n}",
    "+84{n}",
    "0084{n}",
    "{n}",
    "+84 {a} {b} {c}",
    "0{a} {b} {c}",
    "0{a}.{b}.{c}",
    "0{a}-{b}-{c}",
    "(+84) {a} {b} {c}",
    "+84 (0) {a} {b} {c}",
    "(0{a}) {b} {c}",
    "%2B84{n}",
    "{x}E8",
    "{x}E+08",
    "8.4{n}E10",
    "{n}.0",
)
NEIGHBOURS = ("{}", "to={} now", '{{"phone":"{}"}}', "<{}>", "gửi {}, đợt 2", "tel:{};", "{}\n{}")


def invented(rnd: random.Random) -> str:
    """Nine digits of a mobile number that nobody chose."""
    return rnd.choice("35789") + "".join(rnd.choice("0123456789") for _ in range(8))


def spelled(form: str, digits: str) -> str:
    a, b, c = digits[:2], digits[2:5], digits[5:]
    return form.format(n=digits, a=a, b=b, c=c, x=f"{digits[0]}.{digits[1:]}")


@pytest.mark.parametrize("form", SPELLINGS)
def test_every_spelling_of_a_number_keeps_only_its_last_three_digits(form: str) -> None:
    rnd = random.Random(form)  # noqa: S311 - invented numbers, the same in each run
    for around in NEIGHBOURS:
        digits = invented(rnd)
        line = logs.mask(around.format(*[spelled(form, digits)] * 2))
        left = re.sub(r"\D", "", line.replace("đợt 2", ""))
        assert "***" in line
        assert digits[:6] not in left, line


@pytest.mark.parametrize("old", ["01681234567", "+84 168 123 4567", "1221234567", "0186.123.4567", "02133812345"])
def test_numbers_of_before_2018_and_of_homes_are_masked_too(old: str) -> None:
    assert logs.mask(f"row 7: {old}.") == f"row 7: ***{re.sub(r'[^0-9]', '', old)[-3:]}."


@pytest.mark.parametrize(
    "plain",
    [
        "2026-11-23T08:42:10.123456Z",
        "412345 messages, 1649380 segments",
        "511.307.800 dong",
        "hotline 111, call 113",
        "window 4611686018427387904",
        "reference 00ff84912345678000ff84912345678a",
        "127.0.0.1:8710",
        "took 0.3123456789012 s",
        "sha256 9f3c21ab07e4",
    ],
)
def test_what_is_no_number_stays_readable(plain: str) -> None:
    assert logs.mask(plain) == plain


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("postgresql://app:hunter2@db/x", "postgresql://app:***@db/x"),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: Basic ***"),
        ("{'api_key': 'hunter2', 'n': 1}", "{'api_key': ***, 'n': 1}"),
        ("?User=a&Password=hunter2&x=1", "?User=a&Password=***&x=1"),
        ("POST /cb/sim-esms/hunter2hunter2 200", "POST /cb/sim-esms/- 200"),
    ],
)
def test_secrets_inside_a_sentence_are_hidden(said: str, kept: str) -> None:
    assert logs.mask(said) == kept


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """A stream that takes this process's logs for one test; a server that ran before has silenced its access log."""
    root = logging.getLogger()
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "disabled", False)
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure(style="json", level="debug", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_our_own_events_are_masked_by_value_and_by_key(lines: io.StringIO) -> None:
    structlog.get_logger("workers").info(
        "sent", number=84912345678, bare=912345678.0, inside={"to": ["0912345678"], "auth_token": "x"}, password="y"
    )
    event = json.loads(lines.getvalue())
    assert event["number"] == event["bare"] == "***678"
    assert event["inside"] == {"to": ["***678"], "auth_token": "***"}
    assert event["password"] == "***"
    assert event["level"] == "info"
    assert event["timestamp"].startswith("20")


@pytest.mark.parametrize("name", ["rq.worker", "uvicorn.access", "aiohttp.client", "sqlalchemy.engine"])
def test_libraries_pass_through_the_same_place(lines: io.StringIO, name: str) -> None:
    logging.getLogger(name).warning("to %s %s", "0912345678", {"password": "hunter2"})
    assert "0912345678" not in lines.getvalue()
    assert "hunter2" not in lines.getvalue()
    assert json.loads(lines.getvalue())["logger"] == name


def test_a_traceback_is_masked(lines: io.StringIO) -> None:
    for logger in (logging.getLogger("rq.worker"), structlog.get_logger("ours")):
        try:
            raise ValueError("bad row 0912345678")  # noqa: TRY301 - the traceback is what is looked at
        except ValueError:
            logger.exception("failed")
    assert "***678" in lines.getvalue()
    assert "0912345678" not in lines.getvalue()
    assert lines.getvalue().count("Traceback") == 2


def test_the_filter_masks_a_handler_that_is_not_ours() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(logs.Masked())
    logger = logging.Logger("foreign")  # noqa: LOG001 - of its own, so that nothing else hears it
    logger.addHandler(handler)
    try:
        raise ValueError("0912345678")  # noqa: TRY301 - as above
    except ValueError:
        logger.exception("to %(to)s", {"to": "+84 912 345 678"})
    assert stream.getvalue().count("***678") >= 2
    assert "912" not in stream.getvalue()


def test_the_console_style_is_for_eyes_and_as_careful() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = list(root.handlers)
    logs.configure(style="console", stream=stream)
    structlog.get_logger("ours").info("sent", to="0912345678")
    root.handlers[:] = before
    structlog.reset_defaults()
    assert "to=***678" in stream.getvalue()
