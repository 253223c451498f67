"""MCP servers of the official SDK behind Admit: who gets in, what is published, and what a tool knows of its caller."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import AnyHttpUrl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from admit.errors import ConfigError, LookupUnavailableError, MissingCredentialError, UnavailableError
from admit.testing import TestIssuer
from admit.testing import principal as principal_of_tests
from admit.verifier import AsyncVerifier, TrustedIssuer, Verifier
from tests.contract import asgi, table
from tests.contract.adapter import Adapter
from tests.contract.adapters import mcp
from tests.contract.case import Case
from tests.contract.running import Services
from tests.contract.services import API, ISSUER, Issuer
from tests.contract.test_integrations import each, hold

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.server.mcpserver import Context, MCPServer

    from admit.integrations.mcp import AdmitAccessToken, AdmitTokens, Guard, Refused, principal

pytestmark = pytest.mark.anyio
PATH = "/.well-known/oauth-protected-resource/mcp"
RESOURCE = "https://mcp.example.com/mcp"
METADATA = f"https://mcp.example.com{PATH}"


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """The SDK takes two seconds to import: only the worker that runs this file pays for them."""
    for home, names in {
        "mcp": ["Client"],
        "mcp.client.streamable_http": ["streamable_http_client"],
        "mcp.server.mcpserver": ["Context", "MCPServer"],
        "admit.integrations.mcp": ["AdmitAccessToken", "AdmitTokens", "Guard", "Refused", "principal"],
    }.items():
        globals().update({name: getattr(import_module(home), name) for name in names})


class Tools(Issuer):
    """The issuer of the shared suite, for another resource."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.verifier = Verifier(
            TrustedIssuer(ISSUER, audience=RESOURCE, source=self.source), boottime=lambda: self.clock
        )
        self.publish()

    def token(self, **changed: Any) -> str:
        return super().token(**{"audience": RESOURCE, **changed})


@pytest.fixture
def issuer() -> Tools:
    return Tools()


def sdk_server(**more: Any) -> "MCPServer":
    server = MCPServer("tools", **more)

    @server.tool()
    def whoami() -> str:
        return principal().subject

    @server.tool()
    def drop() -> str:
        return principal("orders:drop", role="admin").subject

    @server.tool()
    def drop_if_i_may() -> str:
        try:
            return principal("orders:drop").subject
        except Refused:
            return "left alone"

    @server.tool()
    async def drop_and_tell(context: Context) -> str:
        await context.report_progress(1, 2)
        return principal("orders:drop").subject

    @server.custom_route("/about", methods=["GET"])
    async def about(request: Request) -> Response:
        return JSONResponse({"who": request.scope["admit.principal"].subject})

    return server


@contextlib.asynccontextmanager
async def serving(app: Any, inner: Any = None) -> AsyncIterator[httpx2.AsyncClient]:
    """The application, started and reachable."""
    inner = inner or app
    transport = httpx2.ASGITransport(app=app)
    async with inner.router.lifespan_context(inner), httpx2.AsyncClient(transport=transport) as http:
        yield http


@contextlib.asynccontextmanager
async def guarded(issuer: Issuer, **more: Any) -> AsyncIterator[httpx2.AsyncClient]:
    guard = Guard(issuer.verifier, resource=RESOURCE, **{"scopes": ["orders:read"], **more})
    inner = sdk_server().streamable_http_app(host="mcp.example.com")
    async with serving(guard(inner), inner) as http:
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def call(http: httpx2.AsyncClient, token: str, tool: str, mode: str = "auto") -> Any:
    """`mode`: "legacy" has a session, whose answers are streams; else each request stands for itself."""
    http.headers["authorization"] = f"Bearer {token}"
    async with Client(streamable_http_client(RESOURCE, http_client=http), mode=mode) as client:
        return await client.call_tool(tool, {}, progress_callback=heard)


async def heard(done: float, total: float | None, message: str | None) -> None:
    """Asks a server to tell of progress."""


def kept_in(answers: list[httpx2.Response]) -> Any:
    """A hook that keeps what is answered."""

    async def keep(answer: httpx2.Response) -> None:
        if answer.status_code != 200:
            await answer.aread()
        answers.append(answer)

    return keep


async def test_a_tool_knows_who_calls(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        result = await call(http, issuer.token(), "whoami")
        assert (result.content[0].text, result.is_error) == ("u_alice", False)
        assert (await http.get("https://mcp.example.com/about")).json() == {"who": "u_alice"}


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_scopes_that_one_tool_needs_beyond_are_asked_by_http(issuer: Tools, mode: str) -> None:
    issuer.scopes = frozenset({"orders:read", "orders:drop"})
    async with guarded(issuer) as http:
        assert not (await call(http, issuer.token(), "drop", mode)).is_error
        answers: list[httpx2.Response] = []
        http.event_hooks["response"].append(kept_in(answers))
        with pytest.raises(BaseException):  # noqa: B017  # whatever the client makes of it
            await call(http, issuer.token(scope=frozenset({"orders:read"})), "drop", mode)
        (refused,) = [answer for answer in answers if answer.status_code == 403]
        assert refused.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", error_description="You may not do this.",'
            f' scope="orders:drop orders:read", resource_metadata="{METADATA}"'
        )
        assert refused.json()["error"] == "insufficient_scope"
        # Nothing of the tool's own answer follows, and the next call is answered.
        assert (await call(http, issuer.token(), "whoami", mode)).content[0].text == "u_alice"


async def test_what_no_scope_would_mend_is_the_tools_error(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        for scope in (set(), {"orders:drop"}):
            token = issuer.token(roles=frozenset(), scope=frozenset({"orders:read", *scope}))
            refused = await call(http, token, "drop")
            assert refused.is_error
            assert refused.content[0].text.endswith("You may not do this. It needs the scope orders:drop.")


async def test_a_tool_may_do_with_less_and_answers_then(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        result = await call(http, issuer.token(scope=frozenset({"orders:read"})), "drop_if_i_may")
        assert (result.content[0].text, result.is_error) == ("left alone", False)


async def test_an_answer_that_has_begun_goes_on(issuer: Tools) -> None:
    """A notification is there before the refusal: then it is the tool's error."""
    async with guarded(issuer) as http:
        refused = await call(http, issuer.token(scope=frozenset({"orders:read"})), "drop_and_tell", "legacy")
        assert refused.is_error
        assert "orders:drop" in refused.content[0].text


def test_outside_of_a_request_there_is_nobody() -> None:
    with pytest.raises(Refused) as refused:
        principal()
    assert isinstance(refused.value.cause_, MissingCredentialError)
    with pytest.raises(ConfigError):
        principal("two words")


@pytest.mark.rfc("9728", "5.1")
@pytest.mark.rfc("6750", "3")
async def test_a_stranger_is_told_where_to_ask_and_for_what(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        answer = await http.post(RESOURCE, json={})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer scope="orders:read", resource_metadata="{METADATA}"'
    )
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.rfc("6750", "3.1")
async def test_refusals_name_the_error_all_scopes_and_the_metadata(issuer: Tools) -> None:
    async with guarded(issuer, scopes=["tools:use", "orders:read"], realm="tools") as http:
        bad = await http.post(RESOURCE, json={}, headers=bearer("junk.junk.junk"))
        assert bad.status_code == 401
        assert bad.headers["www-authenticate"].startswith('Bearer realm="tools", error="invalid_token"')
        less = await http.post(RESOURCE, json={}, headers=bearer(issuer.token()))
        assert less.status_code == 403
        told = less.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in told
        assert 'scope="orders:read tools:use"' in told
        assert f'resource_metadata="{METADATA}"' in told
        query = await http.post(f"{RESOURCE}?access_token={issuer.token()}", json={})
        assert query.status_code == 400


@pytest.mark.rfc("8707", "2")
async def test_a_token_for_another_server_is_refused(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        answer = await http.post(RESOURCE, json={}, headers=bearer(issuer.token(audience=API)))
        assert answer.status_code == 401
        both = issuer.token(audience=[API, RESOURCE])
        assert (await http.get("https://mcp.example.com/about", headers=bearer(both))).status_code == 200


async def test_what_was_ended_is_401_and_what_cannot_be_told_503(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        token = issuer.token()
        assert (await http.get("https://mcp.example.com/about", headers=bearer(token))).status_code == 200
        issuer.end()
        assert (await http.post(RESOURCE, json={}, headers=bearer(token))).status_code == 401
    unknown = Tools()
    async with guarded(unknown) as http:
        unknown.fail()
        gone = await http.post(RESOURCE, json={}, headers=bearer(unknown.token()))
        assert (gone.status_code, "www-authenticate" in gone.headers) == (503, False)
        assert int(gone.headers["retry-after"]) > 0


async def test_everything_behind_the_guard_needs_a_token(issuer: Tools) -> None:
    async with guarded(issuer) as http:
        for path in ("/mcp", "/about", "/nowhere", "/.well-known/oauth-protected-resource", f"{PATH}/"):
            assert (await http.get(f"https://mcp.example.com{path}")).status_code == 401


@pytest.mark.rfc("9728", "2")
@pytest.mark.rfc("9728", "3.1")
async def test_the_metadata_lies_between_host_and_path_and_names_issuers_letter_by_letter(
    issuer: Tools,
) -> None:
    async with guarded(issuer, name="Tools", documentation="https://mcp.example.com/docs") as http:
        answer = await http.get(METADATA)
        assert answer.json() == {
            "resource": RESOURCE,
            "authorization_servers": [ISSUER],
            "scopes_supported": ["orders:read"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Tools",
            "resource_documentation": "https://mcp.example.com/docs",
        }
        assert answer.headers["content-type"] == "application/json"
        head = await http.head(METADATA)
        assert (head.status_code, head.content) == (200, b"")
        assert (await http.post(METADATA)).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_page_may_read_the_metadata(issuer: Tools) -> None:
    asked = {"origin": "https://inspector.example", "access-control-request-method": "GET"}
    async with guarded(issuer) as http:
        preflight = await http.options(METADATA, headers=asked)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
        read = await http.get(METADATA, headers={"origin": "https://inspector.example"})
        assert read.headers["access-control-allow-origin"] == "*"


@pytest.mark.rfc("9728", "3.1")
@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://mcp.example.com", "https://mcp.example.com/.well-known/oauth-protected-resource"),
        ("https://mcp.example.com/", "https://mcp.example.com/.well-known/oauth-protected-resource"),
        ("https://mcp.example.com/a/b/", "https://mcp.example.com/.well-known/oauth-protected-resource/a/b/"),
        (
            "https://mcp.example.com/a?b=c",
            "https://mcp.example.com/.well-known/oauth-protected-resource/a?b=c",
        ),
        ("http://localhost:8000/mcp", "http://localhost:8000/.well-known/oauth-protected-resource/mcp"),
    ],
    ids=["host", "slash", "path", "query", "loopback"],
)
def test_where_the_metadata_is(resource: str, url: str) -> None:
    guard = Guard(AsyncVerifier(TrustedIssuer(ISSUER, audience=resource)), resource=resource)
    assert (guard.metadata_url, guard.metadata["resource"]) == (url, resource)
    assert "scopes_supported" not in guard.metadata


@pytest.mark.parametrize(
    ("resource", "more", "says"),
    [
        ("https://other.example.com/mcp", {}, "audience"),
        (f"{RESOURCE}/", {}, "slash"),
        (AnyHttpUrl("https://id.example.com"), {}, "slash"),
        ("mcp.example.com", {}, "URL"),
        (f"{RESOURCE}#tools", {}, "fragment"),
        ('https://mcp.example.com/"', {}, "URL"),
        (RESOURCE, {"scopes": ["tools:use", "offline_access"]}, "offline_access"),
        (RESOURCE, {"scopes": "tools:use"}, "one by one"),
    ],
    ids=["foreign", "slash", "pydantic", "no scheme", "fragment", "quote", "offline_access", "one text"],
)
def test_what_cannot_work_is_told_at_once(resource: Any, more: dict[str, Any], says: str) -> None:
    verifier = AsyncVerifier(TrustedIssuer(ISSUER, audience=[RESOURCE, "https://id.example.com"]))
    for kind in (Guard, AdmitTokens):
        with pytest.raises(ConfigError, match=says):
            kind(verifier, resource=resource, **more)


def test_what_is_no_verifier_is_told_at_once() -> None:
    trusted: Any = TrustedIssuer(ISSUER, audience=RESOURCE)
    for kind in (Guard, AdmitTokens):
        with pytest.raises(ConfigError, match=r"Guard\(Verifier\(TrustedIssuer\("):
            kind(trusted, resource=RESOURCE)


async def test_the_sdks_own_way_takes_the_same_tokens(issuer: Tools) -> None:
    tokens = AdmitTokens(issuer.verifier, resource=RESOURCE, scopes=["orders:read"])
    server = sdk_server(token_verifier=tokens, auth=tokens.settings())
    async with serving(server.streamable_http_app(host="mcp.example.com")) as http:
        told = (await http.get(METADATA)).json()
        assert (told["resource"], told["authorization_servers"]) == (RESOURCE, [ISSUER])
        for refused in (issuer.token(audience=API), "junk.junk.junk", "\x7f"):
            answer = await http.post(RESOURCE, json={}, headers=bearer(refused))
            assert answer.status_code == 401
            assert f'resource_metadata="{METADATA}"' in answer.headers["www-authenticate"]
        less = issuer.token(scope=frozenset())
        assert (await http.post(RESOURCE, json={}, headers=bearer(less))).status_code == 403
        assert (await call(http, issuer.token(), "whoami")).content[0].text == "u_alice"
        issuer.fail()
        with pytest.raises(UnavailableError):
            await http.post(RESOURCE, json={}, headers=bearer(issuer.token()))


async def test_the_sdks_own_way_says_503_where_a_token_cannot_be_checked(issuer: Tools) -> None:
    tokens = AdmitTokens(issuer.verifier, resource=RESOURCE)
    inner = sdk_server(token_verifier=tokens, auth=tokens.settings()).streamable_http_app(
        host="mcp.example.com"
    )
    async with serving(tokens(inner), inner) as http:
        assert (await call(http, issuer.token(), "whoami")).content[0].text == "u_alice"
        assert (await http.post(RESOURCE, json={}, headers=bearer("junk"))).status_code == 401
        issuer.fail()
        answer = await http.post(RESOURCE, json={}, headers=bearer(issuer.token()))
        assert (answer.status_code, answer.json()["error"]) == (503, "revocation_stale")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["cache-control"] == "no-store"
        assert "www-authenticate" not in answer.headers


async def test_what_else_an_application_raises_is_its_own(issuer: Tools) -> None:
    tokens = AdmitTokens(issuer.verifier, resource=RESOURCE)
    token = issuer.token()
    issuer.fail()

    async def crashing(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in ("/asked", "/without"):
            with contextlib.suppress(UnavailableError):
                await tokens.verify_token(token)
        if scope["path"] == "/without":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        raise ZeroDivisionError if scope["path"] != "/other" else LookupUnavailableError("a store of its own")

    app = tokens(crashing)
    for path, error in (
        ("/", ZeroDivisionError),
        ("/asked", ZeroDivisionError),
        ("/other", UnavailableError),
    ):
        with pytest.raises(error):
            await asgi.call(app, path)
    assert (await asgi.call(app, "/without")).status == 204
    with pytest.raises(UnavailableError):  # no request is there to answer
        await tokens.verify_token(token)


async def test_the_sdks_value_tells_issuer_and_subject_and_dumps(issuer: Tools) -> None:
    tokens = AdmitTokens(issuer.verifier, resource=RESOURCE)
    found = await tokens.verify_token(issuer.token())
    assert found is not None
    assert (found.client_id, found.subject, found.resource) == ("spa", "u_alice", RESOURCE)
    assert found.claims is not None
    assert found.claims["iss"] == ISSUER
    assert found.principal.key == (ISSUER, "u_alice")
    dumped = json.loads(found.model_dump_json())
    assert "principal" not in dumped
    assert dumped["claims"]["sub"] == "u_alice"
    assert found.model_copy().principal.key == (ISSUER, "u_alice")


def test_the_sdks_settings_name_one_issuer_and_no_more() -> None:
    verifier = AsyncVerifier(
        TrustedIssuer(ISSUER, audience=RESOURCE), TrustedIssuer("https://b.example", audience=RESOURCE)
    )
    with pytest.raises(ConfigError, match="one issuer"):
        AdmitTokens(verifier, resource=RESOURCE).settings()
    assert Guard(verifier, resource=RESOURCE).metadata["authorization_servers"] == [
        "https://b.example",
        ISSUER,
    ]
    assert (
        str(
            AdmitTokens(AsyncVerifier(TrustedIssuer(ISSUER, audience=RESOURCE)), resource=RESOURCE)
            .settings()
            .issuer_url
        )
        == ISSUER
    )


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with asyncio.Runner() as runner:
        yield Services(runner.run)


@pytest.mark.parametrize(("adapter", "mode", "cases"), list(each([mcp.ADAPTER])))
def test_the_answer_is_that_of_the_list_of_all_integrations(
    services: Services,
    adapter: Adapter,
    mode: str,
    cases: list[Case],
    record_property: Callable[[str, object], None],
) -> None:
    record_property(table.PROPERTY, [adapter.name, mode, cases[0].row])
    for case in cases:
        hold(services, adapter, mode, case)


def test_the_issuer_of_tests_is_trusted_by_either_way_of_guarding(admit_issuer: TestIssuer) -> None:
    """And the example of docs/testing.md runs."""
    verifier = Verifier(TrustedIssuer(ISSUER, audience=[RESOURCE, API]))
    tokens = AdmitTokens(verifier, resource=RESOURCE, scopes=["tools:use"])
    guard = Guard(verifier, resource=RESOURCE, scopes=["tools:use"])
    page = (Path(__file__).resolve().parents[3] / "docs/testing.md").read_text("utf-8")
    example = page.partition("<!-- example: tokens -->\n```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {"asyncio": asyncio, "principal": principal_of_tests, "tokens": tokens}
    exec(example, names)
    names["test_a_token_for_the_server_is_good"](admit_issuer)
    carried = admit_issuer.headers(principal_of_tests("alice"), tokens)["authorization"]
    taken = asyncio.run(tokens.verify_token(carried.removeprefix("Bearer ")))
    assert isinstance(taken, AdmitAccessToken)
    assert taken.principal.subject == "alice"
    assert asyncio.run(tokens.verify_token(carried[:-4] + "AAAA")) is None
    with pytest.raises(ConfigError, match="takes no sessions"):
        admit_issuer.headers(principal_of_tests("alice"), tokens, by="session")
    client = admit_issuer.client(TestClient(guard(JSONResponse({}))), guard)
    assert client.get("/mcp").status_code == 401
    assert client.as_(principal_of_tests("alice")).get("/mcp").status_code == 403
    alice = client.as_(principal_of_tests("alice", scopes={"tools:use"}))
    assert alice.get("/mcp").status_code == 200
    admit_issuer.close()
    assert (tokens.verifier, guard.gate.verifier) == (verifier, verifier)


def test_a_guard_can_be_overridden_in_tests_and_asks_what_it_asks() -> None:
    guard = Guard(Verifier(TrustedIssuer(ISSUER, audience=RESOURCE)), resource=RESOURCE, scopes=["tools:use"])

    async def tool(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({"subject": principal("tools:use").subject})(scope, receive, send)

    client = TestClient(guard(tool))
    with guard.override(principal_of_tests("alice", scopes={"tools:use"})):
        assert client.get("/mcp").json() == {"subject": "alice"}
    with guard.override(principal_of_tests("alice")):
        assert client.get("/mcp").status_code == 403
    assert client.get("/mcp").status_code == 401
