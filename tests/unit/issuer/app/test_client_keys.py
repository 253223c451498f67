"""Keys of clients in settings, and those that clients publish: fetched over HTTP, and only where that is allowed."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest

from admit.errors import ConfigError, KeysUnavailableError
from admit.issuer import Client, Settings
from admit.issuer.app.config import EgressConfig
from admit.issuer.audit.records import NOBODY
from admit.issuer.clients import transactions
from admit.issuer.clients.records import AuthMethod
from admit.issuer.oauth.client_auth.private_key_jwt import ASSERTION_TYPE
from admit.issuer.storage import Keyring
from admit.jose import JWK, jws
from tests.fixtures.certificates import certificate
from tests.fixtures.issuer import ISSUER, Browser, LiveIssuer, make_issuer, settings_for

pytestmark = pytest.mark.anyio

FIRST, SECOND = JWK.generate("ES256", kid="first"), JWK.generate("ES256", kid="second")


class Publisher(ThreadingHTTPServer):
    """A client's own address: its keys, and how often they were asked for."""

    keys: list[JWK]
    asked: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.asked += 1
        body = json.dumps({"keys": [key.public().to_dict() for key in self.server.keys]}).encode()
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("location", "/jwks")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    server = Publisher(("127.0.0.1", 0), _Handler)
    server.keys, server.asked = [FIRST], 0
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@asynccontextmanager
async def running(url: str, keyring: Keyring, jwks_uri: str, *allow: str) -> AsyncIterator[LiveIssuer]:
    client = Client(
        id="signer",
        name="A service",
        public=False,
        grant_types=frozenset({"client_credentials"}),
        token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
        jwks_uri=jwks_uri,
    )
    made = make_issuer(settings_for(url, client=(client,), egress=EgressConfig(allow=allow)), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def proves(issuer: LiveIssuer, browser: Browser, key: JWK) -> bool:
    """Whether the key opens the door."""
    now = int(issuer.clock.now)
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": ISSUER,
        "jti": secrets.token_urlsafe(8),
        "exp": now + 60,
    }
    response: httpx2.Response = await browser.post(
        "/revoke",
        data={
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jws.sign(json.dumps(claims).encode(), key),
            "token": "unknown",
        },
    )
    if response.status_code == 401:
        assert response.json()["error_description"] == "Client authentication failed."
    return response.status_code == 200


@pytest.mark.rfc("OIDC Core", "10.1.1")
async def test_published_keys_are_fetched_once_and_again_for_a_new_one(
    furnished_sqlite: str, keyring: Keyring, publisher: Publisher
) -> None:
    async with running(furnished_sqlite, keyring, f"{publisher.origin}/jwks", publisher.origin) as issuer:
        browser = issuer.browser()
        assert all(await asyncio.gather(*(proves(issuer, browser, FIRST) for _ in range(5))))
        assert publisher.asked == 1
        assert not await proves(issuer, browser, JWK.generate("ES256", kid="first"))
        assert publisher.asked == 1
        publisher.keys = [SECOND]
        assert await proves(issuer, browser, SECOND)
        assert not await proves(issuer, browser, FIRST)
        assert publisher.asked == 2


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_url")
async def test_an_address_that_is_not_allowed_is_not_dialled_and_redirects_are_not_followed(
    furnished_sqlite: str, keyring: Keyring, publisher: Publisher
) -> None:
    async with running(furnished_sqlite, keyring, f"{publisher.origin}/jwks") as issuer:
        assert not await proves(issuer, issuer.browser(), FIRST)
        assert publisher.asked == 0
    async with running(furnished_sqlite, keyring, f"{publisher.origin}/moved", publisher.origin) as issuer:
        assert not await proves(issuer, issuer.browser(), FIRST)
        assert publisher.asked == 1


@pytest.mark.threat("INF-ssrf", off="admit.issuer.clients.dialling:may_dial_inside")
async def test_what_is_opened_for_the_operators_clients_is_shut_for_those_that_describe_themselves(
    furnished_sqlite: str, keyring: Keyring, publisher: Publisher
) -> None:
    async with running(furnished_sqlite, keyring, f"{publisher.origin}/jwks", publisher.origin) as issuer:
        clients, keys = issuer.services.clients, issuer.services.client_keys
        signer = await clients.find("signer")
        assert signer is not None
        stranger = replace(signer, id="c_registered")
        await issuer.db.run(
            transactions.register,
            stranger,
            token=None,
            registration_hash=b"",
            info=NOBODY,
            now=issuer.clock(),
        )
        with pytest.raises(KeysUnavailableError):
            await keys.of(stranger)
        assert publisher.asked == 0
        added = replace(stranger, id="added")
        assert await clients.add(added, now=issuer.clock())
        assert [key.kid for key in await keys.of(added)] == ["first"]


KEYS: dict[str, Any] = {"keys": [FIRST.public().to_dict()]}


def as_toml(members: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in members.items()) + " }"


@pytest.mark.parametrize(
    "jwks", [f"{{ keys = [{as_toml(KEYS['keys'][0])}] }}", f"'{json.dumps(KEYS)}'"], ids=["table", "text"]
)
def test_a_settings_file_names_keys_as_a_table_or_as_text(tmp_path: Path, jwks: str) -> None:
    path = tmp_path / "admit.toml"
    path.write_text(
        "issuer = 'https://id.example'\n[egress]\nallow = ['https://jwks.internal:8443']\n"
        "[[client]]\nid = 'signer'\nname = 'A service'\npublic = false\ngrant_types = ['client_credentials']\n"
        f"token_endpoint_auth_method = 'private_key_jwt'\njwks = {jwks}\nscopes = ['stock:read']\n"
        "resources = ['https://stock.example']\n"
        "[[resource]]\nid = 'https://stock.example'\nname = 'Stock'\nscopes = { 'stock:read' = 'See the stock' }\n"
        "clients = { signer = ['stock:read'] }\n"
    )
    settings = Settings.load(path, environ={})
    (client,) = settings.client
    assert client.jwks is not None
    assert json.loads(client.jwks) == KEYS
    assert client.auth_method is AuthMethod.PRIVATE_KEY_JWT
    assert settings.registry.client("signer") == client
    path.write_text(path.read_text().replace(jwks, "7"))
    with pytest.raises(ConfigError, match="jwks: want a JWK Set"):
        Settings.load(path, environ={})


async def test_a_file_of_authorities_that_cannot_be_used_is_told_at_the_start(
    sqlite_url: str, keyring: Keyring, tmp_path: Path
) -> None:
    made_up, empty = certificate(tmp_path, "ca.example"), tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    for path in (tmp_path / "nowhere.pem", empty, made_up.key):
        made = make_issuer(settings_for(sqlite_url, egress=EgressConfig(ca_file=str(path))), keyring)
        with pytest.raises(ConfigError, match=r"egress\.ca_file"):
            await made.start()
    good = settings_for(sqlite_url, egress=EgressConfig(ca_file=str(made_up.authority)))
    async with make_issuer(good, keyring).lifespan():
        pass
