"""Metadata documents of clients: whose they are, what they may say, and how seldom a stranger makes us fetch one."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from admit.errors import FetchError, ThrottledError
from admit.fetch import Fetcher, Response
from admit.issuer.clients import asking, rules
from admit.issuer.clients.config import MetadataDocumentsConfig
from admit.issuer.clients.documents import MetadataDocuments, fresh_for
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.errors import MetadataDocumentError
from admit.issuer.clients.records import Client
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import is_document_url
from admit.issuer.consents.driver import Consents
from admit.issuer.storage import Database, Keyring
from admit.jose import JWK
from tests.fixtures.people import INFO, NOW, Parts
from tests.plugins.patience import until

pytestmark = pytest.mark.anyio

URL = "https://app.example/client.json"
GOOD: dict[str, Any] = {
    "client_id": URL,
    "client_name": "An agent",
    "redirect_uris": ["http://127.0.0.1/callback", "https://app.example/callback"],
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "scope": "openid offline_access admin",
}
KEYS = {"keys": [JWK.generate("ES256", kid="k").public().to_dict()]}


@dataclass(eq=False)
class Site(Fetcher):
    """What the client's host answers; counts who asks."""

    document: Any = field(default_factory=lambda: dict(GOOD))
    down: bool = False
    status: int = 200
    media_type: str = "application/json"
    cache_control: str = "max-age=600"
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)
    now: float = NOW
    gate: asyncio.Event | None = None

    async def aget(
        self, url: str, headers: Mapping[str, str] | None = None, *, max_bytes: int | None = None
    ) -> Response:
        self.asked.append(url)
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise FetchError("down")
        body = json.dumps(self.document).encode() if self.body is None else self.body
        return Response(
            self.status, {"content-type": self.media_type, "cache-control": self.cache_control}, body
        )

    def clients(self, db: Database, **config: Any) -> Clients:
        registry = Registry(
            [Client(id="a", name="a", redirect_uris=("https://rp.example/cb",))], issuer="https://id.example"
        )
        documents = MetadataDocuments(
            db,
            registry,
            MetadataDocumentsConfig(**{"enabled": True, "per_network": 1_000, **config}),
            self,
            lambda: self.now,
        )
        return Clients(db, registry, documents)


@pytest.fixture
async def sqlite_db(sqlite_url: str, keyring: Keyring) -> AsyncIterator[Database]:
    """For what no SQL decides."""
    db = Database.from_url(sqlite_url, keyring)
    await db.open()
    yield db
    await db.close()


async def refused(clients: Clients, url: str = URL) -> None:
    with pytest.raises(MetadataDocumentError):
        await clients.find(url)


@pytest.mark.rfc("draft-ietf-oauth-client-id-metadata-document", "4")
async def test_a_document_is_a_client_that_nobody_here_trusts_without_what_it_may_not_have(
    db: Database,
) -> None:
    site = Site()
    client = await site.clients(db).find(URL)
    assert client is not None
    assert (client.id, client.name, client.trusted, client.public) == (URL, "An agent", False, True)
    assert client.grant_types == {"authorization_code", "refresh_token"}
    assert client.scopes == {"openid", "offline_access"}
    assert client.redirect_uris == ("http://127.0.0.1/callback", "https://app.example/callback")
    assert (client.require_pkce, client.first_party, client.is_native) == (True, False, True)
    elsewhere = site.clients(db)
    assert await elsewhere.find(URL) == client, "another node reads what was kept"
    assert await elsewhere.find_many([URL]) == {URL: client}
    assert site.asked == [URL]
    assert await elsewhere.has_origin("https://app.example")
    await elsewhere.check_known(URL)


async def test_an_agent_listens_on_localhost_where_the_settings_take_that(sqlite_db: Database) -> None:
    agent = {
        **GOOD,
        "redirect_uris": [
            "http://localhost/callback",
            "http://127.0.0.1/callback",
            "http://localhost.evil.example/x",
        ],
    }
    client = await Site(document=agent).clients(sqlite_db).find(URL)
    assert client is not None
    for uri, good in {
        "http://localhost:3118/callback": True, "http://localhost/callback": True, "http://127.0.0.1:9/callback": True,
        "http://localhost:3118/callback/": False, "http://localhost:99999/callback": False,
        "http://localhost.evil.example/x": False, "https://localhost/callback": False, "http://[::1]/callback": False,
        "http://localhost:3118@evil.example/callback": False,
    }.items():  # fmt: skip
        assert rules.redirect_uri_allowed(client, uri) is good, uri
    other = URL.replace("client", "other")
    strict = Site(document={**agent, "client_id": other}).clients(sqlite_db, localhost=False)
    client = await strict.find(other)
    assert client is not None
    assert client.redirect_uris == ("http://127.0.0.1/callback",)
    assert not rules.redirect_uri_allowed(client, "http://localhost:3118/callback")


@pytest.mark.rfc("draft-ietf-oauth-client-id-metadata-document", "3")
async def test_off_unless_it_is_asked_for_and_never_for_what_is_no_such_url(db: Database) -> None:
    site = Site()
    assert await site.clients(db, enabled=False).find(URL) is None
    clients = site.clients(db)
    for url in (
        "https://app.example", "https://app.example/", "http://app.example/c", "https://app.example/c?x=1",
        "https://app.example/c#x", "https://me@app.example/c", "https://app.example/a/../c", "https://APP.example/c",
        "https://app.example:443/c", "https://app.example/" + "c" * 600, "https://app.example/%2e%2e/c",
        "ftp://app.example/c", "https:///c", "https://app.example/c\n",
    ):  # fmt: skip
        assert not is_document_url(url), url
        assert await clients.find(url) is None, url
    assert site.asked == []


BAD: dict[str, dict[str, Any]] = {
    "another-s": {"client_id": "https://other.example/client.json"},
    "nearly": {"client_id": URL + "/"},
    "nobody-s": {"client_id": None},
    "secret": {"client_secret": "x"},
    "secret-expiry": {"client_secret_expires_at": 0},
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "hmac": {"token_endpoint_auth_method": "client_secret_jwt"},
    "no-redirect": {"redirect_uris": []},
    "script": {"redirect_uris": ["javascript:alert(1)"]},
    "clear": {"redirect_uris": ["http://app.example/callback"]},
    "a-text": {"redirect_uris": "https://app.example/callback"},
    "numbers": {"redirect_uris": [1]},
    "logo": {"logo_uri": "javascript:alert(1)"},
    "name": {"client_name": "one\ntwo"},
    "implicit-only": {"grant_types": ["implicit"]},
    "scope-of-others": {"scope": "admin"},
    "key-twice": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": KEYS,
        "jwks_uri": "https://app.example/j",
    },
    "no-key": {"token_endpoint_auth_method": "private_key_jwt"},
}


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.documents:check_own")
@pytest.mark.parametrize("name", ["another-s", "nearly", "nobody-s"])
async def test_a_document_that_names_another_url_is_nobodys(sqlite_db: Database, name: str) -> None:
    await refused(Site(document={**GOOD, **BAD[name]}).clients(sqlite_db))


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.documents:check_no_secret")
async def test_nothing_is_shared_with_a_public_document(sqlite_db: Database) -> None:
    for name in ("secret", "secret-expiry"):
        await refused(Site(document={**GOOD, **BAD[name]}).clients(sqlite_db))


@pytest.mark.rfc("draft-ietf-oauth-client-id-metadata-document", "4.1")
async def test_what_describes_no_client_is_refused(sqlite_db: Database) -> None:
    for name, changes in BAD.items():
        with pytest.raises(MetadataDocumentError):
            assert await Site(document={**GOOD, **changes}).clients(sqlite_db).find(URL) is None, name
    for site in (
        Site(status=404), Site(status=201), Site(status=304), Site(media_type="text/html"), Site(media_type=""),
        Site(media_type="application/jsonx"), Site(body=b"[]"), Site(body=b'{"client_id":1,"client_id":2}'),
        Site(body=b"{" + b" " * 11_000 + b"}"), Site(down=True), Site(status=503),
    ):  # fmt: skip
        await refused(site.clients(sqlite_db))
    taken = {**GOOD, "token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}
    client = (
        await Site(document=taken, media_type="application/cimd+json; charset=utf-8")
        .clients(sqlite_db)
        .find(URL)
    )
    assert client is not None
    assert client.auth_method.value == "private_key_jwt"


@pytest.mark.threat("INF-ssrf", off="admit.issuer.clients.documents:MetadataDocuments._admit")
async def test_many_at_once_make_one_fetch_and_failures_make_few(sqlite_db: Database) -> None:
    site = Site(gate=asyncio.Event())
    clients = site.clients(sqlite_db)
    waiting = [asyncio.create_task(clients.find(URL)) for _ in range(20)]
    await until(lambda: site.asked)
    assert site.gate is not None
    site.gate.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert site.asked == [URL]
    down = Site(down=True)
    clients = down.clients(sqlite_db, per_network=3)
    other = "https://other.example/client.json"
    for _ in range(5):
        await refused(clients, other)
    assert down.asked == [other], "and not again within some seconds"
    down.now += 11
    await refused(clients, other)
    assert down.asked == [other, other]
    token = asking.FROM.set("192.0.2.1")
    try:
        for n in range(3):
            await refused(clients, f"https://x{n}.example/c")
        with pytest.raises(ThrottledError):
            await clients.find("https://x9.example/c")
    finally:
        asking.FROM.reset(token)
    assert len(down.asked) == 5


async def test_one_network_does_not_have_all_the_places(sqlite_db: Database) -> None:
    site = Site(gate=asyncio.Event())
    clients = site.clients(sqlite_db, at_once=5)

    async def ask(ip: str, url: str) -> Any:
        asking.FROM.set(ip)
        return await clients.find(url)

    slow = asyncio.create_task(ask("192.0.2.1", URL))
    await until(lambda: site.asked)
    with pytest.raises(ThrottledError):
        await ask("192.0.2.1", "https://b.example/c")
    other = asyncio.create_task(ask("198.51.100.1", "https://b.example/c"))
    await until(lambda: len(site.asked) == 2)
    assert site.gate is not None
    site.gate.set()
    assert await slow is not None
    with pytest.raises(MetadataDocumentError):
        await other


@pytest.mark.rfc("draft-ietf-oauth-client-id-metadata-document", "4.4")
async def test_fresh_as_long_as_it_says_within_bounds_and_kept_while_its_host_is_away(db: Database) -> None:
    site = Site()
    clients = site.clients(db)
    await clients.find(URL)
    site.now += 599
    await clients.find(URL)
    assert len(site.asked) == 1
    site.now += 2
    site.document["client_name"] = "Renamed"
    client = await clients.find(URL)
    assert client is not None
    assert client.name == "Renamed"
    assert len(site.asked) == 2
    site.down = True
    site.now += 700
    client = await clients.find(URL)
    assert client is not None, "its host is away for a while"
    site.now += 24 * 3_600
    await refused(clients)
    assert await clients.find(URL, fetch=False) is not None
    site.down = False
    site.now += 11
    assert await clients.find(URL) is not None
    site.status = 404
    site.now += 700
    await refused(clients)
    site.down = True
    site.now += 11
    await refused(clients)
    assert (await Parts.on(db)).db is db


async def test_one_that_an_operator_removed_stays_out_and_settings_of_now_bound_what_was_kept(
    db: Database,
) -> None:
    site, parts = Site(), await Parts.on(db)
    assert await site.clients(db).find(URL) is not None
    less = await site.clients(db, scopes=frozenset({"openid"})).find(URL)
    assert less is not None
    assert less.scopes == {"openid"}
    assert await Consents(db, parts.lists).remove_client(URL, reason="no", info=INFO, now=NOW) == 0
    site.now += 100_000
    clients = site.clients(db)
    assert await clients.find(URL) is None
    assert await clients.find_many([URL]) == {}
    assert len(site.asked) == 1
    assert not await clients.has_origin("https://app.example")


async def test_what_strangers_left_behind_is_forgotten_unless_somebody_let_it_in(db: Database) -> None:
    site, parts = Site(), await Parts.on(db)
    clients = site.clients(db)
    await clients.find(URL)
    other = "https://app.example/other.json"
    site.document["client_id"] = other
    await clients.find(other)
    await parts.grant(client_id=other)
    await clients.sweep(NOW + 6 * 86_400)
    assert len(await clients.find_many([URL, other])) == 2
    await clients.sweep(NOW + 8 * 86_400)
    assert list(await clients.find_many([URL, other])) == [other]
    assert await clients.has_origin("https://app.example")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 300), ("max-age=600", 600), ("public, MAX-AGE=600, immutable", 600), ("max-age=0", 60), ("no-store", 60),
        ("max-age=600, no-cache", 60), ("max-age=99999999999999", 300), ("max-age=9999999999", 86_400),
        ("s-maxage=900", 300), ("max-age=-1", 300), ('max-age="700"', 700),
    ],
    ids=lambda value: str(value) or "nothing",
)  # fmt: skip
def test_caching_is_read_as_it_is_written(said: str, seconds: float) -> None:
    assert fresh_for(said, MetadataDocumentsConfig()) == seconds
