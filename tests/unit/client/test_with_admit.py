"""`admit.client` against Admit's own issuer, and over real TLS."""

import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from admit.client import (
    AuthorizationServer,
    ClientCredentials,
    ClientRegistration,
    PrivateKeyJwt,
    PublicClient,
    RefreshToken,
    ServerUnavailableError,
    TokenRequestError,
)
from admit.issuer import Client, Resource
from admit.issuer.clients.records import AuthMethod, Jwks
from admit.issuer.storage import Keyring
from admit.jose import JWK, peek_unverified_header
from tests.fixtures.certificates import certificate
from tests.fixtures.issuer import CLIENTS, ISSUER, RESOURCE, LiveIssuer, make_issuer, settings_for
from tests.fixtures.relying_party import Wire

KEY = JWK.generate("ES256", kid="nightly-1")
NIGHTLY = Client(
    id="nightly",
    name="Nightly",
    public=False,
    grant_types=frozenset({"client_credentials"}),
    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
    jwks=Jwks(json.dumps({"keys": [KEY.public().to_dict()]})),
    scopes=frozenset({"stock:read"}),
    resources=frozenset({"https://stock.example.com"}),
)
STOCK = Resource(
    id="https://stock.example.com",
    name="Stock",
    scopes={"stock:read": "See the stock"},
    clients={"nightly": frozenset({"stock:read"})},
)


@pytest.fixture
async def furnished(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    settings = settings_for(furnished_sqlite, client=(*CLIENTS, NIGHTLY), resource=(RESOURCE, STOCK))
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.mark.rfc("7523", "2.2")
@pytest.mark.rfc("8707", "2.2")
async def test_admits_issuer_takes_the_key_the_audience_and_each_refresh(furnished: LiveIssuer) -> None:
    wire = Wire(apps={ISSUER: furnished.asgi})
    server = AuthorizationServer(ISSUER, fetcher=wire.fetcher(ISSUER), clock=furnished.clock)
    for key, good in ((KEY, True), (JWK.generate("ES256", kid="nightly-1"), False)):
        me = ClientRegistration(server, "nightly", PrivateKeyJwt(key))
        stock = ClientCredentials(me, audience=STOCK.id, scopes=["stock:read"])
        if good:
            assert peek_unverified_header(await stock.atoken())["typ"] == "at+jwt"
        else:
            with pytest.raises(TokenRequestError) as refused:
                await stock.atoken()
            assert refused.value.error == "invalid_client"
    given = await furnished.browser().tokens(client="native")
    kept: list[str] = []
    native = ClientRegistration(server, "native", PublicClient())
    mine = RefreshToken(native, given["refresh_token"], audience=RESOURCE.id, keep=kept.append)
    seen = set()
    for _ in range(3):
        seen.add(await mine.atoken())
        furnished.clock.advance(600)
    assert len(seen) == 3
    assert len(set(kept)) == 3


class Issuer(BaseHTTPRequestHandler):
    """Metadata, and tokens for whoever asks."""

    def _answer(self, members: dict[str, Any]) -> None:
        body = json.dumps(members).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer({"issuer": self.server.url, "token_endpoint": f"{self.server.url}/token"})  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)  # type: ignore[attr-defined]
        self._answer({"access_token": "a", "token_type": "Bearer", "expires_in": 60})

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    """A server with a certificate for localhost, and the authority that gave it."""
    made = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    server.handle_error = lambda *args: None
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.bodies = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server, made.authority
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.threat("6819-4.5.4")
@pytest.mark.rfc("6749", "3.2")
def test_a_server_with_a_wrong_certificate_gets_no_refresh_token(over_tls: tuple[Any, Path]) -> None:
    server, authority = over_tls
    for name, ca_file, good in (
        ("localhost", authority, True),
        ("localhost", None, False),
        ("127.0.0.1", authority, False),
    ):
        server.url = f"https://{name}:{server.server_port}"
        trusted = AuthorizationServer(server.url, ca_file=ca_file)
        mine = RefreshToken(
            ClientRegistration(trusted, "cli", PublicClient()),
            "refresh-0",
            audience="https://a.example",
            keep=print,
        )
        server.bodies.clear()
        if good:
            assert mine.token() == "a"
            assert len(server.bodies) == 1
        else:
            with pytest.raises(ServerUnavailableError):
                mine.token()
            assert server.bodies == []
        trusted.fetcher.close()
