"""How alerts leave: one e-mail or one signed webhook call for all that is due; plain words, no number of a recipient.

A webhook's address is a person's input, and this process stands inside the department's network: it may only be a
public one unless the settings say otherwise, the resolver is asked once and its answer is what is connected to, and
no redirect is followed (server-side request forgery).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from email.header import Header
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate, make_msgid, parseaddr
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from config.settings import Settings

WAIT = 10.0
"""Seconds for each step of a outlet."""
ANSWER_BYTES = 4_096
PORTS = {"smtp": 587, "smtps": 465, "https": 443, "http": 80}
OK = range(200, 300)


class OutletError(Exception):
    """It was not taken, or nobody knows whether it was: it is told again."""


def opened(settings: Settings) -> list[str]:
    """The outlets that these settings open."""
    mail = bool(settings.alert_mail_server and settings.alert_mail_to)
    return ["mail"] * mail + ["webhook"] * bool(settings.alert_webhook)


# -- e-mail ------------------------------------------------------------------------------------------------------------


def mail(settings: Settings, subject: str, body: str, to: Sequence[str] = (), mark: str = "") -> None:
    """One e-mail, to everybody of `alert_mail_to` unless said otherwise; TLS unless the server is this very machine.

    `mark`: the same for each try of the same letter, so that a mail system that has it knows it. Raises OutletError.
    """
    server = urlsplit(settings.alert_mail_server or "")
    letter = MIMEText(body, "plain", "utf-8")
    # not EmailMessage: where it folds a long heading, Python 3.11 loses the space between two Vietnamese words
    letter["Subject"] = Header(subject, "utf-8", header_name="Subject").encode()
    letter["From"] = formataddr(parseaddr(settings.alert_mail_from))
    letter["To"] = ", ".join(to or settings.alert_mail_to)
    known = f"<{mark}@dispatcher.invalid>" if mark else make_msgid(domain="dispatcher.invalid")
    letter["Date"], letter["Message-ID"] = formatdate(localtime=True), known
    host, port = server.hostname or "", server.port or PORTS[server.scheme]
    context = ssl.create_default_context()
    try:
        line = (
            smtplib.SMTP_SSL(host, port, timeout=WAIT, context=context)
            if server.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=WAIT)
        )
        with line:
            if server.scheme == "smtp" and not _is_here(host):
                line.starttls(context=context)
            if server.username:
                line.login(unquote(server.username), unquote(server.password or ""))
            line.send_message(letter)
    except (OSError, smtplib.SMTPException) as error:
        raise OutletError(_said(error)) from None


def _is_here(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _said(error: Exception) -> str:
    """What a server or the network said, without what we said: a password may stand in it."""
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code}" if code else f"{type(error).__name__}: {error}"[:200]


# -- webhook -----------------------------------------------------------------------------------------------------------


def post(settings: Settings, content: dict[str, Any]) -> None:
    """POST of one JSON document, signed with the webhook's key over "time.body". Raises OutletError."""
    target = urlsplit(settings.alert_webhook or "")
    body = json.dumps(content, ensure_ascii=False).encode()
    host, port = target.hostname or "", target.port or PORTS[target.scheme]
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    headers = {"Content-Type": "application/json", "User-Agent": "campaign-dispatcher"}
    if key := settings.alert_webhook_key:
        headers["X-Dispatcher-Signature"] = signature(key, body, int(time.time()))
    try:
        line = http.client.HTTPConnection(host, port, timeout=WAIT)
        line.sock = _connected(target.scheme, host, port, private=settings.alert_private)
        with line.sock:
            line.request("POST", path, body, headers)
            answer = line.getresponse()
            answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise OutletError(_said(error)) from None
    if answer.status not in OK:
        raise OutletError(f"HTTP {answer.status}")


def signature(key: str, body: bytes, at: int) -> str:
    """`t=<unix time>,v1=<HMAC-SHA-256 of "time.body">`: who holds the key can tell that it is ours, and how old."""
    return f"t={at},v1={hmac.new(key.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"


def _connected(scheme: str, host: str, port: int, *, private: bool) -> socket.socket:
    """A connection to the very address that was looked at; a name that has one inside address is refused whole."""
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private and (inside := [each for each in found if not ip_address(each.partition("%")[0]).is_global]):
        raise OutletError(f"{host} is {inside[0]}, inside this network: set alert_private to allow it")
    line = socket.create_connection((found[0], port), timeout=WAIT)
    if scheme != "https":
        return line
    try:
        return ssl.create_default_context().wrap_socket(line, server_hostname=host)
    except BaseException:
        line.close()
        raise


def send(settings: Settings, outlet: str, subject: str, body: str, alerts: Sequence[dict[str, Any]]) -> None:
    """By the outlet of this name. Raises OutletError."""
    if outlet == "mail":
        mail(settings, subject, body)
    else:
        post(settings, {"subject": subject, "alerts": list(alerts)})
