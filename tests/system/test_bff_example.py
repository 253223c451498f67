"""`examples/bff` beside the demo, in a browser: the page signs in, orders, signs out, and never sees a token."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.fixtures.demo import BO, Demo
from tests.plugins.patience import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.soak]
EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "bff"


@pytest.fixture
def application(demo: Demo, tmp_path: Path) -> Iterator[str]:
    """Started as its docstring says."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLE), "app:app"]
    with open(tmp_path / "bff.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(demo.web_port)],
            env={**os.environ, "BFF_SETTINGS": str(demo.state / "web.json")},
            stdout=log,
            stderr=log,
        )

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "bff.log").read_text("utf-8")
        with contextlib.suppress(OSError), urllib.request.urlopen(demo.web, timeout=5) as reply:
            return bool(reply.status == 200)
        return False

    wait_until(answers, "the application", pause=0.1)
    yield demo.web
    process.terminate()
    process.wait(10)
    for name in ("bff-sessions.db", "bff-sessions.db-wal", "bff-sessions.db-shm"):
        (demo.state / name).unlink(missing_ok=True)


def test_the_page_signs_in_orders_and_signs_out_and_has_no_token(
    page: "Page", demo: Demo, application: str
) -> None:
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(f"{answer.url} {answer.headers}"))
    page.on(
        "request", lambda request: seen.append(f"{request.url} {request.headers} {request.post_data or ''}")
    )
    page.goto(application)
    page.get_by_text("Nobody is signed in.").wait_for()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Email").fill(BO)
    page.get_by_label("Password", exact=True).fill(demo.secrets[BO])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Let it in").click()
    page.get_by_text("Signed in as Bo").wait_for()
    page.get_by_role("button", name="Place an order").click()
    page.get_by_text("A ticket stub, framed").first.wait_for()
    here = [
        cookie for cookie in page.context.cookies(application) if cookie["name"].startswith("admit-dev-app-")
    ]
    assert [cookie["httpOnly"] for cookie in here] == [True]
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"
    assert page.evaluate("fetch('/change', {method: 'POST'}).then(answer => answer.status)") == 403
    assert not [line for line in seen if "Bearer ey" in line or "access_token" in line]
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("Nobody is signed in.").wait_for()
    page.goto(application)
    page.get_by_text("Nobody is signed in.").wait_for()
