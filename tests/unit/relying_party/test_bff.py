"""`admit.relying_party.Bff` in Starlette, against a whole issuer in this process."""

from tests.unit.relying_party.conftest import Scene


async def test_a_person_signs_in_and_the_page_has_a_session_cookie_and_nothing_else(scene: Scene) -> None:
    page = scene.page()
    answer = await page.sign_in(next="/orders")
    assert answer.headers["location"] == "/orders"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-admit-app-") and "HttpOnly; Secure; SameSite=Lax" in cookie
    told = await page.told()
    assert told["signed_in"] and told["claims"]["name"] == "Ada"
    assert "token" not in str({name: value for name, value in told.items() if name != "csrf_token"})


async def test_an_api_gets_the_persons_token_and_never_the_cookie(scene: Scene) -> None:
    page = scene.page()
    await page.sign_in()
    answer = await page.client.get("/bff/api/orders/mine?since=1", headers=page.proof)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"path": "/v1/mine", "method": "GET"}
    assert "set-cookie" not in answer.headers
    sent = scene.seen[-1].headers
    assert sent["authorization"].startswith("Bearer ey") and "cookie" not in sent
