"""EXT-dcr, INF-ssrf: clients whose id is the URL of their metadata document, over TLS, against a whole issuer.

Client ID Metadata Document, as the MCP authorization specification asks for it.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from admit.issuer.app.config import EgressConfig
from admit.issuer.clients.config import MetadataDocumentsConfig
from admit.issuer.storage import Keyring
from tests.fixtures.certificates import certificate
from tests.fixtures.issuer import ADA, Browser, LiveIssuer, answer_of, make_issuer, pkce, settings_for
from tests.threats.whole import rows

pytestmark = pytest.mark.anyio
CALLBACK = "http://127.0.0.1:5099/callback"


@dataclass
class Host:
    """The client's host: a path and what it answers there; counts who asks."""

    port: int = 0
    answers: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    def put(self, path: str, document: Any, *, status: str = "200 OK", more: str = "") -> str:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (status, "content-type: application/json\r\n" + more, body)
        return self.url(path)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        status, headers, body = self.answers.get(path, ("404 Not Found", "", b""))
        writer.write(
            f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running(
    database: str, keyring: Keyring, folder: Path, *, allowed: bool = True
) -> AsyncIterator[tuple[LiveIssuer, Host]]:
    made, host = certificate(folder, "localhost"), Host()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    server = await asyncio.start_server(host, "127.0.0.1", 0, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    opened = (host.url(""),)
    egress = EgressConfig(
        allow=opened, allow_strangers=opened if allowed else (), ca_file=str(made.authority)
    )
    settings = settings_for(database, metadata_documents=MetadataDocumentsConfig(enabled=True), egress=egress)
    issuer = make_issuer(settings, keyring)
    async with server, issuer.lifespan():
        yield issuer, host
        for one in issuer.open_browsers:
            await one.aclose()


def document(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_id": url, "client_name": "An <i>agent</i>", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none", **changes,
    }  # fmt: skip


def asking(url: str, challenge: str) -> dict[str, str]:
    return {
        "response_type": "code", "client_id": url, "redirect_uri": CALLBACK, "scope": "openid", "state": "s",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip


async def ask(browser: Browser, url: str) -> httpx2.Response:
    return await browser.get("/authorize", params=asking(url, pkce()[1]))


async def test_an_agent_that_nobody_registered_signs_somebody_in(
    furnished_sqlite: str, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(furnished_sqlite, keyring, tmp_path / "tls") as (issuer, host):
        browser = issuer.browser()
        metadata = (await browser.get("/.well-known/oauth-authorization-server")).json()
        assert metadata["client_id_metadata_document_supported"] is True
        url = host.put("/agent.json", document(host.url("/agent.json")))
        await browser.sign_in(ADA)
        verifier, challenge = pkce()
        started = await browser.get("/authorize", params=asking(url, challenge))
        page = await browser.get(started.headers["location"])
        assert "An &lt;i&gt;agent" in page.text
        answer = await browser.submit("/consent", page.text, decision="allow")
        code = answer_of(answer)["code"]
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": url,
            "code_verifier": verifier,
        }  # fmt: skip
        tokens = await browser.post("/token", data=form)
        assert tokens.status_code == 200, tokens.text
        refreshed = await browser.post(
            "/token",
            data={
                "grant_type": "refresh_token",
                "refresh_token": tokens.json()["refresh_token"],
                "client_id": url,
            },
        )
        assert refreshed.status_code == 200
        assert host.asked == ["/agent.json"]
        assert await issuer.remove_client(url) == 1
        gone = await ask(browser, url)
        assert (gone.status_code, "location" in gone.headers) == (400, False)


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.documents:check_answer")
async def test_what_is_no_document_is_a_page_and_no_redirect(
    furnished_sqlite: str, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(furnished_sqlite, keyring, tmp_path / "tls") as (issuer, host):
        browser = issuer.browser()
        target = host.put("/target.json", document(host.url("/moved.json")))
        bad = {
            host.url("/nothing.json"),
            host.put("/other.json", document(host.url("/elsewhere.json"))),
            host.put("/large.json", document(host.url("/large.json"), client_uri="x" * 20_000)),
            host.put("/moved.json", b"", status="302 Found", more=f"location: {target}\r\n"),
            host.put(
                "/script.json", document(host.url("/script.json"), redirect_uris=["javascript:alert(1)"])
            ),
            host.put("/gone.json", document(host.url("/gone.json")), status="404 Not Found"),
            host.put("/twice.json", b'{"client_id":"a","client_id":"b"}'),
        }
        for url in sorted(bad):
            response = await ask(browser, url)
            assert response.status_code == 400, url
            assert "location" not in response.headers, url
            assert url not in response.text
            again = await browser.post(
                "/token", data={"grant_type": "refresh_token", "refresh_token": "x", "client_id": url}
            )
            assert (again.status_code, again.json()["error"]) == (400, "invalid_client")
        assert "/target.json" not in host.asked
        assert len(host.asked) == len(bad), "what failed is not asked again at once"
        assert not [row for row in await rows(issuer, "client") if row["source"] == "metadata_document"]


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
async def test_an_address_inside_is_never_dialled(
    furnished_sqlite: str, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(furnished_sqlite, keyring, tmp_path / "tls", allowed=False) as (issuer, host):
        browser = issuer.browser()
        texts = set()
        for url in (
            host.put("/agent.json", document(host.url("/agent.json"))),
            f"https://127.0.0.1:{host.port}/agent.json", f"https://[::1]:{host.port}/agent.json",
        ):  # fmt: skip
            response = await ask(browser, url)
            assert response.status_code == 400
            texts.add(response.text.replace(response.headers["admit-error-id"], ""))
        assert host.asked == []
        assert len(texts) <= 2, "nobody learns from the answer what is inside"


async def test_where_it_is_off_nothing_is_asked(
    furnished_sqlite: str, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(furnished_sqlite, keyring, tmp_path / "tls") as (issuer, host):
        url = host.put("/agent.json", document(host.url("/agent.json")))
        settings = replace(issuer.settings, metadata_documents=MetadataDocumentsConfig())
        other = make_issuer(settings, keyring)
        async with other.lifespan():
            browser = other.browser()
            assert (await ask(browser, url)).status_code == 400
            document_ = (await browser.get("/.well-known/openid-configuration")).json()
            assert "client_id_metadata_document_supported" not in document_
            await browser.aclose()
        assert host.asked == []
