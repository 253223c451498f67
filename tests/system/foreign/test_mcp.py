"""The MCP Python SDK's client finds its way from a server's 401 to the issuer, signs Ada in, and calls a tool."""

import importlib.util
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio import sleep, to_thread

from tests.fixtures.processes import Child
from tests.fixtures.required import missing
from tests.plugins.patience import patience
from tests.system.foreign.conftest import HINT, World
from tests.system.foreign.person import Landed, Person, changed

pytestmark = [pytest.mark.soak, pytest.mark.anyio]
SERVER = Path(__file__).parent / "apps" / "mcp_server.py"
METADATA = "/.well-known/oauth-protected-resource/mcp"


@pytest.fixture(scope="module", params=["guard", "fastmcp", "sdk tokens", "fastmcp tokens"])
def server(request: pytest.FixtureRequest, world: World) -> Iterator[Child]:
    """The MCP server, running, guarded in each way."""
    way, needed = request.param, "fastmcp" if "fastmcp" in request.param else "mcp"
    if importlib.util.find_spec(needed) is None:
        missing(needed, HINT)
    path = world.folder / "mcp.json"
    port, resource = world.parties.mcp_server, world.parties.mcp_resource
    path.write_text(json.dumps({"issuer": world.issuer, "resource": resource, "port": port, "way": way}))
    child = world.start("mcp", [sys.executable, str(SERVER), str(path)], port, ready=METADATA)
    yield child
    child.stop()


class Store:
    """What an application keeps: tokens, and the client that it was registered as, by hand unless it is not `known`."""

    def __init__(self, world: World, *, known: bool) -> None:
        from mcp.shared.auth import OAuthClientInformationFull

        self.tokens: Any = None
        self.client: Any = None
        if not known:
            return
        party = world.parties.mcp
        self.client = OAuthClientInformationFull(
            client_id=party.id, redirect_uris=[party.redirect_uri], token_endpoint_auth_method="none"
        )

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


class Agent:
    """An application with the SDK's client. `bend` changes the answer before the client sees it."""

    def __init__(
        self,
        world: World,
        person: Person,
        bend: Callable[[str], str] = str,
        *,
        known: bool = True,
        document: str | None = None,
    ) -> None:
        self.document = document
        self.world, self.person, self.bend = world, person, bend
        self.store = Store(world, known=known)
        self.landed: Landed | None = None
        self.asked: list[str] = []
        self.signing_in: Any = self.new_start()

    def new_start(self) -> Any:
        """The SDK's own part, which knows what is stored."""
        from mcp.client.auth import OAuthClientProvider
        from mcp.shared.auth import OAuthClientMetadata

        return OAuthClientProvider(
            self.world.parties.mcp_resource,
            OAuthClientMetadata(redirect_uris=[self.world.parties.mcp.redirect_uri]),
            self.store,
            self.open,
            self.answer,
            client_metadata_url=self.document,
        )

    async def open(self, url: str) -> None:
        self.asked.append(url)
        self.landed = await to_thread.run_sync(
            lambda: self.person.go(url, until=self.world.parties.mcp.redirect_uri)
        )

    async def answer(self) -> Any:
        from mcp.shared.auth import AuthorizationCodeResult

        assert self.landed is not None
        found = Landed(self.bend(self.landed.url)).answer
        return AuthorizationCodeResult(
            code=found.get("code", ""), state=found.get("state"), iss=found.get("iss")
        )

    async def whoami(self) -> str:
        return await self.call("whoami")

    async def call(self, tool: str) -> str:
        """One call of a tool, in a connection of its own."""
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        async with httpx2.AsyncClient(auth=self.signing_in, timeout=30) as http:
            transport = streamable_http_client(self.world.parties.mcp_resource, http_client=http)
            async with Client(transport) as client:
                result = await client.call_tool(tool, {})
                return str(result.content[0].text)


async def test_an_mcp_client_signs_in_and_calls_a_tool(world: World, server: Child, person: Person) -> None:
    agent = Agent(world, person)
    subject = await agent.whoami()
    assert subject.startswith("u_")
    assert (person.typed, person.asked) == (1, 1)
    asked = Landed(agent.asked[0]).answer
    assert asked["resource"] == world.parties.mcp_resource
    agent.signing_in = agent.new_start()
    assert await agent.whoami() == subject, "with the token that it stored"
    assert len(agent.asked) == 1


@pytest.mark.rfc("7591", "3.1")
async def test_an_mcp_client_that_nobody_knows_registers_itself_and_people_are_asked_each_time(
    world: World, server: Child, person: Person
) -> None:
    agent = Agent(world, person, known=False)
    assert (await agent.whoami()).startswith("u_")
    assert agent.store.client.client_id not in {one.id for one in world.parties.clients()}
    assert agent.store.tokens.refresh_token is not None
    agent.store.tokens, agent.signing_in = None, None
    agent.signing_in = agent.new_start()
    await agent.whoami()
    assert (person.typed, person.asked) == (1, 2), "it is nobody's friend, so a yes is not remembered"


@pytest.fixture
def document(world: World) -> Iterator[str]:
    """The address where a client describes itself, over TLS; that is its id."""
    url = f"{world.parties.document_host}/agent.json"
    described = {
        "client_id": url,
        "client_name": "An agent",
        "redirect_uris": [world.parties.mcp.redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    body = json.dumps(described).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/agent.json" else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing to tell."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.tls.cert, world.tls.key)
    with ThreadingHTTPServer(("127.0.0.1", world.parties.documents), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()


async def test_an_mcp_client_that_describes_itself_at_its_own_address_signs_in(
    world: World, server: Child, person: Person, document: str
) -> None:
    """Client ID Metadata Document: nobody registers anything."""
    agent = Agent(world, person, known=False, document=document)
    assert (await agent.whoami()).startswith("u_")
    assert Landed(agent.asked[0]).answer["client_id"] == document
    agent.signing_in.context.token_expiry_time = 1.0
    await agent.whoami()
    assert len(agent.asked) == 1, "it refreshed"


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize("server", ["guard", "fastmcp"], indirect=True)
async def test_an_mcp_client_asks_for_what_one_tool_needs_beyond_and_calls_again(
    world: World, server: Child, person: Person, document: str
) -> None:
    """The SDK's own way has no challenge for one tool."""
    agent = Agent(world, person, known=False, document=document)
    subject = await agent.whoami()
    assert set(Landed(agent.asked[0]).answer["scope"].split()) == {"tools:use", "offline_access"}
    assert await agent.call("drop") == subject
    assert "tools:drop" in Landed(agent.asked[1]).answer["scope"].split()
    assert (person.typed, person.asked) == (1, 2)
    assert await agent.call("drop") == subject
    assert len(agent.asked) == 2, "what it has now is enough"


async def test_an_mcp_client_whose_document_is_not_there_is_shown_to_nobody(
    world: World, server: Child, person: Person
) -> None:
    agent = Agent(world, person, known=False, document=f"{world.parties.document_host}/agent.json?gone")
    with pytest.raises(BaseExceptionGroup):
        await agent.whoami()
    assert agent.landed is not None
    assert agent.landed.page is not None
    assert (agent.landed.page.status_code, person.asked) == (400, 0)


async def test_an_mcp_client_refreshes_what_has_run_out(world: World, server: Child, person: Person) -> None:
    agent = Agent(world, person)
    subject = await agent.whoami()
    first = agent.store.tokens
    assert first.refresh_token is not None
    agent.signing_in.context.token_expiry_time = 1.0
    assert await agent.whoami() == subject
    assert agent.store.tokens.access_token != first.access_token
    assert len(agent.asked) == 1


async def test_an_mcp_client_whose_grant_was_revoked_is_refused_and_signs_in_again(
    world: World, server: Child, person: Person
) -> None:
    agent = Agent(world, person)
    await agent.whoami()
    held = agent.store.tokens
    revoked = await to_thread.run_sync(
        lambda: person.post(
            f"{world.issuer}/revoke",
            data={"token": held.refresh_token, "client_id": world.parties.mcp.id},
        )
    )
    assert revoked.status_code == 200
    async with httpx2.AsyncClient() as http:
        for _ in range(int(patience() * 10)):
            refused = await http.post(
                world.parties.mcp_resource, headers={"authorization": f"Bearer {held.access_token}"}
            )
            if refused.status_code == 401:
                break
            await sleep(0.1)
    assert refused.status_code == 401
    assert "resource_metadata=" in refused.headers["www-authenticate"]
    agent.signing_in.context.token_expiry_time = 1.0  # so that it tries the refresh token first
    await agent.whoami()
    assert len(agent.asked) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"state": "another"}, {"iss": "http://localhost:1"}, {"iss": ""}],
    ids=["state", "iss", "no iss"],
)
async def test_an_mcp_client_takes_no_answer_with_another_state_or_from_another_issuer(
    world: World, server: Child, person: Person, wrong: dict[str, str]
) -> None:
    agent = Agent(world, person, lambda url: changed(url, **wrong))
    with pytest.raises(BaseExceptionGroup) as refused:
        await agent.whoami()
    assert refused.group_contains(Exception, match=r"(?i)state|iss")
    assert agent.store.tokens is None


async def test_a_token_for_another_api_opens_no_mcp_server(
    world: World, server: Child, person: Person
) -> None:
    """A token for the issuer itself, which another client of Ada's got."""
    from authlib.integrations.requests_client import OAuth2Session

    from tests.system.foreign.relying_parties import SECRET

    party = world.parties.authlib

    def token() -> str:
        with OAuth2Session(
            party.id, SECRET, scope="openid", redirect_uri=party.redirect_uri, code_challenge_method="S256"
        ) as client:
            url, _ = client.create_authorization_url(f"{world.issuer}/authorize", code_verifier="v" * 43)
            landed = person.go(url, until=party.redirect_uri)
            got = client.fetch_token(
                f"{world.issuer}/token", authorization_response=landed.url, code_verifier="v" * 43
            )
            return str(got["access_token"])

    held = await to_thread.run_sync(token)
    async with httpx2.AsyncClient() as http:
        refused = await http.post(
            world.parties.mcp_resource, headers={"authorization": f"Bearer {held}"}, json={}
        )
    assert refused.status_code == 401
