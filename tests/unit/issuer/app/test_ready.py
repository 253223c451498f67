"""What everybody asks for is made beforehand: the same as by the long way, and never older than what it tells."""

import pytest

from tests.fixtures.issuer import Browser, LiveIssuer

pytestmark = pytest.mark.anyio
PATHS = ("/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_what_the_long_way_answers(browser: Browser, path: str) -> None:
    short, long = await browser.get(path), await browser.head(path)
    assert short.status_code == long.status_code == 200
    assert dict(short.headers) == dict(long.headers)
    assert short.headers["access-control-allow-origin"] == "*"
    assert int(short.headers["content-length"]) == len(short.content)
    again = await browser.get(path, headers={"origin": "https://anybody.example"})
    assert (again.content, dict(again.headers)) == (short.content, dict(short.headers))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.threat("9700-proxy", off="admit.issuer.app.dispatch:check_host")
async def test_another_host_gets_nothing(browser: Browser, path: str) -> None:
    answer = await browser.get(path, headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert (await browser.post(path)).status_code == 405


async def test_new_keys_are_told_at_once(issuer: LiveIssuer, browser: Browser) -> None:
    before = (await browser.get("/jwks")).json()["keys"]
    await issuer.services.keys.rotate("ES256", issuer.clock())
    after = (await browser.get("/jwks")).json()["keys"]
    assert {key["kid"] for key in before} < {key["kid"] for key in after}
