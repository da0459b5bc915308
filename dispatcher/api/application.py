"""The API as one FastAPI application: every route under /api/v1 asks for a key; what OpenAPI lists is all there is."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from base64 import b64encode
from collections.abc import MutableMapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from campaigns.keeping import MOST_BYTES
from dispatcher.api import (
    alerts,
    audiences,
    campaigns,
    carrier_form,
    control,
    deputies,
    exclusions,
    letters,
    metrics,
    orders,
    papers,
    texts,
    trials,
    waves,
)
from dispatcher.api.errors import answer_errors
from dispatcher.api.health import Health
from dispatcher.api.shapes import Ready, Refusal
from dispatcher.api.upload import FRAME_BYTES
from dispatcher.auth import WrongKeys
from dispatcher.orders import FORM_PATH
from workers.house import House

VERSION = "1"
FILES = "/static-offline-docs"
BODY_BYTES = 65_536
"""Of a request that is not an upload."""
UPLOADS = frozenset({"/api/v1/audiences", "/api/v1/letters/read"})
LIST_UPLOADS = re.compile(r"/api/v1/exclusions/[a-z_]+/(?:add|remove)")
ORDER_UPLOADS = re.compile(rf"/api/v1/orders/[0-9]+/(?:forms|papers)|{FORM_PATH}/nop")
"""Where carriers' files come in: kept up to keeping.MOST_BYTES, so more than that is taken off the line."""
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in (401, 403, 404, 409, 422, 429)}
PUBLIC = (
    "/healthz", "/readyz", "/docs", "/openapi.json", FORM_PATH, f"{FORM_PATH}/nop", f"{FORM_PATH}/api",
)  # fmt: skip
"""What answers without a key; none of it tells anything about a campaign, but to the holder of an order's code."""


def open_api(house: House, *, rehearsal: bool) -> FastAPI:
    """The API of a house."""
    api = FastAPIOffline(
        docs_url=None, redoc_url=None, static_url=FILES, title="Campaign dispatcher", version=VERSION,
        description="Ids are text. Errors say what is wrong in Vietnamese or English (Accept-Language).",
    )  # fmt: skip
    api.state.house, api.state.rehearsal = house, rehearsal
    api.state.wrong_keys, api.state.wrong_codes = WrongKeys(), WrongKeys()
    api.state.imports, api.state.papers = asyncio.Semaphore(1), asyncio.Semaphore(2)
    v1 = APIRouter(prefix="/api/v1")
    for each in (
        campaigns, letters, texts, audiences, exclusions, waves, orders, papers, control, alerts, deputies, trials,
    ):  # fmt: skip
        v1.include_router(each.router, responses=REFUSALS)
    api.include_router(v1)
    api.include_router(metrics.router, responses=REFUSALS)
    api.include_router(carrier_form.router, responses=REFUSALS)
    _public(api, Health(house))
    answer_errors(api)
    api.add_middleware(Capped, uploads=house.settings.upload_bytes + FRAME_BYTES)
    return api


def _public(api: FastAPI, health: Health) -> None:
    @api.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """This process answers."""
        return {"status": "ok"}

    @api.get("/readyz", tags=["health"], responses={503: {"model": Ready}})
    def readyz() -> JSONResponse:
        """Whether database, schema, Redis and spool are there; looked at once a second at most."""
        checks = health.checks(time.monotonic())
        ready = all(checks.values())
        return JSONResponse(Ready(ready=ready, checks=checks).model_dump(), 200 if ready else 503)

    page, policy = docs_page(api)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def docs_page(api: FastAPI) -> tuple[str, str]:
    """The API's own page, without any other host, and the policy that allows exactly its one script by its hash.

    Swagger UI writes styles into its elements and draws small pictures from data: that much is looser here than
    elsewhere.
    """
    page = bytes(get_swagger_ui_html(
        openapi_url=str(api.openapi_url), title=api.title, swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{FILES}/swagger-ui.css", swagger_favicon_url=f"{FILES}/favicon.png",
    ).body).decode()  # fmt: skip
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode()
              for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)]  # fmt: skip
    scripts = " ".join(f"'sha256-{each}'" for each in hashes)
    return page, (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Capped:
    """Refuses a body above its limit: by its Content-Length before it is read, by its bytes when that lies."""

    def __init__(self, app: ASGIApp, uploads: int) -> None:
        self._app, self._uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI calls."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most(scope["path"])
        await self._app(scope, _counted(receive, most, _declared(scope)), send)

    def _most(self, path: str) -> int:
        if ORDER_UPLOADS.fullmatch(path):
            return 2 * MOST_BYTES
        return self._uploads if path in UPLOADS or LIST_UPLOADS.fullmatch(path) else BODY_BYTES


def _declared(scope: Scope) -> int:
    return max((int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()),
               default=0)  # fmt: skip


def _counted(receive: Receive, most: int, declared: int) -> Receive:
    size = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal size
        if declared > most:
            raise HTTPException(413)
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413)
        return message

    return counted
