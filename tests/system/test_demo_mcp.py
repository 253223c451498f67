"""An MCP server beside the demo, and the SDK's own client as an assistant that Bo lets in, in Chromium."""

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import httpx2
import pytest

from tests.fixtures.demo import BO, PICTURES, ROOT, Demo
from tests.plugins.patience import patience, wait_until
from tests.system.foreign.person import Person
from tests.system.test_demo_pages import CHALLENGE, VERIFIER

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.soak
META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
OWN_ORDERS: Final = {"name": "my_orders", "arguments": {}, "_meta": META}
STATELESS: Final = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "my_orders",
}
EXAMPLE: Final = ROOT / "examples" / "mcp"


@pytest.fixture(scope="module")
def started() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The server's process, once there is one; ended with this module."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.wait()


@pytest.fixture
def server(demo: Demo, started: list["subprocess.Popen[bytes]"]) -> str:
    """The MCP server's address, served as the README says."""
    here = f"http://localhost:{demo.mcp_port}"
    if not started:
        command = [sys.executable, str(EXAMPLE / "server.py"), "--settings", str(demo.state / "mcp.json")]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    wait_until(lambda: answers(f"{here}/.well-known/oauth-protected-resource/mcp"), "the MCP server")
    return f"{here}/mcp"


def answers(address: str) -> bool:
    try:
        return httpx2.get(address).is_success
    except httpx2.ConnectError:
        return False


class Assistant:
    """`client.py` in its terminal, and Bo at the browser."""

    def __init__(self, page: "Page", demo: Demo, *arguments: str, refuses: bool = False) -> None:
        self.page, self.demo, self.refuses = page, demo, refuses
        self.said: list[str] = []
        self.consents = 0
        page.set_default_timeout(patience() * 1000)
        command = [sys.executable, str(EXAMPLE / "client.py"), "--print-url"]
        command += ["--settings", str(demo.state / "mcp.json"), *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    self.said.append(line.strip())
                    if line.startswith("open "):
                        self.let_in(line.removeprefix("open ").strip())
                self.code = process.wait()
            finally:
                process.kill()

    def let_in(self, address: str) -> None:
        """Sign in where that is asked, and say yes."""
        page = self.page
        page.goto(address)
        if page.locator("#password").count():
            page.locator("#email").fill(BO)
            page.locator("#password").fill(self.demo.secrets[BO])
            page.locator("button[type=submit]").click()
        go_back = page.get_by_role("link", name="Go back to the app")
        answer = page.get_by_role("button", name="Refuse" if self.refuses else "Let it in")
        go_back.or_(answer).wait_for()
        if go_back.count():  # a stranger's errors do not send people on by themselves
            go_back.click()
        else:
            self.consents += 1
            page.screenshot(path=PICTURES / f"mcp-consent-{self.consents}.png", full_page=True)
            answer.click()
        page.get_by_text("Go back to the terminal").wait_for()

    @property
    def told(self) -> str:
        return "\n".join(self.said)


def test_an_assistant_is_let_in_reads_orders_and_is_let_in_once_more_to_place_one(
    page: "Page", demo: Demo, server: str
) -> None:
    assistant = Assistant(page, demo, "--item", "A seat by MCP")
    assert assistant.code == 0, assistant.told
    assert "A seat by MCP: ordered" in assistant.said, assistant.told
    assert "Two tickets, row F" in assistant.told
    assert assistant.consents == 2
    scopes = [set(line.split()[3:]) for line in assistant.said if line.startswith("let in for: ")]
    assert [{"assistant:see", "assistant:order"} & one for one in scopes] == [
        {"assistant:see"},
        {"assistant:see", "assistant:order"},
    ]


@pytest.mark.rfc("7591", "3.1")
def test_an_assistant_that_nobody_knows_registers_itself_and_gets_what_it_registered_for(
    page: "Page", demo: Demo, server: str
) -> None:
    assistant = Assistant(page, demo, "--stranger", "--item", "A seat for a stranger")
    assert "Two tickets, row F" in assistant.told
    assert assistant.consents == 1
    assert assistant.code == 1
    assert assistant.said[-1] == "not let in: invalid_scope", assistant.told
    assert "A seat for a stranger" not in assistant.told


def test_an_assistant_that_is_refused_sees_nothing(page: "Page", demo: Demo, server: str) -> None:
    assistant = Assistant(page, demo, refuses=True)
    assert (assistant.code, assistant.said[-1]) == (1, "not let in: access_denied"), assistant.told
    assert "orders:" not in assistant.told


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.rfc("8707", "2.2")
def test_a_token_for_the_api_or_without_a_scope_opens_no_tool(demo: Demo, server: str) -> None:
    """Both are tokens of this issuer, for Bo."""
    with Person(demo.issuer, (BO, demo.secrets[BO], "Bo", ())) as bo:
        for client, scope, resource, status in (
            ("demo-native", "orders:own", demo.api, 401),
            ("demo-assistant", "assistant:order", server, 403),
            ("demo-assistant", "assistant:see", server, 200),
        ):
            answer = bo.post(
                server,
                json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": OWN_ORDERS},
                headers={
                    **STATELESS,
                    "authorization": f"Bearer {token_of(bo, demo, client, scope, resource)}",
                },
            )
            assert answer.status_code == status, answer.text
            challenge = answer.headers.get("www-authenticate", "")
            assert ("resource_metadata=" in challenge) == (status != 200)
            if status == 403:
                assert 'error="insufficient_scope"' in challenge
                assert 'scope="assistant:see"' in challenge
            assert ("Two tickets" in answer.text) == (status == 200)


def token_of(bo: Person, demo: Demo, client: str, scope: str, resource: str) -> str:
    """An access token that Bo lets this client have."""
    back = "http://127.0.0.1:1/callback"
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": back,
        "scope": scope,
        "resource": resource,
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    landed = bo.go(f"{demo.issuer}/authorize?{urlencode(asked)}", until=back)
    form = {
        "code": landed.answer["code"],
        "redirect_uri": back,
        "client_id": client,
        "code_verifier": VERIFIER,
    }
    got = bo.post(f"{demo.issuer}/token", data={"grant_type": "authorization_code", **form})
    return str(got.json()["access_token"])
