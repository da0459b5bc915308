"""The HTTP face: carriers' callbacks, the API and the console behind one door, one guard round every answer."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from config import logs
from config.problem import Problem
from config.settings import OPEN_TO_ALL, unguarded
from dispatcher import assemble
from dispatcher.assemble import Site
from dispatcher.callbacks import TAKEN, Receive, Receiver, Scope, Send
from dispatcher.proxy import through
from workers.house import House

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
    from starlette.applications import Starlette

log = logging.getLogger(__name__)

POLICY = b"default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)  # fmt: skip
"""On every answer, errors too, but a receipt's 200 (callbacks.TAKEN); the API's docs have values of their own."""
OPEN_CALLS = 2000
"""Calls in work at once; more hear 503 at the door."""
KEEP_ALIVE = 30
"""Seconds: carriers send receipts over the same connection."""
LAST_CALLS = 10
"""Seconds for calls in work when told to stop."""


class Front:
    """The ASGI application: `/cb` to the receiver at once, pages to the console, all else to the API.

    Console and API are built while receipts flow.
    """

    def __init__(self, house: House, *, rehearsal: bool) -> None:
        """Raises Problem when receipts could not be kept."""
        self.house = house
        self._rehearsal = rehearsal
        self._receiver = Receiver(house)
        self._api: asyncio.Task[FastAPI] | None = None
        self._console: asyncio.Task[Starlette] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"].startswith("/cb/"):
            await self._receiver(scope, receive, guarded(send))
        elif scope["type"] == "http":
            face = await (self.console() if of_console(scope["path"]) else self.api())
            await face(scope, receive, noted(scope, guarded(send)))

    async def api(self) -> FastAPI:
        """The API; the first to ask waits for it."""
        if self._api is None:
            self._api = asyncio.create_task(asyncio.to_thread(self._open_api))
        return await asyncio.shield(self._api)

    async def console(self) -> Starlette:
        """The pages; the first to ask waits for them."""
        if self._console is None:
            self._console = asyncio.create_task(asyncio.to_thread(self._open_console))
        return await asyncio.shield(self._console)

    def _open_console(self) -> Starlette:
        from dispatcher.console.application import open_console  # noqa: PLC0415 - as FastAPI: receipts wait for nothing

        return open_console(self.house, rehearsal=self._rehearsal, turned=self._receiver.turned)

    def _open_api(self) -> FastAPI:
        from dispatcher.api.application import open_api  # noqa: PLC0415 - FastAPI is 0.3 s that no receipt waits for

        return open_api(self.house, rehearsal=self._rehearsal)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        shutil.rmtree(self.house.folder("incoming"))  # lists of a process that was killed while it read them
        building = asyncio.create_task(self.api())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        building.cancel()
        await self._receiver.close()
        self.house.engine.dispose()
        await send({"type": "lifespan.shutdown.complete"})


def of_console(path: str) -> bool:
    """Whether a path belongs to the pages for people."""
    return path in {"/", "/console"} or path.startswith("/console/")


def guarded(send: Send) -> Send:
    """Adds the headers that every answer bears, where the route has not set its own."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start" and message["headers"] is not TAKEN:
            has = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in has)]
        await send(message)

    return sending


def noted(scope: Scope, send: Send) -> Send:
    """Writes one line about each answer: method, path and status; never a query, which may name people.

    Nor the word of an invitation, which opens an account.
    """
    path = scope["path"]
    shown = "/console/invitation/…" if path.startswith("/console/invitation/") else path

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            log.info("%s %s %d", scope["method"], shown, message["status"])
        await send(message)

    return sending


def build(site: Site) -> Front:
    """The application of this site. Raises Problem when the spool cannot be written."""
    return Front(assemble.house(site), rehearsal=site.rehearsal)


def serve(
    site: Site,
    *,
    host: str,
    port: int,
    sock: socket.socket | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until told to stop (SIGTERM, SIGINT); `ready` hears the port when calls are taken.

    Raises Problem when the port is used, when `host` is reachable from outside without TLS, and as `build` does.
    """
    logs.configure(style=site.settings.log_style, level=site.settings.log_level)
    listening = sock or listen(site, host, port)
    try:
        server(build(site), ready=ready).run(sockets=[listening])
    finally:
        listening.close()


def listen(site: Site, host: str, port: int) -> socket.socket:
    """A socket of ours on this address; the refusal comes now and not when half is started."""
    if unguarded(site.settings, host):
        raise Problem(OPEN_TO_ALL, host=host)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                "port {port} is used by another program; end it, or choose another with DISPATCHER_LISTEN_PORT",
                port=port,
            ) from None
        raise Problem(
            "{host} port {port} cannot be opened: {why}", host=host, port=port, why=error.strerror or str(error)
        ) from None


def server(front: Front, *, ready: Callable[[int], None] | None = None) -> uvicorn.Server:
    """The server of an application; addresses are those of the connection, or told by a proxy that is named."""
    import uvicorn  # noqa: PLC0415 - 0.1 s that building an application needs not

    class Server(uvicorn.Server):
        """Tells its port when it takes calls."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """As uvicorn starts, then `ready`."""
            await super().startup(sockets=sockets)
            if ready is not None and self.started and sockets:
                ready(sockets[0].getsockname()[1])

    settings = front.house.settings
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold whole paths: secrets of ours stand in some
    return Server(
        uvicorn.Config(
            through(front, settings),
            lifespan="on", interface="asgi3", ws="none", log_config=None, access_log=False, proxy_headers=False,
            server_header=False, limit_concurrency=OPEN_CALLS, timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=LAST_CALLS, ssl_certfile=settings.tls_certificate, ssl_keyfile=settings.tls_key,
        )
    )  # fmt: skip
