"""6819-4.3.3: what proves who a client is never stands in an address, where logs, proxies and histories keep it."""

import pytest

from tests.fixtures.issuer import ADA, WEB_SECRET, Browser, request_of

pytestmark = pytest.mark.anyio


async def redeem(browser: Browser, *, query: str, **secret: str) -> tuple[int, str]:
    """A right code at the token endpoint: status and error."""
    code, verifier = await browser.code(ADA, "web")
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "client_id": "web"}
    form["redirect_uri"] = request_of("web")["redirect_uri"]
    answer = await browser.post(f"/token{query}", data={**form, **secret})
    return answer.status_code, answer.json().get("error", "")


@pytest.mark.threat("6819-4.3.3", off="admit.issuer.app.routes.token:refuse_query")
async def test_a_client_secret_in_the_address_is_refused_before_anything_is_looked_at(
    browser: Browser,
) -> None:
    for query in (f"?client_secret={WEB_SECRET}", "?x=y", f"?client_id=web&client_secret={WEB_SECRET}"):
        assert await redeem(browser, query=query) == (400, "invalid_request"), query
        both = await redeem(browser, query=query, client_secret=WEB_SECRET)
        assert both == (400, "invalid_request"), "also where the body has it too"
    assert await redeem(browser, query="", client_secret=WEB_SECRET) == (200, "")
