"""Other sites' pages and strangers' requests at a backend for a frontend: they sign nobody out and shut nobody out."""

import pytest

from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire
from tests.unit.relying_party.test_backchannel import signed_in
from tests.unit.relying_party.test_sign_in import Application, is_signed_in

FROM_ELSEWHERE = {
    "form": {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    "origin": {"origin": "https://evil.example"},
    "opaque": {"origin": "null"},
    "sibling": {"sec-fetch-site": "same-site"},
}


@pytest.mark.threat("WEB-csrf", off="admit.relying_party.bff.signing_out:check_page")
@pytest.mark.parametrize("case", sorted(FROM_ELSEWHERE))
async def test_another_sites_form_that_brings_no_cookie_takes_none_away(case: str) -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with application.browser() as browser:
        answer = await browser.post("/bff/logout", headers=FROM_ELSEWHERE[case])
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_the_cookie_is_cleared_where_one_came_and_not_otherwise() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with application.browser() as nobody:
        answer = await nobody.post("/bff/logout", headers={"origin": APP})
        assert (answer.status_code, answer.headers.get("set-cookie")) == (303, None)
    page = await signed_in(application, strange, "one")
    token = (await page.get("/bff/session")).json()["csrf_token"]
    answer = await page.post("/bff/logout", headers={"origin": APP, "x-csrf-token": token})
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert not await is_signed_in(page)
