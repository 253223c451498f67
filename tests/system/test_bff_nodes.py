"""Two processes of one application share its sessions in Redis, and one of them refreshes for both; the provider and
the API are real servers too."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fixtures.processes import free_port
from tests.fixtures.provider import Strange
from tests.plugins.patience import patience, until
from tests.unit.relying_party.test_backchannel import logout_token

pytestmark = pytest.mark.soak
NODE: Final = Path(__file__).resolve().parent / "apps" / "bff_node.py"
AT_ONCE: Final = 12


@dataclass
class Slow(Strange):
    """A provider whose refreshes take as long as a test wants."""

    gate: threading.Event = field(default_factory=threading.Event)

    async def _token(self, request: Request) -> Response:
        answer = await super()._token(request)
        if self.refreshes:
            await asyncio.to_thread(self.gate.wait)
        return answer

    @property
    def refreshes(self) -> list[dict[str, str]]:
        return [one for one in self.asked if one["grant_type"] == "refresh_token"]


@dataclass
class Nodes:
    """The address of the application, its two nodes, and who is behind."""

    address: str
    ports: tuple[int, int]
    provider: Slow
    processes: list["subprocess.Popen[bytes]"]

    def at(self, node: int, cookies: Any = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.ports[node]}", cookies=cookies, timeout=patience()
        )


@pytest.fixture
async def nodes(redis_url: str, tmp_path: Path) -> AsyncIterator[Nodes]:
    provider = Slow(issuer=f"http://127.0.0.1:{free_port()}", claims={"sid": "one"})
    provider.gate.set()

    async def orders(request: Request) -> JSONResponse:
        return JSONResponse({"token": request.headers["authorization"]})

    app = Starlette(routes=[*provider.app().routes, Route("/v1/{path:path}", orders)])
    server = uvicorn.Server(
        uvicorn.Config(app, port=int(provider.issuer.rpartition(":")[2]), log_level="warning", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    ports = free_port(), free_port()
    address = f"http://localhost:{ports[0]}"
    given = {"provider": provider.issuer, "address": address, "redis": redis_url}
    processes = [_started({**given, "port": port}, tmp_path) for port in ports]
    try:
        for port in ports:
            await until(lambda port=port: _listens(port), "a node", pause=0.1)  # type: ignore[misc]
        yield Nodes(address, ports, provider, processes)
    finally:
        provider.gate.set()
        for process in processes:
            process.terminate()
            process.wait(10)
        server.should_exit = True
        await serving


def _started(given: dict[str, Any], folder: Path) -> "subprocess.Popen[bytes]":
    with open(folder / f"{given['port']}.log", "wb") as log:
        return subprocess.Popen([sys.executable, str(NODE), json.dumps(given)], stdout=log, stderr=log)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def sign_in(nodes: Nodes) -> Any:
    """Begun at one node, and finished at the other; the browser's cookies."""
    async with nodes.at(0) as first:
        begun = await first.get("/bff/login")
        back = nodes.provider.approve(begun.headers["location"])
        async with nodes.at(1, first.cookies) as second:
            done = await second.get("/bff/callback/id", params=back)
            assert done.status_code == 303, done.text
            return second.cookies


async def test_of_many_requests_at_once_over_both_nodes_one_refreshes_for_all(nodes: Nodes) -> None:
    cookies = await sign_in(nodes)
    async with nodes.at(0, cookies) as first, nodes.at(1, cookies) as second:
        asked = [one.get("/bff/api/orders/mine") for one in (first, second) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 2 * AT_ONCE
    assert len({answer.json()["token"] for answer in answers}) == 1
    assert len(nodes.provider.refreshes) == 1


async def test_the_provider_tells_one_node_that_a_session_is_over_and_it_is_over_at_both(
    nodes: Nodes,
) -> None:
    cookies = await sign_in(nodes)
    async with nodes.at(0, cookies) as first, nodes.at(1, cookies) as second:
        assert (await first.get("/bff/session")).json()["signed_in"]
        told = await second.post(
            "/bff/backchannel-logout", data={"logout_token": logout_token(nodes.provider)}
        )
        assert told.status_code == 200
        for one in (first, second):
            assert not (await one.get("/bff/session")).json()["signed_in"]
            assert (await one.get("/bff/api/orders/mine")).status_code == 401


async def test_a_node_that_is_killed_in_the_midst_of_a_refresh_does_not_lose_the_session(
    nodes: Nodes,
) -> None:
    cookies = await sign_in(nodes)
    nodes.provider.gate.clear()
    async with nodes.at(0, cookies) as first, nodes.at(1, cookies) as second:
        asked = asyncio.create_task(first.get("/bff/api/orders/mine"))
        await until(lambda: nodes.provider.refreshes, "the refresh")
        nodes.processes[0].kill()
        with contextlib.suppress(httpx2.HTTPError):
            await asked
        nodes.provider.gate.set()
        assert (await second.get("/bff/session")).json()["signed_in"]
        # The other waits for the lease to be over, 20 s by Redis's clock; a page that was told 503 asks again.
        for _ in range(3):
            answer = await second.get("/bff/api/orders/mine")
            if answer.status_code == 200:
                break
            assert answer.status_code == 503
        assert answer.status_code == 200
    assert len(nodes.provider.refreshes) == 2


async def test_a_websocket_passes_through_a_real_server_and_ends_with_the_session(nodes: Nodes) -> None:
    cookies = await sign_in(nodes)
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    url = f"ws://127.0.0.1:{nodes.ports[1]}/bff/api/live/echo"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers={"cookie": cookie}, origin="https://evil.example"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 403
    async with connect(url, additional_headers={"cookie": cookie}, origin=nodes.address) as page:  # type: ignore[arg-type]
        assert (await page.recv()).startswith("Bearer access-")  # type: ignore[arg-type]
        await page.send("x" * 100_000)
        assert len(await page.recv()) == 100_000
        async with nodes.at(0) as anybody:
            told = {"logout_token": logout_token(nodes.provider)}
            assert (await anybody.post("/bff/backchannel-logout", data=told)).status_code == 200
        with pytest.raises(ConnectionClosed) as over:
            async with asyncio.timeout(30 + patience()):
                await page.recv()
        assert over.value.rcvd is not None
        assert over.value.rcvd.code == 3000
