"""`admit.client`: tokens had once, renewed early, sent to their own API only, through each HTTP client."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import pytest
import requests

from admit.client import (
    AuthorizationServer,
    ClientCredentials,
    ClientRegistration,
    ClientSecret,
    ForeignOriginError,
    InvalidGrantError,
    PrivateKeyJwt,
    PublicClient,
    RefreshToken,
    ServerUnavailableError,
    TokenAnswerError,
    TokenRequestError,
)
from admit.client import httpx as for_httpx
from admit.client import httpx2 as for_httpx2
from admit.client import requests as for_requests
from admit.client.authentication import prove
from admit.errors import ConfigError, FetchError, IssuerError
from admit.jose import JWK
from admit.jose import claims as jose_claims
from tests.fixtures.issuer import Clock
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import Wire

API = "https://api.example.com"


def source_of(strange: Strange, clock: Clock | None = None, **changes: Any) -> tuple[ClientCredentials, Wire]:
    wire = Wire()
    registration = strange.registration(wire, clock or Clock())
    return ClientCredentials(registration, **{"audience": API, "scopes": ["orders:read"], **changes}), wire


@pytest.mark.rfc("6749", "4.4.2")
async def test_a_token_is_had_once_and_asked_for_by_audience_scope_and_secret() -> None:
    strange = Strange()
    source, wire = source_of(strange)
    assert [await source.atoken() for _ in range(3)] == ["access-1"] * 3
    assert strange.asked == [
        {"grant_type": "client_credentials", "resource": API, "scope": "orders:read"},
    ]
    assert wire.to("/token")[0].headers["authorization"].startswith("Basic ")
    assert "not-to-be-guessed" not in repr(source.client)


async def test_all_who_wait_share_one_request_and_one_who_gives_up_stops_nobody() -> None:
    strange = Strange()
    source, _ = source_of(strange)
    first = asyncio.ensure_future(source.atoken())
    waiting = [asyncio.ensure_future(source.atoken()) for _ in range(7)]
    await asyncio.sleep(0)
    first.cancel()
    assert set(await asyncio.gather(*waiting)) == {"access-1"}
    assert first.cancelled()
    assert len(strange.asked) == 1


def test_threads_and_loops_share_one_request() -> None:
    strange = Strange()
    source, _ = source_of(strange)
    gate, found = threading.Barrier(6), []

    def blocking() -> None:
        gate.wait()
        found.append(source.token())

    def looping() -> None:
        gate.wait()
        found.append(asyncio.run(source.atoken()))

    threads = [threading.Thread(target=one) for one in (blocking, looping) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["access-1"] * 6
    assert len(strange.asked) == 1


async def test_a_token_is_renewed_early_and_the_old_one_serves_while_that_fails() -> None:
    strange, clock = Strange(lifetime=300), Clock()
    source, wire = source_of(strange, clock)
    assert await source.atoken() == "access-1"
    clock.advance(265)
    assert await source.atoken() == "access-1"
    clock.advance(10)
    assert await source.atoken() == "access-2"
    apps, wire.apps = wire.apps, {}
    clock.advance(280)
    sent = len(wire.asked)
    assert [await source.atoken() for _ in range(5)] == ["access-2"] * 5
    assert len(wire.asked) == sent + 1, "a failing server is not asked again at once"
    clock.advance(21)
    for _ in range(2):
        with pytest.raises(ServerUnavailableError):
            await source.atoken()
    wire.apps = apps
    clock.advance(31)
    assert await source.atoken() == "access-3"


async def test_a_refusal_is_told_by_its_registered_code_and_no_other_word() -> None:
    for error, kind, told in (
        ("invalid_client", TokenRequestError, "invalid_client"),
        ("invalid_grant", InvalidGrantError, "invalid_grant"),
        ("<script>", TokenRequestError, "unregistered"),
    ):
        source, _ = source_of(Strange(refuses=error))
        for _ in range(2):
            with pytest.raises(kind) as refused:
                await source.atoken()
            assert refused.value.error == told
            assert "script" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"token_type": "DPoP"},
        {"token_type": None},
        {"access_token": None},
        {"access_token": "with\r\nheader: x"},
        {"access_token": 7},
        {"scope": "less"},
    ],
    ids=["dpop", "untyped", "none", "header", "number", "less"],
)
@pytest.mark.rfc("6749", "7.1")
async def test_an_answer_that_is_no_bearer_token_of_ours_is_not_used(answer: dict[str, Any]) -> None:
    source, _ = source_of(Strange(answer=answer))
    with pytest.raises(TokenAnswerError):
        await source.atoken()


@pytest.mark.rfc("7523", "3")
def test_an_assertion_is_for_one_issuer_one_minute_and_one_use() -> None:
    key = JWK.generate("ES256", kid="k1")
    forms = [
        dict(prove(PrivateKeyJwt(key), "app", issuer="https://id.example.com", now=1_000_000.0).form)
        for _ in range(2)
    ]
    policy = jose_claims.ClaimPolicy(
        issuer="app", audience="https://id.example.com", require=frozenset({"sub", "jti"})
    )
    read = [jose_claims.verify(form["client_assertion"], key.public(), policy, 1_000_030.0) for form in forms]
    assert read[0]["jti"] != read[1]["jti"]
    assert read[0]["exp"] - read[0]["iat"] == 60
    assert "client_secret" not in forms[0]
    assert prove(PublicClient(), "app", issuer="x", now=0.0).form == (("client_id", "app"),)
    for bad in (JWK.secret(bytes(range(32)), "HS256"), key.public()):
        with pytest.raises(ConfigError):
            PrivateKeyJwt(bad)


@pytest.mark.threat("9700-metadata", off="admit.client.server:check_issuer")
@pytest.mark.threat("6819-4.5.4", off="admit.client.server:check_issuer")
@pytest.mark.rfc("8414", "3.3")
@pytest.mark.parametrize(
    "issuer", ["https://evil.example", "https://id.example.com/", "http://id.example.com"]
)
async def test_metadata_of_another_issuer_gets_no_refresh_token(issuer: str) -> None:
    strange = Strange(metadata={"issuer": issuer})
    source, wire = refreshing(strange)
    with pytest.raises(IssuerError):
        await source.atoken()
    assert wire.to("/token") == []


def refreshing(
    strange: Strange, clock: Clock | None = None, keep: Any = print, scopes: Sequence[str] = ()
) -> tuple[RefreshToken, Wire]:
    wire = Wire()
    registration = strange.registration(wire, clock or Clock())
    return RefreshToken(registration, "refresh-0", audience=API, keep=keep, scopes=scopes), wire


@pytest.mark.threat("6819-4.5.4", off="admit.fetch.fetcher:check_redirect")
async def test_a_redirect_from_the_token_endpoint_takes_no_refresh_token_along() -> None:
    evil = Strange("https://evil.example")
    strange = Strange(redirects_token="https://evil.example/token")
    source, wire = refreshing(strange)
    wire.apps[evil.issuer] = evil.app()
    with pytest.raises(ServerUnavailableError):
        await source.atoken()
    assert evil.asked == []


async def test_an_endpoint_in_the_metadata_that_is_not_https_gets_nothing() -> None:
    for url in ("http://id.example.com/token", "ftp://id.example.com/token", "https://id@evil.example/", 7):
        source, wire = refreshing(Strange(metadata={"token_endpoint": url}))
        with pytest.raises(ServerUnavailableError):
            await source.atoken()
        assert len(wire.asked) == 1
    for issuer in ("http://id.example.com", "https://id.example.com?a=b", "id.example.com", ""):
        with pytest.raises(ConfigError):
            AuthorizationServer(issuer)


@pytest.mark.rfc("6749", "6")
async def test_refreshes_follow_each_other_and_each_new_token_is_kept_before_it_is_used() -> None:
    strange, clock = Strange(), Clock()
    kept: list[str] = []
    source, _ = refreshing(strange, clock, kept.append)
    for _ in range(3):
        await asyncio.gather(*[source.atoken() for _ in range(5)])
        clock.advance(600)
    assert [form["refresh_token"] for form in strange.asked] == ["refresh-0", "refresh-1", "refresh-2"]
    assert kept == ["refresh-1", "refresh-2", "refresh-3"]
    assert "refresh-" not in repr(source)


@pytest.mark.rfc("6749", "6")
@pytest.mark.threat("9700-privilege", off="admit.client.tokens:check_narrow")
@pytest.mark.parametrize("said", ["read write", "openid read", "READ read"])
async def test_a_narrowed_refresh_that_brings_more_gives_no_token_and_loses_no_refresh_token(
    said: str,
) -> None:
    kept: list[str] = []
    source, _ = refreshing(Strange(answer={"scope": said}), keep=kept.append, scopes=["read"])
    with pytest.raises(TokenAnswerError, match="may more than was asked for") as refused:
        await source.atoken()
    assert said not in str(refused.value)
    assert kept == ["refresh-1"]


@pytest.mark.rfc("6749", "6")
@pytest.mark.parametrize("answer", [{}, {"scope": "read"}, {"scope": "read offline_access"}], ids=str)
async def test_a_narrowed_refresh_that_brings_what_was_asked_for_gives_it(answer: dict[str, Any]) -> None:
    source, _ = refreshing(Strange(answer=answer), scopes=["read"])
    assert await source.atoken() == "access-1"
    wide, _ = refreshing(Strange(answer={"scope": "read write"}))
    assert await wide.atoken() == "access-1"


async def test_a_refresh_that_brings_too_little_loses_no_refresh_token_either() -> None:
    kept: list[str] = []
    source, _ = refreshing(Strange(answer={"scope": "read"}), keep=kept.append, scopes=["read", "write"])
    with pytest.raises(TokenAnswerError, match="lacks"):
        await source.atoken()
    assert kept == ["refresh-1"]


async def test_a_refresh_token_that_could_not_be_kept_is_kept_before_the_next_refresh() -> None:
    strange, clock, kept, fails = Strange(), Clock(), [], [True]

    def keep(token: str) -> None:
        if fails.pop() if fails else False:
            raise FetchError("the disk is full")
        kept.append(token)

    source, _ = refreshing(strange, clock, keep)
    with pytest.raises(FetchError):
        await source.atoken()
    clock.advance(60)
    await source.atoken()
    assert kept == ["refresh-1", "refresh-2"]
    assert [form["refresh_token"] for form in strange.asked] == ["refresh-0", "refresh-1"]


def test_a_source_says_where_its_token_may_go() -> None:
    registration = Strange().registration(Wire())
    with pytest.raises(ConfigError):
        ClientCredentials(registration, audience="orders")
    with pytest.raises(ConfigError):
        ClientCredentials(registration, audience="http://api.example.com")
    with pytest.raises(ConfigError):
        ClientCredentials(registration, audience=API, scopes="orders:read")
    named = ClientCredentials(
        registration, audience="orders", origins={API}, parameters={"audience": "orders"}
    )
    named.check_url(f"{API}/v1?a=b#c")
    for url in (
        "https://api.example.com.evil.example/",
        "http://api.example.com/",
        f"{API}:8443/",
        "https://evil@x/",
    ):
        with pytest.raises(ForeignOriginError):
            named.check_url(url)


# Through the HTTP clients


class Api(BaseHTTPRequestHandler):
    """An API that takes one token, and whose redirects lead wherever the path says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append((self.path, self.headers.get("authorization")))
        if self.path.startswith("/to/"):
            return self._answer(302, location=f"http://localhost:{self.path[4:]}/landed")
        if self.path == "/weak":
            return self._answer(
                401, **{"www-authenticate": 'Bearer error="insufficient_user_authentication"'}
            )
        if self.headers.get("authorization") != f"Bearer {server.good}":
            return self._answer(401, **{"www-authenticate": 'Bearer realm="a", error="invalid_token"'})
        return self._answer(200)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.seen, server.good = [], "access-2"
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def blocking_client(kind: str, source: Any) -> Iterator[Any]:
    if kind == "requests":
        with requests.Session() as session:
            session.auth = for_requests.TokenAuth(source)
            yield session
    else:
        library, ours = {"httpx": (httpx, for_httpx), "httpx2": (httpx2, for_httpx2)}[kind]
        with library.Client(auth=ours.TokenAuth(source), follow_redirects=True) as client:
            yield client


@asynccontextmanager
async def looping_client(kind: str, source: Any) -> AsyncIterator[Any]:
    library, ours = {"httpx": (httpx, for_httpx), "httpx2": (httpx2, for_httpx2)}[kind]
    async with library.AsyncClient(auth=ours.TokenAuth(source), follow_redirects=True) as client:
        yield client


@pytest.mark.parametrize("kind", ["httpx", "httpx2", "requests"])
def test_a_refused_token_is_replaced_once_and_only_for_its_own_api(kind: str) -> None:
    with serving() as api, serving() as evil:
        source, _ = source_of(Strange(), audience="orders", origins={api.url})
        with blocking_client(kind, source) as client:
            assert client.post(f"{api.url}/orders", data={"a": "b"}).status_code == 200
            assert [token for _, token in api.seen] == ["Bearer access-1", "Bearer access-2"]
            assert client.get(f"{api.url}/weak").status_code == 401
            assert len(api.seen) == 3, "another 401 stands"
            landed = client.get(f"{api.url}/to/{evil.server_port}")
            assert landed.status_code == 401
            assert evil.seen == [("/landed", None)], "neither the token nor a new one goes to another origin"
            with pytest.raises(ForeignOriginError):
                client.get(f"{evil.url}/orders")
            assert len(evil.seen) == 1


@pytest.mark.parametrize("kind", ["httpx", "httpx2"])
async def test_the_same_in_an_event_loop_and_a_body_that_is_read_once_is_sent_once(kind: str) -> None:
    with serving() as api:
        source, _ = source_of(Strange(), audience="orders", origins={api.url})
        async with looping_client(kind, source) as client:

            async def body() -> AsyncIterator[bytes]:
                yield b"{}"

            streamed = await client.post(f"{api.url}/orders", content=body(), headers={"content-length": "2"})
            assert streamed.status_code == 401
            assert len(api.seen) == 1
            assert (await client.get(f"{api.url}/orders")).status_code == 200
            assert [token for _, token in api.seen[1:]] == ["Bearer access-1", "Bearer access-2"]
            with pytest.raises(ForeignOriginError):
                await client.get("http://localhost:1/")


@pytest.mark.parametrize("kind", ["httpx", "httpx2", "requests"])
def test_an_api_that_refuses_every_token_sends_nobody_to_the_token_endpoint_in_vain(kind: str) -> None:
    strange, clock = Strange(), Clock()
    with serving() as api:
        source, _ = source_of(strange, clock, audience="orders", origins={api.url})
        api.good = None
        with blocking_client(kind, source) as client:
            assert {client.get(f"{api.url}/orders").status_code for _ in range(8)} == {401}
            assert (len(strange.asked), len(api.seen)) == (2, 9), "the refused token was replaced once"
            clock.advance(11)
            assert {client.get(f"{api.url}/orders").status_code for _ in range(3)} == {401}
            assert (len(strange.asked), len(api.seen)) == (3, 13), "and once more after a while"
            clock.advance(11)
            api.good = "access-4"
            assert client.get(f"{api.url}/orders").status_code == 200, "which heals by itself"


@pytest.mark.parametrize("kind", ["httpx", "httpx2"])
async def test_nor_do_many_at_once_in_an_event_loop(kind: str) -> None:
    strange, clock = Strange(), Clock()
    with serving() as api:
        source, _ = source_of(strange, clock, audience="orders", origins={api.url})
        api.good = None
        async with looping_client(kind, source) as client:
            for _ in range(2):
                answers = await asyncio.gather(*[client.get(f"{api.url}/orders") for _ in range(5)])
                assert {answer.status_code for answer in answers} == {401}
            assert len(strange.asked) == 2
            clock.advance(11)
            api.good = "access-3"
            assert (await client.get(f"{api.url}/orders")).status_code == 200


def test_a_token_that_came_for_a_refused_one_stands_for_a_while_and_no_clock_makes_it_longer() -> None:
    clock = Clock()
    source, _ = source_of(Strange(), clock)
    assert source.discard(source.token()), "the first is replaced at once"
    assert not source.discard(source.token())
    assert source.token() == "access-2"
    assert source.discard("access-1"), "somebody else replaced it already"
    clock.advance(-100)
    assert source.discard("access-2")
    assert source.token() == "access-3"
    clock.advance(10)
    assert source.discard("access-3")


def test_a_secret_is_sent_in_the_way_that_was_said_and_odd_ones_are_refused() -> None:
    posted = prove(ClientSecret("s:e", "client_secret_post"), "a:b", issuer="x", now=0.0)
    assert dict(posted.form) == {"client_id": "a:b", "client_secret": "s:e"}
    basic = prove(ClientSecret("s:e"), "a:b", issuer="x", now=0.0)
    assert basic.headers == (("authorization", "Basic YSUzQWI6cyUzQWU="),)
    for bad in ("", None):
        with pytest.raises(ConfigError):
            ClientSecret(bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        ClientRegistration(AuthorizationServer("https://id.example.com"), "", PublicClient())
