"""INF-log: what strangers write in any field makes one record at most, and ends no line of a log or a header."""

import io
import json
import logging
from collections.abc import Iterator

import httpx2
import pytest

from admit.cli import logs
from tests.fixtures.issuer import LiveIssuer, field_of, pkce, request_of

pytestmark = pytest.mark.anyio

FORGED = '\r\n{"event":"login.ok","level":"info"}\r\n\x1b[2J\u2028\x00'


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a running issuer would write, all levels, access lines too."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter(as_json=request.param == "json"))
    root, level = logging.getLogger("admit"), logging.getLogger("admit").level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("json", marks=pytest.mark.threat("INF-log")),
        pytest.param("text", marks=pytest.mark.threat("INF-log", off="admit.cli.logs:one_line")),
    ],
    indirect=True,
)
async def test_a_forged_line_in_any_field_is_no_line(
    issuer: LiveIssuer, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = issuer.browser()
    request = {**request_of("spa"), "code_challenge": pkce()[1]}
    page = await browser.get("/login")
    csrf = field_of(page.text, "csrf")
    answers: list[httpx2.Response] = []
    for name in request:
        answers.append(await browser.get("/authorize", params={**request, name: FORGED}))
    answers.append(
        await browser.get("/authorize", params={**request, "ui_locales": FORGED, "login_hint": FORGED})
    )
    for name in ("email", "password", "csrf", "i", "next"):
        form = {"email": "a@example.com", "password": "x" * 20, "csrf": csrf, name: FORGED}
        answers.append(await browser.post("/login", data=form, headers={"origin": browser.origin}))
    for name in ("grant_type", "code", "client_id", "code_verifier", "redirect_uri", "refresh_token"):
        answers.append(await browser.post("/token", data={"grant_type": "authorization_code", name: FORGED}))
    for header in (
        "user-agent",
        "referer",
        "traceparent",
        "x-forwarded-for",
        "accept-language",
        "x-request-id",
    ):
        value = FORGED.replace("\r\n", "\t").encode()
        answers.append(await browser.get("/nothing", headers=[(header.encode(), value)]))
    answers.append(await browser.get("/%0d%0a%7b%22event%22%3a%22login.ok%22%7d"))
    answers.append(await browser.post("/token", content=FORGED.encode() * 10))

    async def fault(*args: object, **kwargs: object) -> object:
        raise RuntimeError(FORGED)

    with monkeypatch.context() as patch:
        patch.setattr(issuer.services.accounts, "try_password", fault)
        form = {"email": "a@example.com", "password": "x" * 20, "csrf": csrf}
        answers.append(await browser.post("/login", data=form, headers={"origin": browser.origin}))
    for answer in answers:
        for _, value in answer.headers.raw:
            assert not {b"\r", b"\n", b"\x00", b"\x1b"} & {bytes([octet]) for octet in value}
        assert "\x1b[2J" not in answer.headers.get("location", "")
    text = written.getvalue()
    assert "\x1b[2J" not in text
    assert text
    for line in text.splitlines():
        assert not line.lstrip().startswith('{"event":"login.ok"'), line
        if line.startswith("{"):
            assert json.loads(line)["event"] != "login.ok"
