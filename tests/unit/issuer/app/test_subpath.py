"""An issuer below a path of its host: everything it says and sets leads below that path, and nothing beside it."""

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from admit.issuer.app import jobs
from admit.issuer.app.renaming import rename
from admit.issuer.outbox import MailConfig
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, LiveIssuer, answer_of, make_issuer, pkce, request_of, settings_for

pytestmark = pytest.mark.anyio
BASE = "/auth"
ISSUER = f"http://localhost:8410{BASE}"
METADATA = ("openid-configuration", "oauth-authorization-server")


@pytest.fixture
async def issuer(
    furnished_sqlite: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveIssuer]:
    monkeypatch.setattr(jobs, "MAILS_EVERY", 3_600.0)
    settings = settings_for(
        furnished_sqlite,
        issuer=ISSUER,
        mail=MailConfig(url="console:", sender="Orders <no-reply@example.com>"),
    )
    before = make_issuer(settings, keyring)
    async with before.opened(accept_other=True):
        await before.db.run(rename, ISSUER, now=before.clock())
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        yield made


def addresses(page: str) -> set[str]:
    """Where a page leads, and what it loads."""
    return {one for one in re.findall(r'(?:href|src|action)="([^"]*)"', page) if not one.startswith("#")}


@pytest.mark.rfc("8414", "3.1")
@pytest.mark.rfc("OIDC Discovery", "4.1")
@pytest.mark.parametrize("name", METADATA)
async def test_metadata_lies_below_the_path_and_at_the_root_of_the_host(
    issuer: LiveIssuer, name: str
) -> None:
    browser = issuer.browser()
    for path in (f"{BASE}/.well-known/{name}", f"/.well-known/{name}{BASE}"):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"].startswith("public")
        said = answer.json()
        assert said.pop("issuer") == ISSUER
        found = [one for one in said.values() if isinstance(one, str) and one.startswith("http")]
        assert len(found) > 8
        assert [one for one in found if not one.startswith(f"{ISSUER}/")] == []


@pytest.mark.rfc("8414", "3.1")
@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration/other", "/authx/login", "/other/auth/login"]
)
async def test_nothing_lies_below_another_path(issuer: LiveIssuer, path: str) -> None:
    assert (await issuer.browser().get(path)).status_code == 404


async def test_each_answer_has_the_headers_of_its_own_kind(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    page = (await browser.get(f"{BASE}/login")).text
    style = next(one for one in addresses(page) if one.endswith(".css"))
    assert "immutable" in (await browser.get(style)).headers["cache-control"]
    assert (await browser.get(f"{BASE}/jwks")).headers["cross-origin-resource-policy"] == "cross-origin"
    token = await browser.post(f"{BASE}/token", data={"grant_type": "x"})
    assert (token.status_code, token.headers["content-security-policy"][:18]) == (401, "default-src 'none'")


async def test_a_person_signs_in_consents_and_signs_out_below_the_path(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    seen: set[str] = set()
    verifier, challenge = pkce()
    answer = await browser.get(f"{BASE}/authorize", params={**request_of("web"), "code_challenge": challenge})
    for form in ({"email": ADA[0], "password": ADA[1]}, {"decision": "allow"}):
        location = answer.headers["location"]
        assert location.startswith(f"{BASE}/")
        page = await browser.get(location)
        seen |= addresses(page.text)
        answer = await browser.submit(location.split("?")[0], page.text, **form)
    said = answer_of(answer)
    assert said["iss"] == ISSUER
    auth = ("web", "the-web-client-and-nobody-else-knows-this")
    form = {"grant_type": "authorization_code", "code": said["code"], "code_verifier": verifier}
    form["redirect_uri"] = request_of("web")["redirect_uri"]
    tokens = (await browser.post(f"{BASE}/token", data=form, auth=auth)).json()
    account = await browser.get(f"{BASE}/account")
    assert account.status_code == 200
    seen |= addresses(account.text)
    out = await browser.get(f"{BASE}/logout", params={"id_token_hint": tokens["id_token"]})
    assert out.status_code == 200
    seen |= addresses(out.text)
    assert {one for one in seen if one.startswith("/") and not one.startswith(f"{BASE}/")} == set()
    assert (await browser.get(f"{BASE}/account")).headers["location"].startswith(f"{BASE}/login")
    assert (await browser.get(BASE)).headers["location"] == f"{BASE}/account"


async def test_mailed_links_lead_below_the_path(
    issuer: LiveIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = issuer.browser()
    page = await browser.get(f"{BASE}/forgot")
    assert (await browser.submit(f"{BASE}/forgot", page.text, email=ADA[0])).status_code == 200
    assert issuer.courier is not None
    await issuer.courier.turn()
    links = re.findall(r"http://localhost[^\s\"<]*", capsys.readouterr().err)
    assert links
    assert all(link == ISSUER or link.startswith(f"{ISSUER}/") for link in links)
    reset = next(link for link in links if "t=" in link)
    assert (await browser.get(f"{BASE}/reset", params=parse_qs(urlsplit(reset).query))).status_code == 200


async def test_another_host_is_refused_below_the_path_too(issuer: LiveIssuer) -> None:
    for path in (f"{BASE}/login", f"/.well-known/openid-configuration{BASE}"):
        answer = await issuer.browser().get(path, headers={"host": "evil.example"})
        assert answer.status_code == 421
