"""What this installation decides: read once, typed, frozen, handed downwards; nothing is read at import time.

Where a value comes from, strongest first: the environment (DISPATCHER_<KEY>, and DATABASE_URL, DATABASE_OWNER_URL,
REDIS_URL as everybody names them), `settings.toml` in the data folder, the chosen profile of defaults.toml, the default
beside the field below. A secret may be given as a file: DATABASE_URL_FILE=/run/secrets/database.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config import data as shipped
from config.problem import Problem

Seconds = Annotated[float, Field(ge=0, le=31_536_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Secret = Annotated[str | None, Field(repr=False)]

PREFIX = "DISPATCHER_"
PLAIN = {  # these names are everybody's, or shorter than the rule would make them
    "database_url": "DATABASE_URL",
    "database_owner_url": "DATABASE_OWNER_URL",
    "redis_url": "REDIS_URL",
    "language": "DISPATCHER_LANG",
}
SECRETS = (
    "database_url", "database_owner_url", "redis_url", "alert_mail_server", "alert_webhook", "alert_webhook_key",
    "oidc_secret",
)  # fmt: skip
PROXIES_MOST = 65_536
"""Addresses of one trusted network: 0.0.0.0/0 would believe everybody."""
OPEN_TO_ALL = (
    "listen_host = {host} is reachable from outside; set tls_certificate and tls_key, or name the proxy before it in"
    " trusted_proxies, or listen on 127.0.0.1"
)
LISTS = ("look_ups", "alert_mail_to", "trusted_proxies")
NOT_OURS = (
    "DISPATCHER_KEY",  # a person's key, read by the command line and kept nowhere
    # docker-compose.yml's own, which a shell may hold beside ours
    *(f"DISPATCHER_{name}" for name in ("HOST", "HTTPS_PORT", "API", "RESOLVER")),
    *(f"DISPATCHER_{role}_PASSWORD" for role in ("OWNER", "APP", "REDIS")),
)


class Settings(BaseModel):
    """One installation's decisions; unit, default and reason at each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # Where things lie
    data: Path = Path("var")  # keys, journals, spool, embedded servers; a local disk, never a network one
    carriers_file: Path = shipped.CARRIERS  # accounts and speeds; the data folder's own carriers.toml goes first
    fonts: Path | None = None  # folder with Times New Roman for PDF papers; None: the system's, else the one of typst
    kill_switch_file: Path = Path("kill-switch")  # while this file exists nothing is sent; relative to data

    # What we stand on; None: the embedded server starts, so that a fresh machine needs only Python
    database_url: Secret = None  # role app: no DDL, no UPDATE or DELETE on the record
    database_owner_url: Secret = None  # role owner: migrations only
    redis_url: Secret = None  # a doorbell: losing it costs seconds, never a message

    # How we are reached
    listen_host: str = "127.0.0.1"  # another address needs TLS or a named proxy: keys and approvals travel here
    listen_port: Port = 8710  # 0: any free one
    tls_certificate: Path | None = None  # PEM
    tls_key: Path | None = None  # PEM
    trusted_proxies: tuple[str, ...] = ()  # addresses or small networks; only their X-Forwarded-... are believed
    public_url: str = ""  # as carriers reach us, for receipts and their signatures; "": the listening address
    language: Literal["vi", "en"] = "vi"  # of pages and papers; the people who approve read Vietnamese

    # Times of the work (reliability: section 4)
    lease: Seconds = 60  # a worker silent this long no longer owns its batch
    settle: Seconds = 30  # first look at what is uncertain
    sweeper: Seconds = 5  # rings due batches again, so that a lost Redis costs no more than this
    send_deadline: Seconds = 5  # from before T1; after it the unsent tail goes back
    connect: Seconds = 3  # a carrier that does not open a socket in this time is down
    total_deadline: Seconds = 15  # one timer round a whole request: a slow answer outlives read time-outs
    look_ups: tuple[Seconds, ...] = (30, 120, 600, 3_600, 21_600, 86_400)  # when a carrier is asked again
    receipts_horizon: Seconds = 259_200  # 72 h: then "unconfirmed"; late truth still counts
    drain: Seconds = 20  # a worker told to stop has this long to hear the answers it waits for

    # Sizes of the work (ledger: sections 2 and 4)
    batch_size: Count = 5_000  # messages; lease and stop work by batch
    window_max: Annotated[int, Field(ge=1, le=1_000)] = 1_000  # messages an intent; in doubt: the carrier's own window
    fold_chunks: Count = 40  # chunks a fold: short transactions, exact counts

    # Trying again, only what provably did not leave
    tries_max: Annotated[int, Field(ge=1, le=100)] = 5  # attempts a message
    retry_first: Seconds = 10  # doubled each time, with jitter
    retry_most: Seconds = 600  # between two tries
    throttled_tries: Annotated[int, Field(ge=1, le=1_000)] = 50  # of what was only ever sent too fast
    throttled_first: Seconds = 2  # before it is tried again, doubled likewise
    failover_after: Seconds = 60  # a carrier down for so long: what waits goes to the next account of the route

    # When a wave stops by itself and waits for a person (docs/control.md, section 4)
    auto_pause_span: Count = 500  # messages that are looked at together
    auto_pause_failed: Annotated[int, Field(ge=0, le=100)] = 50  # % refused, undelivered or expired; 100: never
    auto_pause_uncertain: Annotated[int, Field(ge=0, le=100)] = 20  # % without an answer; 100: never

    # People (ledger: section 13)
    cool_down: Seconds = 600  # from the last approval to the first message, with STOP on screen; rehearsals: 0
    hotline_days: Count = 90  # a hotline unverified for longer must be called before a wave names it
    second_approval_above: Annotated[int, Field(ge=0)] = 50_000  # recipients; above it two persons approve

    # Who is told when something needs a person (docs/control.md, section 8)
    alert_mail_server: Secret = None  # smtp://user:password@host:587 (STARTTLS) or smtps://host:465
    alert_mail_from: str = ""  # the address that stands as the sender
    alert_mail_to: tuple[str, ...] = ()  # addresses, in the environment with commas between
    alert_webhook: Secret = None  # https://..., gets a POST of JSON; the address may hold a token
    alert_webhook_key: Secret = None  # signs each call
    alert_private: bool = False  # whether the webhook may lie inside this network: an address is a way in

    # Signing in by the province's accounts (docs/console.md); both names empty: passwords only
    oidc_issuer: str = ""  # https://..., exactly as the issuer writes it; no other host is ever called
    oidc_client: str = ""  # our name there
    oidc_secret: Secret = None  # of this client; None: a public one, with PKCE alone

    # Limits against floods (reliability: sections 7 and 8)
    callback_bytes: Bytes = 65_536  # of one receipt call
    callback_events: Count = 100  # in one receipt call
    callback_depth: Count = 10  # levels of JSON
    spool_bytes: Bytes = 1_073_741_824  # 1 GiB: about 4 M receipts; then carriers hear 503 and try again
    spool_keep: Seconds = 259_200  # 72 h, within spool_bytes: loaded receipts, for a database restored from before them
    spool_age: Seconds = 60  # an older spool means that the database does not keep up
    upload_bytes: Bytes = 20_971_520  # 20 MiB: 1 M rows of XLSX are about 12
    upload_unpacked_bytes: Bytes = 209_715_200  # 200 MiB: 505 kB of zeros unpacked to 210 MB
    upload_ratio: Count = 100  # unpacked over packed
    upload_members: Count = 100  # files inside one workbook
    upload_rows: Count = 1_048_576  # the most rows a worksheet can have
    upload_seconds: Seconds = 60  # to read one file, in a process of its own

    # What is written down
    log_style: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def url(self) -> str:
        """Where this installation is reached, without a slash at the end."""
        host = f"[{self.listen_host}]" if ":" in self.listen_host else self.listen_host
        scheme = "https" if self.tls_certificate else "http"
        return (self.public_url or f"{scheme}://{host}:{self.listen_port}").rstrip("/")


def load(env: Mapping[str, str] | None = None, *, data: Path | None = None, profile: str | None = None) -> Settings:
    """Read the settings of this installation; `profile` is a table of defaults.toml. Raises config.problem.Problem."""
    env = os.environ if env is None else env
    given, places = _environment(env)
    folder = (data or Path(given.get("data", "var"))).absolute()
    file = folder / "settings.toml"
    written = _table(file) if file.is_file() else {}
    if "data" in written:
        raise Problem("{place}: {key} cannot stand here; set {other} instead",
                      place=str(file), key="data", other="DISPATCHER_DATA")  # fmt: skip
    merged = _profile(profile) | written | given | {"data": folder}
    where = dict.fromkeys(merged, str(shipped.DEFAULTS)) | dict.fromkeys(written, str(file)) | places
    return _checked(_settled(_build(merged, where), merged))


def _environment(env: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Our variables as {key: value}, and where each was found."""
    names = {_variable(key): key for key in Settings.model_fields}
    files = {f"{_variable(key)}_FILE": key for key in SECRETS}
    given: dict[str, Any] = {}
    for name, text in env.items():
        if name in files and text:
            given[files[name]] = _secret(name, text, env, _variable(files[name]))
        elif name in names and text:
            given[names[name]] = [each.strip() for each in text.split(",")] if names[name] in LISTS else text
        elif name.startswith(PREFIX) and name not in (*names, *NOT_OURS):
            raise _unknown("environment", name, names)
    return given, dict.fromkeys(given, "environment")


def _variable(key: str) -> str:
    return PLAIN.get(key, PREFIX + key.upper())


def _secret(name: str, path: str, env: Mapping[str, str], plain: str) -> str:
    if env.get(plain):
        raise Problem("environment: {key} and {other} are both set; keep one", key=name, other=plain)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Problem("environment: {key} names {path}, which cannot be read: {why}",
                      key=name, path=path, why=error.strerror) from None  # fmt: skip


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem("{place} cannot be read: {why}", place=str(path), why=str(error)) from None


def _profile(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    profiles = _table(shipped.DEFAULTS)
    if name not in profiles:
        raise Problem("there is no profile {name}; known are {allowed}", name=name, allowed=", ".join(profiles))
    return dict(profiles[name])


def _build(merged: dict[str, Any], where: dict[str, str]) -> Settings:
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        raise _problem(key, where[key], merged[key], first["type"], first.get("ctx", {})) from None


def _unknown(place: str, key: str, known: Iterable[str]) -> Problem:
    near = get_close_matches(key, list(known), n=3, cutoff=0.0)
    return Problem("{place}: {key} is not a setting; the nearest are {near}",
                   place=place, key=key, near=", ".join(near))  # fmt: skip


def _problem(key: str, place: str, value: object, kind: str, limits: dict[str, Any]) -> Problem:
    """A wrong key or value in our words; a secret's value is never repeated."""
    if key not in Settings.model_fields:
        return _unknown(place, key, Settings.model_fields)
    name = _variable(key) if place == "environment" else key
    said = {"place": place, "key": name, "value": "***" if key in SECRETS else str(value)}
    if "expected" in limits:
        return Problem("{place}: {key} must be one of {allowed}, not {value}", allowed=limits["expected"], **said)
    if "ge" in limits:
        return Problem("{place}: {key} must be at least {least}, not {value}", least=limits["ge"], **said)
    if "le" in limits:
        return Problem("{place}: {key} must be at most {most}, not {value}", most=limits["le"], **said)
    if kind.startswith(("int", "float")):
        return Problem("{place}: {key} must be a number, not {value}", **said)
    return Problem("{place}: {key} = {value} cannot be understood ({kind})", kind=kind, **said)


def _settled(settings: Settings, merged: dict[str, Any]) -> Settings:
    """Paths made whole, and the data folder's own carriers.toml preferred to the shipped one."""
    own = settings.data / "carriers.toml"
    chosen = settings.carriers_file if "carriers_file" in merged or not own.is_file() else own
    return settings.model_copy(
        update={"carriers_file": chosen, "kill_switch_file": settings.data / settings.kill_switch_file}
    )


def _checked(settings: Settings) -> Settings:
    """What no single field can say."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise Problem("tls_certificate and tls_key belong together; set both or neither")
    proxies(settings.trusted_proxies)
    if unguarded(settings, settings.listen_host):
        raise Problem(OPEN_TO_ALL, host=settings.listen_host)
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise Problem("public_url = {value} must begin with https:// (or http:// on this machine)",
                      value=settings.public_url)  # fmt: skip
    _check_outlets(settings)
    _check_issuer(settings)
    return settings


def _check_issuer(settings: Settings) -> None:
    place = urlsplit(settings.oidc_issuer)
    if bool(settings.oidc_issuer) != bool(settings.oidc_client):
        raise Problem("oidc_issuer and oidc_client belong together; set both or neither")
    here = place.scheme == "http" and loopback(place.hostname or "")
    if settings.oidc_issuer and ((place.scheme != "https" and not here) or not place.hostname or place.username):
        raise Problem("oidc_issuer must begin with https://; http:// only for a simulated one on this machine")


def _check_outlets(settings: Settings) -> None:
    """An alert that cannot leave is found now, not when it is needed."""
    mail, hook = urlsplit(settings.alert_mail_server or ""), urlsplit(settings.alert_webhook or "")
    if settings.alert_mail_server and (mail.scheme not in {"smtp", "smtps"} or not mail.hostname):
        raise Problem("alert_mail_server must be smtp://user:password@host:587 or smtps://host:465")
    if bool(settings.alert_mail_server) != bool(settings.alert_mail_to):
        raise Problem("alert_mail_server and alert_mail_to belong together; set both or neither")
    if settings.alert_mail_to and "@" not in settings.alert_mail_from:
        raise Problem("alert_mail_from must be the e-mail address that stands as the sender")
    if hook.scheme not in {"", "https"} and not (hook.scheme == "http" and settings.alert_private):
        raise Problem("alert_webhook must begin with https://; http:// only inside this network, with alert_private")


def proxies(written: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The addresses whose word about a caller is believed. Raises config.problem.Problem for what names a crowd."""
    found = []
    for each in written:
        try:
            network = ip_network(each.strip())
        except ValueError:
            network = None
        if network is None or network.num_addresses > PROXIES_MOST:
            raise Problem("trusted_proxies: {value} must be an address, or a network of at most {most} addresses",
                          value=each, most=PROXIES_MOST)  # fmt: skip
        found.append(network)
    return tuple(found)


def unguarded(settings: Settings, host: str) -> bool:
    """Whether this address can be reached from outside with neither a certificate of ours nor a named proxy."""
    return settings.tls_key is None and not settings.trusted_proxies and not loopback(host)


def loopback(host: str) -> bool:
    """Whether an address is of this machine only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
