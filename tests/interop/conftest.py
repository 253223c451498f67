"""A whole issuer on a loopback port whose clock began a day ago, so that what it signs now is good by everybody's."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn

from admit.issuer.storage import Keyring
from tests.fixtures.issuer import Browser, LiveIssuer, add_people, make_issuer, settings_for

PUBLISHED_AHEAD = 24 * 3600.0
BEHIND = PUBLISHED_AHEAD + 240.0


@dataclass(frozen=True, slots=True)
class Served:
    """The issuer, and its name, which is the address at which other programs reach it."""

    issuer: LiveIssuer
    name: str

    @property
    def jwks(self) -> str:
        return f"{self.name}/jwks"

    def browser(self) -> Browser:
        """A new browser, at this issuer's name."""
        made = self.issuer.browser()
        made.base_url = self.name
        made.origin = self.name
        return made


@pytest.fixture
async def served(sqlite_url: str, keyring: Keyring) -> AsyncIterator[Served]:
    """The issuer, its clock a little more than a day behind: the time a new key is published before it signs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        name = f"http://127.0.0.1:{listening.getsockname()[1]}"
        issuer = make_issuer(settings_for(sqlite_url, issuer=name), keyring)
        issuer.clock.advance(-BEHIND)
        async with issuer.lifespan():
            await add_people(issuer)
            server = uvicorn.Server(uvicorn.Config(issuer.asgi, lifespan="off", log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            yield Served(issuer, name)
            server.should_exit = True
            await serving
            for one in issuer.open_browsers:
                await one.aclose()
