"""`admit.relying_party.Bff` in Starlette, against a whole issuer in this process."""

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from redis import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from admit.errors import UnavailableError
from admit.relying_party import MemorySessionStore, RedisSessionStore, SessionStore, SqliteSessionStore
from admit.relying_party.bff import sessions
from admit.relying_party.bff.session import COOL_DOWN
from tests.fixtures.issuer import API, ISSUER
from tests.fixtures.relying_party import APP, bff_of, provider_of
from tests.unit.relying_party.conftest import Scene


async def test_a_person_signs_in_and_the_page_has_a_session_cookie_and_nothing_else(scene: Scene) -> None:
    page = scene.page()
    answer = await page.sign_in(next="/orders")
    assert answer.headers["location"] == "/orders"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-admit-app-")
    assert "HttpOnly; Secure; SameSite=Lax" in cookie
    told = await page.told()
    assert told["claims"]["name"] == "Ada"
    assert told.keys() == {
        "signed_in", "issuer", "subject", "provider", "claims", "expires_at", "csrf_token",
    }  # fmt: skip
    former = dict(page.client.cookies)
    assert (await page.sign_in()).status_code == 303
    page.client.cookies = former
    assert not (await page.told())["signed_in"], "a new sign-in ends the former session"


async def test_an_api_gets_the_persons_token_and_never_the_cookie_nor_what_the_page_makes_up(
    scene: Scene,
) -> None:
    page = scene.page()
    await page.sign_in()
    headers = {**page.proof, "authorization": "Bearer made-up", "x-forwarded-for": "1.2.3.4", "accept": "a/b"}
    answer = await page.client.post("/bff/api/orders/mine?since=1", headers=headers, content=b"{}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"path": "/v1/mine", "method": "POST"}
    assert "set-cookie" not in answer.headers
    sent = scene.seen[-1].headers
    assert sent["authorization"].startswith("Bearer ey")
    assert sent["accept"] == "a/b"
    assert not {"cookie", "x-forwarded-for", "origin", "x-csrf-token"} & set(sent.keys())
    foreign = [
        "else/mine", "orders/../admin", "orders/%2e%2e/admin", "orders/a%2fb", "orders//evil.example", "orders/a;b",
        "orders/%5c", "orders/%00", "orders/%zz",
    ]  # fmt: skip
    for path in foreign:
        refused = await page.client.get(f"/bff/api/{path}", headers=page.proof)
        assert refused.status_code in (400, 404), path
    assert len(scene.seen) == 1


async def test_another_sites_page_neither_changes_nor_reads_anything(scene: Scene) -> None:
    page = scene.page()
    await page.sign_in()
    bad: list[dict[str, str]] = [
        {},
        {"origin": APP},
        {"x-csrf-token": page.csrf, "origin": "https://evil.example"},
        {"x-csrf-token": page.csrf, "origin": "null"},
        {"x-csrf-token": "A" * 43, "origin": APP},
        {**page.proof, "sec-fetch-site": "cross-site"},
    ]
    for headers in bad:
        assert (await page.client.post("/bff/api/orders/mine", headers=headers)).status_code == 403
        assert (await page.client.post("/bff/logout", headers=headers)).status_code == 403
    navigated = await page.client.get("/bff/api/orders/mine", headers={"sec-fetch-site": "cross-site"})
    assert navigated.status_code == 403
    assert scene.seen == []
    assert (await page.told())["signed_in"]
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    stranger = scene.page()
    assert (await stranger.client.get("/bff/api/orders/mine")).status_code == 401


@pytest.mark.parametrize("kind", ["memory", "redis", "sqlite"])
async def test_a_token_that_is_over_is_renewed_once_for_all_who_ask(
    scene: Scene, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    memory = MemorySessionStore()

    def store() -> SessionStore:
        if kind == "redis":
            return RedisSessionStore(request.getfixturevalue("redis_url"))
        return memory if kind == "memory" else SqliteSessionStore(tmp_path / "sessions.db")

    # Two workers of one application, with nothing in common but what the store keeps.
    first, second = (bff_of(scene.wire, scene.issuer, store=store()) for _ in range(2))
    page, other = scene.page(first), scene.page(second)
    await page.sign_in()
    other.client.cookies = page.client.cookies
    for _ in range(2):
        scene.issuer.clock.advance(600)
        before = len(scene.wire.to("/token"))
        asking = [one.client.get("/bff/api/orders/mine") for one in (page, other) for _ in range(4)]
        answers = await asyncio.gather(*asking)
        assert [answer.status_code for answer in answers] == [200] * 8
        refreshes = scene.wire.to("/token")[before:]
        assert [one.form["grant_type"] for one in refreshes] == ["refresh_token"]
        assert refreshes[0].form["resource"] == API
    assert len({request.headers["authorization"] for request in scene.seen}) == 2
    if kind == "redis":
        with Redis.from_url(request.getfixturevalue("redis_url")) as client:
            raw = b"".join(repr((key, client.dump(key))).encode() for key in client.scan_iter())
        assert b":session:" in raw
        assert b"refresh_token" not in raw
        assert b"ada@example.com" not in raw
    if kind == "sqlite":
        raw = (tmp_path / "sessions.db").read_bytes() + (tmp_path / "sessions.db-wal").read_bytes()
        assert b"refresh_token" not in raw
        assert b"ada@example.com" not in raw


async def test_an_api_that_refuses_every_token_has_a_session_refresh_once_in_a_while(scene: Scene) -> None:
    told = {"www-authenticate": 'Bearer error="invalid_token"'}

    async def refusing(request: Request) -> Response:
        scene.seen.append(request)
        return Response(status_code=401, headers=told)

    page = scene.page()
    await page.sign_in()
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    scene.wire.apps[API] = Starlette(routes=[Route("/{path:path}", refusing)])

    def refreshes() -> int:
        return sum(one.form["grant_type"] == "refresh_token" for one in scene.wire.to("/token"))

    before, asked = refreshes(), len(scene.seen)
    for _ in range(5):
        assert (await page.client.get("/bff/api/orders/mine")).status_code == 401
    assert (refreshes() - before, len(scene.seen) - asked) == (1, 6), "the first call was made again"
    scene.issuer.clock.advance(COOL_DOWN)
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 401
    assert refreshes() - before == 2
    assert (await page.told())["signed_in"], "that an API refuses ends nothing"
    other = scene.page()
    await other.sign_in()
    before = refreshes()
    assert (await other.client.get("/bff/api/orders/mine")).status_code == 401
    assert refreshes() - before == 2, "another session has its own: its first token, and one try to mend it"


async def test_signing_out_ends_the_session_here_and_at_the_provider(scene: Scene) -> None:
    page = scene.page()
    await page.sign_in()
    cookies = dict(page.client.cookies)
    answer = await page.client.post("/bff/logout", headers={**page.proof, "accept": "application/json"})
    location = answer.json()["location"]
    assert location.startswith(f"{ISSUER}/logout?")
    asked = parse_qs(urlsplit(location).query)
    assert asked["post_logout_redirect_uri"] == [f"{APP}/"]
    page.client.cookies = cookies
    assert not (await page.told())["signed_in"]
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 401
    assert len(scene.wire.to("/revoke")) == 1
    left = await page.at_issuer.get(location.removeprefix(ISSUER))
    assert left.status_code in (200, 303)
    # By a form without script, and the token in a field.
    again = scene.page()
    await again.sign_in()
    form = {"csrf_token": again.csrf}
    sent = await again.client.post("/bff/logout", data=form, headers={"origin": APP})
    assert (sent.status_code, sent.headers["location"].startswith(f"{ISSUER}/logout?")) == (303, True)
    assert not (await again.told())["signed_in"]


async def test_a_session_ends_when_it_was_idle_for_too_long(scene: Scene) -> None:
    page = scene.page(bff_of(scene.wire, scene.issuer))
    await page.sign_in()
    scene.issuer.clock.advance(7 * 3_600)
    assert (await page.told())["signed_in"]
    scene.issuer.clock.advance(7 * 3_600)
    assert (await page.told())["signed_in"]
    scene.issuer.clock.advance(9 * 3_600)
    assert not (await page.told())["signed_in"]


async def test_when_the_provider_ends_the_grant_the_session_ends_with_the_next_refresh(scene: Scene) -> None:
    page = scene.page()
    await page.sign_in()
    token = scene.wire.to("/token")[-1].form["code"]
    assert token
    # Somebody signs out at the provider: the online grant of the application ends with that session.
    at_issuer = page.at_issuer
    confirm = await at_issuer.get("/logout")
    assert (await at_issuer.submit("/logout", confirm.text)).status_code in (200, 303)
    scene.issuer.clock.advance(600)
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 401
    assert not (await page.told())["signed_in"]
    assert scene.seen == []


async def test_the_token_of_the_sign_in_serves_the_api_that_it_was_asked_for(scene: Scene) -> None:
    provider = provider_of(scene.wire, scene.issuer, parameters={"resource": API})
    page = scene.page(bff_of(scene.wire, scene.issuer, providers=[provider]))
    await page.sign_in()
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    assert [one.form["grant_type"] for one in scene.wire.to("/token")] == ["authorization_code"]


async def test_a_provider_that_is_away_costs_503_and_no_session(scene: Scene) -> None:
    page = scene.page()
    await page.sign_in()
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    issuer = scene.wire.apps.pop(ISSUER)
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200, "the token at hand"
    scene.issuer.clock.advance(600)
    away = await page.client.get("/bff/api/orders/mine")
    assert (away.status_code, "retry-after" in away.headers) == (503, True)
    scene.wire.apps[ISSUER] = issuer
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200


class Flaky(MemorySessionStore):
    """A store whose changes fail so many times, after the first was made or before."""

    def __init__(self, failures: int, *, made: bool) -> None:
        super().__init__()
        self.failures, self.made = failures, made

    def replace(self, id_hash: bytes, version: int, sealed: bytes) -> bool:
        if self.failures == 0:
            return super().replace(id_hash, version, sealed)
        self.failures -= 1
        if self.made:
            super().replace(id_hash, version, sealed)
        raise UnavailableError("a reply was lost")


@pytest.mark.parametrize(
    ("failures", "made", "status"),
    [(2, False, 200), (1, True, 200), (9, False, 503)],
    ids=["not-made", "made-and-the-answer-lost", "away"],
)
async def test_what_a_refresh_brought_is_kept_though_the_store_stumbles(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, failures: int, made: bool, status: int
) -> None:
    monkeypatch.setattr(sessions, "_KEEP_AGAIN", 0.0)
    page = scene.page(bff_of(scene.wire, scene.issuer, store=Flaky(failures, made=made)))
    await page.sign_in()
    assert (await page.client.get("/bff/api/orders/mine")).status_code == status
    refreshes = [one for one in scene.wire.to("/token") if one.form["grant_type"] == "refresh_token"]
    assert len(refreshes) == 1
    if status == 200:
        assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
        assert len(scene.wire.to("/token")) == 2, "the token at hand"
    assert (await page.told())["signed_in"]


class Overtaken(MemorySessionStore):
    """A store that keeps what another worker's refresh brought while this one's lease runs."""

    brought: bytes | None = None

    def lease(self, id_hash: bytes, version: int, now: float, until: float, holder: bytes = b"") -> bool:
        granted = super().lease(id_hash, version, now, until, holder)
        if granted and self.brought is not None:
            assert super().replace(id_hash, version, self.brought)
            self.brought = None
        return granted


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "granted"])
async def test_a_refresh_that_comes_too_late_ends_no_session_for_which_another_was_kept(
    scene: Scene, refused: bool
) -> None:
    store = Overtaken()
    page = scene.page(bff_of(scene.wire, scene.issuer, store=store))
    await page.sign_in()
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    ((name, first),) = store._sessions.items()
    scene.issuer.clock.advance(600)
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    renewed = store._sessions[name]
    # As it was before: another worker keeps what the refresh brought while this one asks with a token that is used up.
    store._sessions[name], store.brought = replace(first, idle_at=renewed.idle_at), renewed.sealed
    if refused:
        confirm = await page.at_issuer.get("/logout")
        await page.at_issuer.submit("/logout", confirm.text)
    scene.issuer.clock.advance(10)
    assert (await page.client.get("/bff/api/orders/mine")).status_code == 200
    assert len(scene.wire.to("/token")) == 4, "it asked"
    assert (await page.told())["signed_in"]
    assert store._sessions[name].sealed == renewed.sealed


@pytest.mark.threat("SES-5", off="admit.relying_party.bff.sessions:is_young")
async def test_a_session_ends_in_time_whatever_times_somebody_writes_into_the_store(scene: Scene) -> None:
    store = MemorySessionStore()
    page = scene.page(bff_of(scene.wire, scene.issuer, store=store))
    await page.sign_in()
    ((name, stored),) = store._sessions.items()
    store._sessions[name] = replace(stored, idle_at=1e300, expires_at=1e300)
    assert (await page.told())["expires_at"] == int(stored.expires_at), "the end that is sealed with it"
    scene.issuer.clock.advance(29 * 86_400)
    assert (await page.told())["signed_in"]
    scene.issuer.clock.advance(86_400)
    assert not (await page.told())["signed_in"]
