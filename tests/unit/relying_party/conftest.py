"""One running issuer with the application as its client, and the application's backend."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from admit.integrations.bff.starlette import routes
from admit.issuer.storage import Keyring
from admit.relying_party import Bff
from tests.fixtures.issuer import API, CLIENTS, ISSUER, LiveIssuer, make_issuer, settings_for
from tests.fixtures.relying_party import APP, BFF_CLIENT, Page, Wire, bff_of


@dataclass
class Scene:
    """Everybody there is."""

    issuer: LiveIssuer
    wire: Wire
    bff: Bff
    seen: list[Request] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def page(self, bff: Bff | None = None) -> Page:
        """A browser of its own."""
        app = Starlette(routes=routes(self.bff if bff is None else bff))
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=APP)
        self.pages.append(Page(client, self.issuer.browser()))
        return self.pages[-1]


@pytest.fixture
async def furnished(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    made = make_issuer(settings_for(furnished_sqlite, client=(*CLIENTS, BFF_CLIENT)), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.fixture
async def scene(furnished: LiveIssuer) -> AsyncIterator[Scene]:
    wire = Wire(loop=asyncio.get_running_loop())
    made = Scene(furnished, wire, bff_of(wire, furnished))

    async def orders(request: Request) -> JSONResponse:
        made.seen.append(request)
        return JSONResponse(
            {"path": request.url.path, "method": request.method}, headers={"set-cookie": "a=b"}
        )

    api = Starlette(routes=[Route("/{path:path}", orders, methods=["GET", "POST", "DELETE"])])
    wire.apps = {ISSUER: furnished.asgi, API: api}
    yield made
    for page in made.pages:
        await page.client.aclose()
