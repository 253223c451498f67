"""SES-6, ADM-route, WEB-csrf: the JSON API that lists and ends. Who may, what is told, and whose it is."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from admit.issuer.app.api.shapes import SCHEMAS
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    BO,
    LiveIssuer,
)
from tests.threats.api import ROOT, Api, by_session, by_token, fits, running, tokens_for
from tests.threats.whole import SESSION_COOKIE, everything, user_id_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """The usual issuer, with an operator, and with a client that may end sessions."""
    async with running(furnished_sqlite, keyring) as made:
        yield made


# What the owner sees and ends


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_a_user_lists_sessions_and_grants_and_reads_nothing_that_lets_in(
    issuer: LiveIssuer, way: Any
) -> None:
    elsewhere = await by_session(issuer)
    api: Api = await way(issuer)
    offline = await tokens_for(elsewhere.browser, ADA, "native", scope="openid offline_access")
    sessions, grants = await api("GET", "/api/sessions"), await api("GET", "/api/grants")
    fits(sessions.json(), SCHEMAS["Sessions"])
    fits(grants.json(), SCHEMAS["Grants"])
    told = {one["id"]: one["current"] for one in sessions.json()["sessions"]}
    other = (await elsewhere.browser.get("/api/session")).json()["sid"]
    assert len(told) == 2
    assert not told[other]
    assert list(told.values()).count(True) == 1
    assert [one["client_id"] for one in grants.json()["grants"]].count("native") == 1
    assert {one["offline"] for one in grants.json()["grants"] if one["client_id"] == "native"} == {True}
    text = sessions.text + grants.text
    for secret in (
        elsewhere.browser.cookies[SESSION_COOKIE],
        offline["refresh_token"],
        offline["access_token"],
    ):
        assert secret not in text


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_a_user_ends_one_session_and_then_all_others(issuer: LiveIssuer, way: Any) -> None:
    first, second, third = [await by_session(issuer) for _ in range(3)]
    api: Api = await way(issuer)
    sid = (await first.browser.get("/api/session")).json()["sid"]
    assert (await api("DELETE", f"/api/sessions/{sid}")).status_code == 204
    assert (await first.browser.get("/api/session")).status_code == 401
    assert (await second.browser.get("/api/session")).status_code == 200
    assert (await api("DELETE", f"/api/sessions/{sid}")).status_code == 404, "over already"
    answer = await api("DELETE", "/api/sessions")
    assert answer.json() == {"sessions": 2, "grants": 0, "refused_within": 30.0}
    fits(answer.json(), SCHEMAS["Ended"])
    assert [(await one.browser.get("/api/session")).status_code for one in (second, third)] == [401, 401]
    assert (await api("GET", "/api/sessions")).status_code == 200, "the caller's own goes on"


async def test_all_means_this_session_too_and_offline_means_everything(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    offline = await tokens_for(api.browser, ADA, "native", scope="openid offline_access")
    answer = await api("DELETE", "/api/sessions?all=true")
    assert answer.json()["sessions"] == 1
    assert any(value.startswith(f"{SESSION_COOKIE}=;") for value in answer.headers.get_list("set-cookie"))
    assert (await api.browser.get("/api/session")).status_code == 401
    again = await api.browser.refresh(offline["refresh_token"], "native")
    assert again.status_code == 200, "an offline grant goes on"
    api = await by_session(issuer)
    answer = await api("DELETE", "/api/sessions?offline=true")
    assert answer.json() == {"sessions": 1, "grants": 1, "refused_within": 30.0}
    refused = await api.browser.refresh(again.json()["refresh_token"], "native")
    assert refused.json()["error"] == "invalid_grant"


async def test_ending_the_session_in_use_takes_the_cookie_back(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    sid = (await api.browser.get("/api/session")).json()["sid"]
    answer = await api("DELETE", f"/api/sessions/{sid}")
    assert answer.status_code == 204
    assert any(value.startswith(f"{SESSION_COOKIE}=;") for value in answer.headers.get_list("set-cookie"))


async def test_a_grant_ends_alone_and_its_tokens_are_refused(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    tokens = await api.browser.tokens()
    (grant,) = (await api("GET", "/api/grants")).json()["grants"]
    assert (grant["client_id"], grant["client_name"], grant["offline"]) == ("spa", "Orders", False)
    assert (await api("DELETE", f"/api/grants/{grant['id']}")).status_code == 204
    assert (await api("DELETE", f"/api/grants/{grant['id']}")).status_code == 404
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await issuer.browser().get("/userinfo", headers=bearer)).status_code == 401
    assert (await api("GET", "/api/sessions")).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["?al=true", "?all=yes", "?all=1", "?all=true&all=true", "?all=true&x=true", "?all=", "?all", "?x="],
)
async def test_a_misspelt_flag_ends_nothing(issuer: LiveIssuer, query: str) -> None:
    other, api = await by_session(issuer), await by_session(issuer)
    answer = await api("DELETE", f"/api/sessions{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await other.browser.get("/api/session")).status_code == 200


# Whose it is


@pytest.mark.parametrize("way", [by_session, by_token])
@pytest.mark.threat(
    "SES-6", off=["admit.issuer.sessions.transactions:owned", "admit.issuer.grants.ends:owned"]
)
async def test_what_belongs_to_another_is_not_there(issuer: LiveIssuer, way: Any) -> None:
    theirs = await by_session(issuer, BO)
    await theirs.browser.tokens(BO)
    ids = await theirs.ids(), await theirs.ids("/api/grants")
    api: Api = await way(issuer)
    for path, found in zip(("/api/sessions", "/api/grants"), ids, strict=True):
        assert found.isdisjoint(await api.ids(path))
        for one in found:
            nothing = await api("DELETE", f"{path}/{'x' * 22}")
            refused = await api("DELETE", f"{path}/{one}")
            assert refused.status_code == nothing.status_code == 404
            assert refused.json() == nothing.json(), "it is not told whether there is such a one"
    assert (await theirs.ids(), await theirs.ids("/api/grants")) == ids


async def test_odd_ids_are_404_and_end_nothing(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    before = await everything(issuer)
    for odd in ("-", "..", "%00", "*", "A" * 5_000, "u_x", "null", "1", "%2e%2e", "a%2fb", "'"):
        for path in ("/api/sessions/", "/api/grants/"):
            # A path of more than one spelling is refused as such.
            wanted = 400 if "%" in odd else 404
            assert (await api("DELETE", path + odd)).status_code == wanted, odd
    assert await everything(issuer) == before


async def test_the_callers_own_session_is_as_described(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    fits((await api.browser.get("/api/session")).json(), SCHEMAS["OwnSession"])
    fits((await issuer.browser().get("/api/sessions")).json(), SCHEMAS["Error"])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_same_on_postgresql(database_url: str, keyring: Keyring) -> None:
    from tests.fixtures.issuer import add_people

    async with running(database_url, keyring) as issuer:
        await add_people(issuer)
        ada, other = await by_session(issuer), await by_session(issuer)
        await ada.browser.tokens()
        offline = await tokens_for(other.browser, ADA, "native", scope="openid offline_access")
        (grant,) = [
            one["id"] for one in (await ada("GET", "/api/grants")).json()["grants"] if not one["offline"]
        ]
        assert (await ada("DELETE", f"/api/grants/{grant}")).status_code == 204
        assert (await ada("DELETE", "/api/sessions")).json()["sessions"] == 1
        root = await by_session(issuer, ROOT)
        sub = await user_id_of(issuer, ADA[0])
        answer = await root("DELETE", f"/api/users/{sub}/sessions?offline=true")
        assert answer.json() == {"sessions": 1, "grants": 1, "refused_within": 30.0}
        refused = await ada.browser.refresh(offline["refresh_token"], "native")
        assert refused.json()["error"] == "invalid_grant"
        await ada.browser.tokens()
        assert (await root("DELETE", "/api/clients/spa/grants")).json()["grants"] == 1


# Names


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_a_user_names_a_session(issuer: LiveIssuer, way: Any) -> None:
    other = await by_session(issuer)
    api: Api = await way(issuer)
    sid = (await other.browser.get("/api/session")).json()["sid"]

    async def name(value: object) -> httpx2.Response:
        return await api.browser.patch(f"/api/sessions/{sid}", json={"name": value}, headers=api.headers)

    assert (await name("The old laptop")).status_code == 204
    listed = (await api("GET", "/api/sessions")).json()
    fits(listed, SCHEMAS["Sessions"])
    assert {one["id"]: one["name"] for one in listed["sessions"]}[sid] == "The old laptop"
    assert (await name(None)).status_code == 204
    for refused in ("x" * 61, "a\nb", "\u202ex"):
        assert (await name(refused)).json()["error"] == "invalid_session_name"
    for refused in (1, True, ["x"], {"x": "y"}):
        assert (await name(refused)).json()["error"] == "invalid_request"
    again = (await api("GET", "/api/sessions")).json()["sessions"]
    assert {one["id"]: one["name"] for one in again}[sid] is None


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.store:rename_own")
async def test_nobody_names_the_session_of_another(issuer: LiveIssuer) -> None:
    theirs, api = await by_session(issuer, BO), await by_session(issuer)
    (sid,) = await theirs.ids()
    named = await api.browser.patch(f"/api/sessions/{sid}", json={"name": "x"}, headers=api.headers)
    nothing = await api.browser.patch(f"/api/sessions/{'x' * 22}", json={"name": "x"}, headers=api.headers)
    assert (named.status_code, named.json()) == (nothing.status_code, nothing.json())
    assert named.status_code == 404


BODIES = (
    (b'{"name": "x"}', "text/plain", 415), (b'{"name": "x"}', "", 415), (b"name=x", "application/json", 400),
    (b"{}", "application/json", 400), (b'{"name": "x", "id": "y"}', "application/json", 400),
    (b'{"name": "x", "name": "y"}', "application/json", 400), (b'["name"]', "application/json", 400),
    (b'{"name": "' + b"x" * 5_000 + b'"}', "application/json", 413), (b"\xff\xfe", "application/json", 400),
)  # fmt: skip


async def test_a_body_that_is_not_the_one_object_names_nothing(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    (sid,) = await api.ids()
    for body, kind, status in BODIES:
        headers = {**api.headers, **({"content-type": kind} if kind else {})}
        answer = await api.browser.patch(f"/api/sessions/{sid}", content=body, headers=headers)
        assert answer.status_code == status, body
    assert [one["name"] for one in (await api("GET", "/api/sessions")).json()["sessions"]] == [None]
