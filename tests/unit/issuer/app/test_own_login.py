"""The application's own sign-in page: it says who it was, and only the browser that was asked gets anything of it."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from admit.errors import ConfigError, SessionError
from admit.issuer import Proof
from admit.issuer.audit import RequestInfo
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    BO,
    ISSUER,
    SPA,
    LiveIssuer,
    answer_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)

pytestmark = pytest.mark.anyio
ASK = {**request_of("spa"), "code_challenge": pkce()[1], "login_hint": BO[0]}


@pytest.fixture
async def own(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    made = make_issuer(settings_for(furnished_sqlite, login_url="/sign-in?from=admit"), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def subject_of(issuer: LiveIssuer, who: tuple[str, ...]) -> str:
    user = await issuer.services.accounts.find(who[0])
    assert user is not None
    return user.id


def id_of(location: str) -> str:
    return parse_qs(urlsplit(location).query)["i"][0]


@pytest.mark.threat("WEB-csrf", off="admit.issuer.grants.interactions:hash_binding")
async def test_the_browser_that_was_asked_is_signed_in_once_and_another_that_is_sent_the_address_never(
    own: LiveIssuer,
) -> None:
    browser, victim = own.browser(), own.browser()
    started = await browser.get("/authorize", params=ASK)
    away = (await browser.get(started.headers["location"])).headers["location"]
    assert away.startswith("/sign-in?from=admit&i=")
    id = id_of(away)
    asked = await own.interactions.get(id)
    assert asked is not None
    assert (asked.client_name, asked.login_hint, asked.anew) == ("Orders", BO[0], False)
    assert "orders:own" in asked.scopes
    there = await own.interactions.finish(id, await subject_of(own, BO))
    assert there.startswith(f"{ISSUER}/login/done?")
    await victim.get("/login")  # has a pre-session of its own
    sent = await victim.get(there)
    assert sent.status_code == 400
    assert (await victim.get("/account")).status_code == 303
    back = await browser.get(there)
    assert back.headers["location"].startswith(f"{SPA}/cb?")
    assert "code" in answer_of(back)
    assert (await browser.get("/account")).status_code == 200
    assert (await browser.get(there)).status_code == 400, "once"


async def test_no_password_is_taken_where_the_application_asks(own: LiveIssuer) -> None:
    browser = own.browser()
    refused = await browser.post("/login", data={"email": ADA[0], "password": ADA[1]})
    assert refused.status_code == 405


async def test_a_page_of_ours_is_reached_by_the_applications_page_too(own: LiveIssuer) -> None:
    browser = own.browser()
    id = id_of((await browser.get("/login?next=second-factor")).headers["location"])
    asked = await own.interactions.get(id)
    assert asked is not None
    assert (asked.client_id, asked.anew) == (None, False)
    there = await own.interactions.finish(id, await subject_of(own, ADA))
    assert (await browser.get(there)).headers["location"].startswith("/account/second-factor")
    again = id_of((await browser.get("/login?again=1&next=second-factor")).headers["location"])
    found = await own.interactions.get(again)
    assert found is not None
    assert found.anew
    assert (await browser.get("/login")).headers["location"].startswith("/account"), "signed in already"


async def test_a_no_is_told_to_the_client_once(own: LiveIssuer) -> None:
    browser = own.browser()
    started = await browser.get("/authorize", params=ASK)
    id = id_of((await browser.get(started.headers["location"])).headers["location"])
    there = await own.interactions.refuse(id)
    assert answer_of(await browser.get(there))["error"] == "access_denied"
    assert (await browser.get(there)).status_code == 400
    assert await own.interactions.get(id) is None
    with pytest.raises(SessionError):
        await own.interactions.finish(id, await subject_of(own, ADA))


async def test_the_word_is_good_for_a_minute_for_its_own_interaction_and_for_who_may_sign_in(
    own: LiveIssuer,
) -> None:
    browser = own.browser()
    subject = await subject_of(own, BO)
    ids = [id_of((await browser.get("/login")).headers["location"]) for _ in range(3)]
    there = await own.interactions.finish(ids[0], subject)
    mixed = await browser.get(there.replace(ids[0], ids[1]))
    assert mixed.status_code == 400
    own.clock.advance(61)
    assert (await browser.get(there)).status_code == 400
    there = await own.interactions.finish(ids[2], subject)
    await own.services.accounts.disable(subject, info=RequestInfo(), now=own.clock())
    assert "account" not in (await browser.get(there)).headers.get("location", "")
    assert (await browser.get("/account")).status_code == 303
    for who in (subject, "u_nobody"):
        with pytest.raises(SessionError):
            await own.interactions.finish(ids[1], who)
    with pytest.raises(SessionError):
        await own.interactions.finish("nothing", await subject_of(own, ADA))


@pytest.mark.parametrize(
    "proofs",
    [(), (Proof.TOTP,), (Proof.RECOVERY_CODE,), ("password",)],
    ids=["none", "app", "recovery code", "text"],
)
async def test_a_second_factor_alone_signs_nobody_in_and_is_refused_at_once(
    own: LiveIssuer, proofs: tuple[Proof, ...]
) -> None:
    id = id_of((await own.browser().get("/login")).headers["location"])
    with pytest.raises(ConfigError):
        await own.interactions.finish(id, await subject_of(own, BO), proofs=proofs)


async def test_who_only_looks_at_an_address_uses_up_nothing_of_it(own: LiveIssuer) -> None:
    browser = own.browser()
    id = id_of((await browser.get("/login")).headers["location"])
    there = await own.interactions.finish(id, await subject_of(own, BO))
    looked = await browser.head(there)
    assert (looked.status_code, looked.headers["allow"]) == (405, "GET")
    assert "set-cookie" not in looked.headers
    for path in ("/authorize", "/logout"):
        assert (await browser.head(path, params=ASK)).status_code == 405
    assert (await browser.head("/login")).status_code == 303
    assert (await browser.get(there)).status_code == 303
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.parametrize("asked", [Proof.PASSWORD, Proof.TOTP], ids=["password", "both"])
async def test_a_second_factor_that_was_not_shown_is_asked_for_by_admit(
    own: LiveIssuer, asked: Proof
) -> None:
    browser = own.browser()
    started = await browser.get("/authorize", params={**ASK, "acr_values": "urn:admit:acr:2fa"})
    id = id_of((await browser.get(started.headers["location"])).headers["location"])
    there = await own.interactions.finish(id, await subject_of(own, BO), proofs={Proof.PASSWORD, asked})
    location = (await browser.get(there)).headers["location"]
    assert location.startswith("/login/second-factor" if asked is Proof.PASSWORD else SPA)


ELSEWHERE = {
    "host": "https://elsewhere.example/sign-in",
    "like": ISSUER + ".example/sign-in",
    "slashes": "//elsewhere.example",
    "relative": "sign-in",
    "blank": "/a b",
    "backslash": "/\\elsewhere.example",
    "scheme": "javascript:1",
}


@pytest.mark.parametrize("url", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_sign_in_page_on_another_host_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="login_url"):
        settings_for("sqlite:///x", login_url=url)


def test_a_sign_in_page_of_the_own_host_is_taken() -> None:
    assert settings_for("sqlite:///x", login_url=f"{ISSUER}/sign-in").login_url
