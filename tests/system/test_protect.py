"""docs/protect: each page's one file, beside an issuer as the page starts it: 401, 403, 200."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fixtures.processes import ADMIT, Child, free_port

pytestmark = pytest.mark.soak
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "protect"
SECRET = "only-for-trying-it-on-this-machine"


class Place:
    """The issuer, and a port for what it protects."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.issuer_port, self.port = folder, free_port(), free_port()
        self.issuer, self.api = f"http://localhost:{self.issuer_port}", f"http://localhost:{self.port}"
        written = (EXAMPLES / "admit.toml").read_text("utf-8")
        written = written.replace("localhost:8410", f"localhost:{self.issuer_port}")
        written = written.replace('data = "data"', f'data = "{folder / "data"}"')
        self.settings = folder / "admit.toml"
        self.settings.write_text(written.replace("localhost:8001", f"localhost:{self.port}"))

    def child(self, name: str, command: list[str], port: int, ready: str) -> Child:
        return Child(command, self.folder, name, port=port, ready=ready, host=f"localhost:{port}")

    def token(self, resource: str, scope: str) -> dict[str, str]:
        """As the pages ask for it, by curl."""
        form = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        got = httpx2.post(f"{self.issuer}/token", auth=("reports", SECRET), data=form)
        assert got.status_code == 200, got.text
        return {"authorization": f"Bearer {got.json()['access_token']}"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("protect")
    made = Place(folder)
    command = [ADMIT, "serve", "--config", str(made.settings)]
    issuer = made.child("issuer", command, made.issuer_port, "/health/ready")
    issuer.start()
    yield made
    issuer.stop()


class Protected(Child):
    """One example. It is up as soon as it says no."""

    def answers(self) -> bool:
        try:
            return httpx2.get(f"http://localhost:{self.port}{self._ready}").status_code == 401
        except httpx2.HTTPError:
            return False


Serving = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def serving(place: Place, monkeypatch: pytest.MonkeyPatch) -> Serving:
    given = {
        "ISSUER": place.issuer,
        "API": place.api,
        "RESOURCE": f"{place.api}/mcp",
        "PORT": str(place.port),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    @contextmanager
    def start(name: str, ready: str, *arguments: str) -> Iterator[None]:
        program = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
        host = f"localhost:{place.port}"
        child = Protected(program, place.folder, name, port=place.port, ready=ready, host=host)
        child.start()
        yield
        child.stop()

    return start


def statuses(url: str, *headers: dict[str, str], method: str = "GET", **sent: Any) -> list[int]:
    return [httpx2.request(method, url, headers=one, **sent).status_code for one in headers]


def test_django_says_401_403_200(place: Place, serving: Serving) -> None:
    orders, run = f"{place.api}/orders", ("runserver", "--noreload", f"localhost:{place.port}")
    less, reads = place.token(place.api, "orders:write"), place.token(place.api, "orders:read")
    both = place.token(place.api, "orders:read orders:write")
    with serving("django_orders", "/orders", *run):
        assert statuses(orders, {}, less, reads) == [401, 403, 200]
        assert httpx2.get(orders, headers=reads).json() == {"for": "reports", "orders": ["tea"]}
        assert statuses(f"{orders}/cake", {}, reads, both, method="POST") == [401, 403, 201]


def test_rest_framework_says_401_403_200(place: Place, serving: Serving) -> None:
    orders, run = f"{place.api}/orders", ("runserver", "--noreload", f"localhost:{place.port}")
    less, reads = place.token(place.api, "orders:write"), place.token(place.api, "orders:read")
    both = place.token(place.api, "orders:read orders:write")
    with serving("rest_framework_orders", "/orders", *run):
        assert statuses(orders, {}, less, reads) == [401, 403, 200]
        assert statuses(f"{orders}/new", {}, reads, both, method="POST", json={"what": "cake"}) == [
            401,
            403,
            201,
        ]
        document = httpx2.get(
            f"{place.api}/openapi", headers={"accept": "application/vnd.oai.openapi+json"}
        ).json()
        new = document["paths"]["/orders/new"]["post"]
        assert new["security"] == [{"bearer": ["orders:read", "orders:write"]}]
        assert "401" in new["responses"]


@pytest.mark.parametrize("name", ["fastapi", "starlette", "asgi", "flask", "wsgi"])
def test_the_others_say_401_403_200(place: Place, serving: Serving, name: str) -> None:
    orders = f"{place.api}/orders"
    less, reads = place.token(place.api, "orders:write"), place.token(place.api, "orders:read")
    both = place.token(place.api, "orders:read orders:write")
    with serving(f"{name}_orders", "/orders"):
        assert statuses(orders, {}, less, reads) == [401, 403, 200]
        assert httpx2.get(orders, headers=reads).json() == {"for": "reports", "orders": ["tea"]}
        assert statuses(f"{orders}/cake", {}, reads, both, method="POST") == [401, 403, 201]


def test_mcp_says_401_403_200(place: Place, serving: Serving) -> None:
    from mcp.shared.exceptions import MCPError

    resource = f"{place.api}/mcp"
    less, uses = place.token(resource, "tools:drop"), place.token(resource, "tools:use")
    both = place.token(resource, "tools:use tools:drop")
    with serving("mcp_tools", "/mcp"):
        sent = {"json": call("whoami"), "method": "POST"}
        accepts = {"accept": "application/json, text/event-stream"}
        assert statuses(resource, {}, {**less, **accepts}, **sent) == [401, 403]
        stranger = httpx2.post(resource, json={})
        where = stranger.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
        assert httpx2.get(where).json()["authorization_servers"] == [place.issuer]
        assert tool(resource, uses, "whoami") == "reports"
        # 403 by HTTP, with the scope that a client steps up to: `test_mcp.py`.
        with pytest.raises(ExceptionGroup) as told:
            tool(resource, uses, "drop", what="tea")
        assert told.group_contains(MCPError)
        assert tool(resource, both, "drop", what="tea") == "tea is gone, said reports"


def call(tool: str, **arguments: str) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def tool(resource: str, headers: dict[str, str], name: str, **arguments: str) -> str:
    """What a tool answers, by the SDK's client."""
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def ask() -> str:
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(resource, http_client=http)) as client,
        ):
            result: Any = await client.call_tool(name, arguments)
            return str(result.content[0].text)

    return asyncio.run(ask())
