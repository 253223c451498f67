"""6819-4.4.3.6, PWD-3, PWD-4: guessing passwords over HTTP; and the owner, who is never shut out by it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from admit.errors import ThrottledError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.passwords import Match
from admit.issuer.app.devices import cookie_name
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import MailConfig
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, ISSUER, Browser, LiveIssuer, make_issuer, settings_for
from tests.threats.whole import again, events, rows, user_id_of

pytestmark = pytest.mark.anyio
COOKIE = cookie_name(ISSUER, True)
ATTACKER, HOME, ELSEWHERE = "198.51.100.1", "192.0.2.7", "203.0.113.9"
Rounds = Callable[..., range]
RIGHT = {who[1].encode() for who in (ADA, BO)}


class Counted:
    """Stands for the hash: counts, and knows both passwords without computing anything."""

    def __init__(self) -> None:
        self.tried: list[bytes] = []

    def __call__(self, stored: str, password: bytes) -> Match:
        self.tried.append(password)
        return Match.YES if password in RIGHT else Match.NO


@pytest.fixture(autouse=True)
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(passwords, "compare", counted)
    return counted


@asynccontextmanager
async def running(url: str, keyring: Keyring, **accounts: Any) -> AsyncIterator[LiveIssuer]:
    settings = settings_for(url)
    made = make_issuer(replace(settings, accounts=replace(settings.accounts, **accounts)), keyring)
    async with made.lifespan():
        yield made
        for browser in made.open_browsers:
            await browser.aclose()


async def guess(
    browser: Browser, page: str, email: str = ADA[0], password: str = "a guess"
) -> httpx2.Response:
    return await browser.submit("/login", page, email=email, password=password)


async def spend(issuer: LiveIssuer, email: str = ADA[0]) -> None:
    """What an outsider can do to an account: all the tries there are."""
    browser = issuer.browser(ATTACKER)
    page = (await browser.get("/login")).text
    for _ in range(issuer.settings.accounts.tries_per_account):
        assert (await guess(browser, page, email)).status_code == 400
    assert (await guess(browser, page, email)).status_code == 429


async def signed_in(
    issuer: LiveIssuer, who: tuple[str, str, str, tuple[str, ...]] = ADA, ip: str = HOME
) -> Browser:
    browser = issuer.browser(ip)
    assert (await browser.sign_in(who)).status_code == 303
    return browser


async def may_sign_in(browser: Browser, who: tuple[str, str, str, tuple[str, ...]] = ADA) -> bool:
    """Whether the right password is taken, in a new sign-in."""
    answer = await browser.sign_in(who, prompt="login", **FRESH)
    assert answer.status_code in (303, 429), answer.status_code
    return answer.status_code == 303


FRESH = {
    "response_type": "code",
    "client_id": "spa",
    "redirect_uri": "http://localhost:8411/cb",
    "scope": "openid",
    "state": "s",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


# One account


@pytest.mark.threat(
    "6819-4.4.3.6",
    off=["admit.issuer.throttle.budgets.store:draw", "admit.issuer.accounts.rules:canonical_identifier"],
)
async def test_a_hundred_wrong_passwords_at_once_are_ten_in_any_spelling_from_anywhere(
    issuer: LiveIssuer, hashed: Counted
) -> None:
    spellings = [ADA[0], " Ada@Example.com ", "ADA@EXAMPLE.COM", "ＡDA@example.com"]
    browsers = [issuer.browser(f"198.51.100.{number}") for number in range(10)]
    pages = [(await browser.get("/login")).text for browser in browsers]
    answers = await asyncio.gather(
        *(guess(browsers[n % 10], pages[n % 10], spellings[n % 4]) for n in range(100))
    )
    assert Counter(answer.status_code for answer in answers) == {400: 10, 429: 90}
    assert len(hashed.tried) == 10
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(1 <= int(answer.headers["retry-after"]) <= 90 for answer in refused)
    assert len({(answer.status_code, len(answer.headers)) for answer in refused}) == 1


async def test_an_account_that_does_not_exist_is_throttled_with_the_same_words(
    issuer: LiveIssuer, hashed: Counted
) -> None:
    answers: list[list[tuple[int, str]]] = []
    for email, ip in ((ADA[0], "198.51.100.1"), ("nobody@example.com", "198.51.100.2")):
        browser = issuer.browser(ip)
        page = (await browser.get("/login")).text
        told = []
        for _ in range(12):
            answer = await guess(browser, page, email)
            told.append((answer.status_code, answer.text.replace(email, "")))
        answers.append([(status, without_token(text)) for status, text in told])
    assert answers[0] == answers[1]


def without_token(page: str) -> str:
    head, _, rest = page.partition('name="csrf" value="')
    return head + rest.partition('"')[2]


@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.throttle.buckets:network")
async def test_a_household_of_ipv6_is_one_network(
    furnished_sqlite: str, keyring: Keyring, hashed: Counted
) -> None:
    async with running(furnished_sqlite, keyring, tries_per_network=5) as issuer:
        statuses = []
        for number in range(16):
            browser = issuer.browser(f"2001:db8:1:2:{number:x}::{number:x}")
            page = (await browser.get("/login")).text
            statuses.append((await guess(browser, page, f"person{number}@example.com")).status_code)
        assert statuses == [400] * 5 + [429] * 11


@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.throttle.buckets:prefix")
async def test_a_provider_prefix_of_ipv6_is_not_endless(
    furnished_sqlite: str, keyring: Keyring, hashed: Counted
) -> None:
    async with running(furnished_sqlite, keyring, tries_per_network=2, tries_per_prefix=5) as issuer:
        statuses = []
        for number in range(12):
            browser = issuer.browser(f"2001:db8:1:{number:x}::1")
            page = (await browser.get("/login")).text
            statuses.append((await guess(browser, page, f"person{number}@example.com")).status_code)
        assert statuses == [400] * 5 + [429] * 7
        neighbour = issuer.browser("2001:db8:2::1")
        assert (
            await guess(neighbour, (await neighbour.get("/login")).text, "x@example.com")
        ).status_code == 400


@pytest.mark.threat("PWD-3", off="admit.issuer.throttle.buckets:prefix")
async def test_a_provider_prefix_of_ipv6_neither_signs_up_nor_asks_for_links_without_end(
    furnished_sqlite: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "compute", lambda octets: passwords.no_password())
    limits = AccountsConfig(signups_per_network=1, resets_per_network=1)
    settings = settings_for(
        furnished_sqlite, accounts=limits, mail=MailConfig(url="smtp://127.0.0.1:9", sender="a@id.example")
    )
    issuer, refused = make_issuer(settings, keyring), {"sign-up": 0, "link": 0}
    async with issuer.lifespan():
        accounts, links, now = issuer.services.accounts, issuer.services.links, issuer.clock()
        for number in range(12):
            info = RequestInfo(ip=f"2001:db8:1:{number:x}::1")
            email = f"person{number}@example.com"
            try:
                await accounts.sign_up(email=email, name="P", password="a long walk 9", info=info, now=now)
            except ThrottledError:
                refused["sign-up"] += 1
            try:
                await links.ask_reset(email, locale=None, info=info, now=now)
            except ThrottledError:
                refused["link"] += 1
    assert refused == {"sign-up": 2, "link": 2}


@pytest.mark.threat("PWD-4", off="admit.issuer.throttle.budgets.store:draw")
async def test_of_many_guesses_at_once_over_a_spent_budget_none_gets_in(
    issuer: LiveIssuer, hashed: Counted
) -> None:
    await spend(issuer)
    browsers = [issuer.browser(f"198.51.100.{number + 10}") for number in range(10)]
    pages = [(await browser.get("/login")).text for browser in browsers]
    hashed.tried.clear()
    answers = await asyncio.gather(
        *(
            guess(browsers[n % 10], pages[n % 10], password=ADA[1] if n == 37 else f"guess {n}")
            for n in range(40)
        )
    )
    assert {answer.status_code for answer in answers} == {429}
    assert hashed.tried == []


async def test_what_was_counted_survives_a_restart_and_holds_on_other_nodes(issuer: LiveIssuer) -> None:
    await spend(issuer)
    other = again(issuer)
    async with other.lifespan():
        browser = other.browser(ELSEWHERE)
        assert (await browser.sign_in(ADA)).status_code == 429
        other.clock.advance(91)
        assert (await browser.sign_in(ADA)).status_code == 303, (
            "one try is back, and not all of them at some moment"
        )
        await browser.aclose()


async def test_tries_come_back_one_after_another(issuer: LiveIssuer) -> None:
    await spend(issuer)
    browser = issuer.browser(ELSEWHERE)
    page = (await browser.get("/login")).text
    for _ in range(3):
        issuer.clock.advance(90)
        answers = [await guess(browser, page) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [400, 429]
        assert int(answers[1].headers["retry-after"]) == 90


async def test_in_a_day_no_more_than_so_many_are_tried_however_slowly(
    furnished_sqlite: str, keyring: Keyring, hashed: Counted
) -> None:
    async with running(furnished_sqlite, keyring, tries_per_day=20) as issuer:
        browser = issuer.browser(ATTACKER)
        page = (await browser.get("/login")).text
        for _ in range(60):
            await guess(browser, page)
            issuer.clock.advance(90)
        assert len(hashed.tried) == 21, "20, and one that came back in an hour and a half"


@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.throttle.budgets.store:refund")
async def test_signing_in_to_an_own_account_between_guesses_wins_none(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    async with running(furnished_sqlite, keyring, tries_per_network=6) as issuer:
        attacker = issuer.browser(ATTACKER)
        wrong = 0
        for number in range(10):
            own = await attacker.sign_in(BO, prompt="login", **FRESH)
            page = (await attacker.get("/login", params={"again": "1"})).text
            if 'name="csrf"' not in page:
                break
            wrong += (await guess(attacker, page, f"victim{number}@example.com")).status_code == 400
            assert own.status_code in (303, 429)
        assert wrong == 6


# The owner


@pytest.mark.threat("PWD-3", off="admit.issuer.accounts.devices.rules:is_known")
async def test_the_owner_on_a_known_device_is_never_shut_out(issuer: LiveIssuer) -> None:
    own = await signed_in(issuer)
    await spend(issuer)
    assert await may_sign_in(own)
    assert not await may_sign_in(issuer.browser(ELSEWHERE)), "strangers share what is spent"
    assert await may_sign_in(await signed_in(issuer, BO), BO), "and no other account is touched"


@pytest.mark.threat("PWD-3", off="admit.issuer.accounts.devices.rules:is_known")
async def test_the_owner_is_let_in_from_a_network_that_is_spent(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    async with running(furnished_sqlite, keyring, tries_per_network=3) as issuer:
        own = await signed_in(issuer, ip=ATTACKER)
        attacker = issuer.browser(ATTACKER)
        page = (await attacker.get("/login")).text
        statuses = [
            (await guess(attacker, page, f"p{number}@example.com")).status_code for number in range(5)
        ]
        assert statuses == [400] * 3 + [429] * 2
        assert await may_sign_in(own)


async def test_a_known_device_has_a_budget_of_its_own_and_no_endless_one(issuer: LiveIssuer) -> None:
    own = await signed_in(issuer)
    page = (await own.get("/login", params={"again": "1"})).text
    statuses = [(await guess(own, page)).status_code for _ in range(12)]
    assert statuses == [400] * 10 + [429] * 2
    assert await may_sign_in(issuer.browser(ELSEWHERE)), "and it is not the account's"


@pytest.mark.parametrize("how", ["another's", "made up", "doubled", "after a new password"])
async def test_only_a_device_that_this_account_knows_is_known(issuer: LiveIssuer, how: str) -> None:
    own = await signed_in(issuer)
    stranger = await signed_in(issuer, BO, ELSEWHERE)
    value, others = own.cookies[COOKIE], stranger.cookies[COOKIE]
    assert value != others
    if how == "after a new password":
        ada = await user_id_of(issuer, ADA[0])
        password = "another good passphrase"
        await issuer.services.accounts.set_password(ada, password, info=RequestInfo(), now=issuer.clock())
    await spend(issuer)
    cookie = {
        "another's": f"{COOKIE}={others}",
        "made up": f"{COOKIE}={'A' * 43}",
        "doubled": f"{COOKIE}={value}; {COOKIE}={value}",
        "after a new password": f"{COOKIE}={value}",
    }[how]
    browser = issuer.browser(ELSEWHERE)
    page = await browser.get("/login")
    browser.headers["cookie"] = "; ".join(
        [cookie, *(f"{name}={browser.cookies[name]}" for name in browser.cookies)]
    )
    assert (await guess(browser, page.text, password=ADA[1])).status_code == 429


async def test_a_device_is_known_after_a_whole_sign_in_only(issuer: LiveIssuer, browser: Browser) -> None:
    page = await browser.get("/login")
    await guess(browser, page.text)
    await guess(browser, page.text, "nobody@example.com")
    assert COOKIE not in browser.cookies
    assert await rows(issuer, "known_device") == []
    assert (await guess(browser, page.text, password=ADA[1])).status_code == 303
    assert len(browser.cookies[COOKIE]) == 43
    (row,) = await rows(issuer, "known_device")
    assert row["user_id"] == await user_id_of(issuer, ADA[0])


async def test_a_device_signs_nobody_in(issuer: LiveIssuer) -> None:
    own = await signed_in(issuer)
    bare = issuer.browser()
    bare.headers["cookie"] = f"{COOKIE}={own.cookies[COOKIE]}"
    assert (await bare.get("/api/session")).status_code == 401
    assert (await bare.get("/account")).headers["location"].startswith("/login")


# Everybody


@pytest.mark.threat("PWD-3", off="admit.issuer.accounts.guessing.rules:slowness")
async def test_stuffing_many_accounts_from_many_networks_is_slowed_and_known_devices_never_notice(
    furnished_sqlite: str, keyring: Keyring, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One guess an account, so that no account's budget is ever spent. In the soak tier with the ledger's numbers,
    which are the defaults; else with what they are to so many accounts.
    """
    accounts = len(rounds(test=300, soak=10_000))
    addresses, knee = (50 if accounts == 10_000 else 10), accounts // 20
    each = accounts // 2 // addresses
    async with running(
        furnished_sqlite, keyring, failures_before_slow=knee, tries_per_network=each
    ) as issuer:
        own = await signed_in(issuer)
        check = issuer.services.accounts.check_password
        monkeypatch.setattr(passwords, "compare", lambda stored, password: Match.NO)
        outcomes = []
        for number in range(accounts):
            info = RequestInfo(ip=f"198.51.100.{number % addresses}")
            email = f"person{number}@example.com"
            try:
                await check(email=email, password="stuffed", info=info, now=issuer.clock())
                outcomes.append(True)
            except ThrottledError:
                outcomes.append(False)
        assert all(outcomes[:knee]), "nobody notices before"
        assert sum(outcomes[knee:]) <= 0.05 * (accounts - knee)
        monkeypatch.undo()
        assert await may_sign_in(own)


async def test_a_flood_is_told_once_for_each_budget_and_writes_nothing_more(
    issuer: LiveIssuer, browser: Browser, hashed: Counted
) -> None:
    await spend(issuer)
    before = await events(issuer)
    assert [record["event"] for record in before].count("throttled") == 1
    kept = await rows(issuer, "budget")
    page = (await browser.get("/login")).text
    for _ in range(20):
        assert (await guess(browser, page)).status_code == 429
    assert len(await events(issuer)) == len(before)
    assert await rows(issuer, "budget") == kept
    (told,) = [record for record in before if record["event"] == "throttled"]
    assert (told["detail"]["reason"], told["user_id"]) == (
        "password-account",
        await user_id_of(issuer, ADA[0]),
    )


# Codes


@pytest.mark.threat("6819-4.4.1.12", off="admit.issuer.oauth.token.authorization_code:count_wrong_code")
async def test_bogus_codes_through_an_honest_client_cost_no_hash_and_shut_nobody_out(
    issuer: LiveIssuer, browser: Browser, hashed: Counted
) -> None:
    """Bots push them through the client's own back end, so that they come in its name and from its network."""
    code, verifier = await browser.code()
    hashed.tried.clear()
    bogus = await asyncio.gather(*(browser.redeem(f"{number:043d}", verifier) for number in range(60)))
    assert Counter(answer.status_code for answer in bogus) == {400: 20, 429: 40}
    assert hashed.tried == []
    told = Counter(record["event"] for record in await events(issuer))
    assert told["token.refused"] <= 20
    assert told["throttled"] == 1
    assert (await browser.redeem(code, verifier)).status_code == 200
    other = issuer.browser(ELSEWHERE)
    code, verifier = await other.code(BO)
    assert (await other.redeem(code, verifier)).status_code == 200
