"""Second factors in a real browser, from the first app to the recovery code: without script, by labels and keyboard."""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, LiveIssuer, add_people, make_issuer, settings_for
from tests.fixtures.second_factor import Phone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def served(sqlite_url: str, keyring: Keyring) -> Iterator[LiveIssuer]:
    """An issuer on a port of its own, in another thread, with a clock to turn."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listening.getsockname()[1]}"
    issuer = make_issuer(settings_for(sqlite_url, issuer=address, client=(), resource=()), keyring)
    server = uvicorn.Server(uvicorn.Config(issuer.asgi, log_level="warning", lifespan="off"))
    ready = threading.Event()

    async def serve() -> None:
        async with issuer.lifespan():
            await add_people(issuer)
            ready.set()
            await server.serve(sockets=[listening])

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield issuer
    server.should_exit = True
    thread.join(20)
    with contextlib.suppress(OSError):
        listening.close()


def sign_in(page: "Page", address: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Email").fill(ADA[0])
    page.get_by_label("Password", exact=True).fill(ADA[1])
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.soak
def test_from_the_first_app_to_a_recovery_code_without_script(
    chromium: "Browser", served: LiveIssuer, tmp_path: Path
) -> None:
    address, clock = served.settings.issuer, served.clock
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    sign_in(page, address)
    page.goto(f"{address}/account/second-factor")
    page.get_by_role("button", name="Add an authenticator app").click()
    shown = page.locator(".secret").inner_text()
    assert re.fullmatch(r"([A-Z2-7]{4} ?){8}", shown)
    assert page.get_by_role("img", name="QR code").bounding_box()
    phone = Phone(shown.replace(" ", ""), None)  # type: ignore[arg-type]  # whose it is does not matter here
    page.get_by_label("Code", exact=True).fill(phone.code(clock.now))
    page.get_by_label("Name of the app").fill("Phone")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Keep your recovery codes").wait_for()
    codes = page.locator("#codes code").all_inner_texts()
    assert len(set(codes)) == 10
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text() == "\n".join(codes) + "\n"
    assert download.value.suggested_filename == "recovery-codes.txt"
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_text("10 left").wait_for()
    # Again, with the app: pasted with a blank, as apps show it.
    context.clear_cookies()
    clock.advance(60)
    sign_in(page, address)
    field = page.get_by_label("Code", exact=True)
    assert (field.get_attribute("autocomplete"), field.get_attribute("inputmode")) == (
        "one-time-code",
        "numeric",
    )
    assert field.evaluate("e => e === document.activeElement")
    code = phone.code(clock.now)
    page.keyboard.type(f"{code[:3]} {code[3:]}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/account*")
    # Again, without it.
    context.clear_cookies()
    sign_in(page, address)
    page.get_by_role("link", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(codes[4].lower())
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/account*")
    page.goto(f"{address}/account/second-factor")
    page.get_by_text("9 left").wait_for()
    # With script the new codes can be copied; the policy of the page blocks nothing of it.
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with_script = chromium.new_context(
        storage_state=context.storage_state(),
        permissions=["clipboard-read", "clipboard-write"],
        locale="en-GB",
    ).new_page()
    complaints: list[str] = []
    with_script.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    with_script.goto(f"{address}/account/second-factor")
    with_script.get_by_role("button", name="Make new codes").click()
    with_script.get_by_role("button", name="Copy").click()
    with_script.get_by_role("button", name="Copied").wait_for()
    made = with_script.locator("#codes code").all_inner_texts()
    assert with_script.evaluate("navigator.clipboard.readText()") == "\n".join(made) + "\n"
    with_script.get_by_role("button", name="Print").wait_for()
    assert complaints == []
    with_script.context.close()
    context.close()
