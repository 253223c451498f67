"""What people do on the pages, in a real browser: by keyboard, without script, with what script adds.

How all of them look is in `test_pages_for_everybody.py`.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from admit.issuer.accounts.policy import common_passwords, context_words, weakness
from admit.issuer.app.headers import HeaderTable
from admit.issuer.app.pages.render import Pages
from admit.issuer.app.pages.views import FormPostView
from tests.unit.issuer.app.pages.samples import VIEWS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def application() -> HeaderTable:
    pages = Pages(issuer="http://127.0.0.1")

    async def view(request: Request) -> Response:
        return pages.response(
            VIEWS[request.path_params["name"]], lang=request.query_params["lang"], status=200
        )

    async def form_post(request: Request) -> Response:
        action = f"{request.base_url}login"
        shown = VIEWS["form_post"]
        assert isinstance(shown, FormPostView)
        return pages.response(replace(shown, action=action), lang="en", form_target=action)

    async def static(request: Request) -> Response:
        asked = request.path_params
        reply = pages.assets.response(asked["version"], asked["name"], https=False)
        return reply or PlainTextResponse("", status_code=404)

    async def login(request: Request) -> Response:
        sent = await request.body()
        return PlainTextResponse(sent.decode("ascii"))

    routes = [
        Route("/view/{name}", view),
        Route("/form_post", form_post),
        Route("/static/{version}/{name}", static),
        Route("/login", login, methods=["POST"]),
        Route("/account", login, methods=["POST"]),
    ]
    return HeaderTable(Starlette(routes=routes), https=False)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(10)


def listen(page: "Page") -> list[str]:
    """What the browser complains about: refused by policy, not found, thrown."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def test_the_keyboard_reaches_everything_in_reading_order_and_shows_where_it_is(
    page: "Page", site: str
) -> None:
    page.goto(f"{site}/view/account?lang=en")
    seen: list[tuple[int, str]] = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "[Math.round(document.activeElement.getBoundingClientRect().top + scrollY),"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    assert all(outline == "solid" for _, outline in seen)
    tops = [top for top, _ in seen[3:]]  # after skip link, brand and sign-out: sessions, all others, language
    assert tops == sorted(tops)


def test_the_skip_link_leads_past_the_header(page: "Page", site: str) -> None:
    page.goto(f"{site}/view/account?lang=en")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_show_shows_the_password_and_the_form_sends_it_as_one_again(page: "Page", site: str) -> None:
    complaints = listen(page)
    page.goto(f"{site}/view/sign_in?lang=en")
    assert page.evaluate("document.activeElement.id") == "email"
    page.get_by_label("Email").fill("wen@example.com")
    page.get_by_label("Password", exact=True).fill("three words here")
    page.get_by_role("button", name="Show password").click()
    assert page.locator("#password").get_attribute("type") == "text"
    page.get_by_role("button", name="Hide password").click()
    assert page.locator("#password").get_attribute("type") == "password"
    assert complaints == []
    page.get_by_role("button", name="Sign in").click()
    sent = page.text_content("body") or ""
    assert "email=wen%40example.com" in sent
    assert "password=three+words+here" in sent


def test_a_form_under_way_is_not_sent_twice(page: "Page", site: str) -> None:
    page.goto(f"{site}/view/sign_in?lang=en")
    twice = (
        "f => [0, 1].map(() => f.dispatchEvent(new SubmitEvent('submit', {cancelable: true, bubbles: true})))"
    )
    assert page.locator("form").evaluate(twice) == [True, False]


def test_without_script_the_forms_work_and_nothing_dead_is_shown(chromium: "Browser", site: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/view/sign_in?lang=en")
    assert page.get_by_role("button").count() == 1
    page.get_by_label("Email").fill("wen@example.com")
    page.get_by_label("Password", exact=True).fill("three words here")
    page.get_by_role("button", name="Sign in").click()
    assert "email=wen%40example.com" in (page.text_content("body") or "")
    context.close()


def test_an_answer_goes_on_to_the_application_by_itself_or_by_its_button(
    page: "Page", chromium: "Browser", site: str
) -> None:
    complaints = listen(page)
    page.goto(f"{site}/form_post")
    page.wait_for_url(f"{site}/login")
    sent = page.text_content("body") or ""
    assert sent.startswith("code=Qm9v&state=")
    assert complaints == []
    context = chromium.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{site}/form_post")
    assert plain.get_by_role("button").count() == 1
    plain.get_by_role("button", name="Go on").click()
    assert plain.text_content("body") == sent
    context.close()


@pytest.mark.parametrize(
    ("button", "sent"),
    [
        ("End what Demo orders may do", "client=orders&do=end_app"),
        ("End the session in Edge on Windows, from 198.51.100.23", "session=s_work&do=end"),
        ("End everything", "do=end_everything"),
    ],
)
def test_without_script_each_thing_is_ended_by_its_own_button(
    chromium: "Browser", site: str, button: str, sent: str
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/view/account?lang=en")
    pressed = page.get_by_role("button", name=button, exact=True)  # by the name that a screen reader says
    assert pressed.count() == 1
    pressed.focus()
    with page.expect_navigation(url="**/account?*"):
        page.keyboard.press("Enter")
    assert (page.text_content("body") or "").endswith("&" + sent)
    context.close()


@pytest.mark.threat("6819-4.4.1.9", off="admit.issuer.app.headers:framing")
def test_no_page_is_shown_in_a_frame_of_another_site(page: "Page") -> None:
    # A server of its own: the table is read when the application is made.
    pages = Pages(issuer="http://127.0.0.1")

    def serve(route: object) -> None:
        reply = pages.response(VIEWS["consent"], lang="en")
        route.fulfill(status=200, headers=dict(reply.headers), body=bytes(reply.body))  # type: ignore[attr-defined]  # playwright's Route

    page.route("http://127.0.0.1:9/consent", serve)
    page.route(
        "http://localhost:9/bait",
        lambda route: route.fulfill(
            content_type="text/html", body="<iframe src=http://127.0.0.1:9/consent></iframe>"
        ),
    )
    page.goto("http://localhost:9/bait")
    frame = page.frames[1]
    assert "Let it in" not in frame.content()


JUDGED: Final = (
    "short", "1234567", "password", " PassWord ", "iloveyou", "aaaaaaaa", "abcabcabc", "AaAaAaAa", "１２３４５６７８９",
    "Admit2026", "wen.li@example", "wenli-wenli", "example!", "Comfortable", "the admit of my dreams", "three words",
    "abcdefghijklmnopqrst", "three words here and more", "🔑🗝🚪🪟🧱🪜🧰🪛", "密码不要太短就可以了",
    "é" * 513, "x y" * 400,
)  # fmt: skip


def test_the_page_judges_a_new_password_as_the_server_does_and_sends_nothing(page: "Page", site: str) -> None:
    complaints = listen(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/view/account_password?lang=en")
    meter, field = page.locator("[data-strength]"), page.get_by_label("New password", exact=True)
    words = meter.locator("[aria-live=polite]")
    assert (words.text_content(), meter.get_attribute("data-level")) == ("", None)
    with page.expect_response("**/common.js"):
        field.focus()
    field.fill("password")
    meter.locator("xpath=self::*[@data-level='common']").wait_for()  # the list is read
    asked.clear()
    context = context_words("Admit", "Wen Li", "wen.li@example.com")
    for password in JUDGED:
        field.evaluate(
            "(input, text) => { input.value = text; input.dispatchEvent(new Event('input')) }", password
        )
        found = weakness(password, common=common_passwords(), context=context)
        level = meter.get_attribute("data-level")
        assert (level in ("fair", "good")) if found is None else (level == found.value), ascii(password)
        assert words.text_content() == meter.get_attribute(f"data-{level}")
        assert meter.locator(".strength-bar").is_visible()
    field.fill("abcdefghijklmnopqrst")
    assert meter.get_attribute("data-level") == "fair", "an alphabet is long and not good"
    field.fill("three words here and more")
    assert words.text_content() == "Strong."
    field.fill("")
    assert (words.text_content(), meter.get_attribute("data-level")) == ("", None)
    assert asked == [], "what is typed stays in the page"
    page.goto(f"{site}/view/sign_up?lang=en")
    page.get_by_label("Password", exact=True).fill("Cyrano1655")
    assert page.locator("[data-strength]").get_attribute("data-level") == "fair"
    page.get_by_label("Your name").fill("Cyrano B")
    assert page.locator("[data-strength]").get_attribute("data-level") == "context"
    assert complaints == []


def test_the_browser_of_the_tests_finds_no_name_outside_this_machine(page: "Page") -> None:
    from playwright.sync_api import Error

    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")
