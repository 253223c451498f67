"""Other sites' pages and strangers' requests at a backend for a frontend: they sign nobody out and shut nobody out."""

import time
from urllib.parse import urlencode

import pytest

from admit.relying_party import MemorySessionStore
from admit.relying_party.bff import under_way
from admit.relying_party.transaction import Transaction
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire
from tests.fixtures.signing_in import Application, begun, come_back, is_signed_in, signed_in

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


class NothingBegun(MemorySessionStore):
    """A store that takes nothing from who only begins to sign in."""

    def spend_once(self, name: bytes, now: float, until: float) -> bool:
        raise AssertionError("written for a stranger")


async def test_strangers_who_begin_sign_ins_leave_nothing_in_the_store_and_shut_nobody_out() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire), store=NothingBegun())
    for _ in range(20):
        async with begun(application):
            pass
    async with application.browser() as nobody:
        for answer in ({"state": "made-up", "code": "c"}, {"code": "c"}, {"state": ""}):
            assert (await come_back(nobody, answer)).status_code == 400


async def test_one_browser_has_a_few_sign_ins_under_way_and_the_oldest_goes() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with application.browser() as browser:
        locations = []
        for _ in range(4):
            answer = await browser.get("/bff/login", params={"next": "/a"})
            assert len(answer.headers["set-cookie"]) < 3_000
            locations.append(answer.headers["location"])
        told = [(await come_back(browser, strange.approve(one))).status_code for one in locations]
        assert told == [400, 303, 303, 303]
        deep = await browser.get("/bff/login", params={"next": "/" + "a" * 1_000})
        assert len(deep.headers["set-cookie"]) < 3_000
        back = await come_back(browser, strange.approve(deep.headers["location"]))
        assert back.headers["location"] == "/" + "a" * 1_000


async def test_a_browser_makes_up_no_sign_in_and_changes_none() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    name = application.bff.config.browser_cookie
    async with begun(application) as (browser, location):
        made_up = Transaction(
            provider="id", issuer=strange.issuer, client_id="app", redirect_uri="x", state="s", nonce="n",
            code_verifier="v", form_post=False, return_to="https://evil.example", started_at=time.time(),
        )  # fmt: skip
        for value in (
            under_way.sealed(made_up, bytes(32)),
            under_way.sealed(made_up, b""),
            "A" * 43,
            ".",
            "%",
        ):
            answer = await browser.get(
                f"/bff/callback/id?{urlencode({'state': 's', 'code': 'c'})}",
                headers={"cookie": f"{name}={value}"},
            )
            assert answer.status_code == 400
        assert strange.asked == []
        assert (await come_back(browser, strange.approve(location))).status_code == 303
