"""The cases of `tests/contract/bff.py`: a page, the application's backend in each framework, and a guarded API."""

import asyncio
from typing import Any

import httpx2
import pytest

from admit.integrations.asgi import PRINCIPAL, Guard
from admit.relying_party import Api, Bff, MemorySessionStore
from tests.contract.bff import CASES, PROXY, BffCase, Page
from tests.contract.services import API, Issuer
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire
from tests.unit.integrations.test_bff import FRAMEWORKS


class Scene:
    """One person who signed in, and what the API saw of what the page asked."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.wire = Wire(loop=asyncio.get_running_loop())
        self.seen: list[tuple[dict[str, Any], str]] = []
        guard = Guard(self.issuer.verifier, realm="orders")

        async def said(scope: Any, receive: Any, send: Any) -> None:
            self.seen[-1] = scope, scope[PRINCIPAL].subject
            known = scope["path"] != "/v1/nowhere"
            headers = [
                (b"set-cookie", b"theirs=canary"),
                (b"cache-control", b"public"),
                (b"server", b"canary"),
            ]
            await send({"type": "http.response.start", "status": 200 if known else 404, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"{}"})

        paths = {"/v1/write": guard(said, "orders:write"), "/v1/read": guard(said, "orders:read")}

        async def api(scope: Any, receive: Any, send: Any) -> None:
            self.seen.append((scope, ""))
            await paths.get(scope["path"], guard(said))(scope, receive, send)

        self.strange = Strange(claims={"at_hash": None})
        self.wire.apps[API] = api
        self.bff = Bff(
            APP,
            providers=[self.strange.provider(self.wire)],
            apis=[Api("orders", f"{API}/v1")],
            store=MemorySessionStore(),
            fetcher=self.wire.fetcher(API),
        )

    async def sign_in(self, browser: httpx2.AsyncClient) -> Page:
        """Anew, with tokens that are good."""
        self.issuer.sign_in_anew()
        self.strange.answer["access_token"] = self.issuer.token()
        browser.cookies.clear()
        begun = await browser.get("/bff/login")
        done = await browser.get("/bff/callback/id", params=self.strange.approve(begun.headers["location"]))
        assert done.status_code == 303, done.text
        cookie = done.headers["set-cookie"].partition(";")[0]
        told = (await browser.get("/bff/session", headers={"cookie": cookie})).json()
        browser.cookies.clear()  # from now on each case says what is sent
        return Page(cookie, told["csrf_token"], APP)


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
async def test_a_pages_request_to_an_api_is_answered_as_the_list_says(framework: str) -> None:
    scene = Scene()
    async with httpx2.AsyncClient(transport=FRAMEWORKS[framework](scene.bff), base_url=APP) as browser:
        page = await scene.sign_in(browser)
        for case in CASES:
            try:
                await hold(scene, browser, page, case)
            except AssertionError as error:
                error.add_note(f"in the case {case.name!r}")
                raise
            if case.then is not None:
                page = await scene.sign_in(browser)


async def hold(scene: Scene, browser: httpx2.AsyncClient, page: Page, case: BffCase) -> None:
    """One case, by one framework."""
    if case.then is not None:
        case.then(scene.issuer)
    scene.seen.clear()
    answer = await browser.request(case.method, f"{PROXY}{case.path}", headers=case.sent(page))
    assert answer.status_code == case.status, answer.text
    assert bool(scene.seen) is case.reaches
    told = answer.text + repr(answer.headers.raw)
    assert "canary" not in told, "what the page or the API made up came back"
    assert scene.strange.answer["access_token"] not in told
    assert "www-authenticate" not in answer.headers
    if case.status != 405:  # a framework may say that itself
        assert answer.headers["cache-control"] == "no-store"
    if case.status == 503:
        assert int(answer.headers["retry-after"]) > 0
    if case.error:
        assert answer.json()["error"] == case.error
    for scope, who in scene.seen:
        names = [name for name, _ in scope["headers"]]
        assert names.count(b"authorization") == 1
        assert not {b"cookie", b"x-csrf-token", b"origin"} & set(names)
        assert b"canary" not in b"".join(value for name, value in scope["headers"])
        assert scope["method"] == case.method
        assert who == ("u_alice" if case.status in (200, 404) else "")
