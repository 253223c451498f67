"""`admit explain`: a refusal's rule, clause and place, by its id."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from admit.cli.explain import clause_of, until_written
from admit.issuer import Issuer, Settings
from admit.issuer.audit.refusals import GATHERED
from tests.unit.issuer.audit.test_refusals import refusal

Admit = Callable[..., Result]
CONTROL = "\x1b[2J\r\nadmit: all is well"


@pytest.fixture
def kept(config: Path) -> None:
    """Two refusals in the database."""

    async def fill() -> None:
        issuer = Issuer(Settings.load(config, environ={}))
        async with issuer.opened():
            wrong = "redirect_uri is not registered"
            issuer.ring.tell(refusal(4, kind="UntrustedTargetError", detail=wrong))
            issuer.ring.tell(refusal(1))
            issuer.ring.tell(
                replace(
                    refusal(2), status=500, code="server_error", kind="RuntimeError", client_id=None,
                    detail="in mint, issuer/oauth/token/mint.py:80", trace_id="a1" * 16,
                )
            )  # fmt: skip
            issuer.ring.tell(refusal(3, detail=CONTROL, route=CONTROL))
            await issuer.ring.write()

    asyncio.run(fill())


@pytest.mark.usefixtures("kept")
def test_a_refusal_is_told_with_its_rule_and_clause(admit: Admit) -> None:
    done = admit("explain", refusal(1).request_id)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "400 invalid_grant",
        "  when     2027-01-15T08:00:01+00:00",
        "  request  POST /token",
        "  client   spa",
        "  from     192.0.2.1",
        "  rule     The code or refresh token is unknown, spent, expired or another client's, RFC 6749 §5.2.",
        "  detail   code is spent",
    ]


@pytest.mark.usefixtures("kept")
def test_a_refusal_that_a_setting_would_allow_names_it_and_another_does_not(admit: Admit) -> None:
    told = admit("explain", refusal(4).request_id).stdout
    assert "  setting  client.redirect_uris, client.localhost_redirects: what would allow it" in told
    assert json.loads(admit("explain", refusal(4).request_id, "--json").stdout)["refusals"][0]["settings"]
    assert "setting" not in admit("explain", refusal(1).request_id).stdout


@pytest.mark.usefixtures("kept")
def test_trouble_inside_is_told_with_its_place(admit: Admit) -> None:
    lines = admit("explain", refusal(2).request_id).stdout
    for told in ("500 server_error", "RuntimeError: trouble inside", "mint.py:80", "a1" * 16, "request_id"):
        assert told in lines


@pytest.mark.usefixtures("kept")
def test_json_says_the_same(admit: Admit) -> None:
    told = json.loads(admit("explain", refusal(1).request_id, "--json").stdout)
    assert told["audit"] == []
    assert told["refusals"][0]["rule"].endswith("RFC 6749 §5.2.")
    listed = json.loads(admit("explain", "--json", "--last", "2").stdout)
    assert [one["id"] for one in listed] == [refusal(3).request_id, refusal(2).request_id]


@pytest.mark.usefixtures("kept")
@pytest.mark.threat("INF-log", off="admit.cli.output:harmless")
def test_what_is_kept_cannot_steer_the_terminal(admit: Admit) -> None:
    for done in (admit("explain"), admit("explain", refusal(3).request_id)):
        assert "\x1b" not in done.stdout
        assert "\r" not in done.stdout
        assert not any(line.startswith("admit: all") for line in done.stdout.splitlines())


def test_the_audit_of_the_same_request_is_told_too(admit: Admit, config: Path) -> None:
    async def sign_up() -> str:
        issuer = Issuer(Settings.load(config, environ={}))
        async with issuer.opened():
            user = await issuer.services.accounts.find("ada@example.com")
            assert user is not None
            from admit.issuer.audit import AuditEvent, RequestInfo, record
            from admit.issuer.storage import bound_once

            info = RequestInfo(ip="192.0.2.1", request_id="ab" * 8)
            now = __import__("time").time()
            await issuer.db.run(
                bound_once,
                record(AuditEvent.LOGIN_FAILED, now=now, user_id=user.id, info=info, detail={"reason": "x"}),
            )
        return "ab" * 8

    done = admit("explain", asyncio.run(sign_up()))
    assert done.exit_code == 0, done.stderr
    assert "login.failed" in done.stdout


@pytest.fixture
def asked_again(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Awaitable[object]]]:
    """What happens while `admit explain` waits for the newest second to be written, instead of that second."""
    meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def wait() -> None:
        for one in meanwhile:
            await one()

    monkeypatch.setattr(sys.modules["admit.cli.explain"], "until_written", wait)
    return meanwhile


def test_what_is_written_only_now_is_told_to_who_asked_at_once(
    admit: Admit, config: Path, asked_again: list[Callable[[], Awaitable[object]]]
) -> None:
    async def write() -> None:
        issuer = Issuer(Settings.load(config, environ={}))
        async with issuer.opened():
            issuer.ring.tell(refusal(1))
            await issuer.ring.write()

    assert admit("explain", refusal(1).request_id).exit_code == 3
    asked_again.append(write)
    done = admit("explain", refusal(1).request_id)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("400 invalid_grant")


@pytest.mark.usefixtures("kept")
def test_what_is_written_already_is_told_without_a_wait(
    admit: Admit, asked_again: list[Callable[[], Awaitable[object]]]
) -> None:
    async def never() -> None:
        raise AssertionError("waited")

    asked_again.append(never)
    assert admit("explain", refusal(1).request_id).exit_code == 0


def test_the_wait_is_longer_than_refusals_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(until_written())
    assert [GATHERED < seconds <= GATHERED + 1 for seconds in slept] == [True]


@pytest.mark.usefixtures("asked_again")
@pytest.mark.parametrize("id", ["f" * 16, "../../etc", "F" * 16, "0123abcd", "x" * 5_000])
def test_what_is_not_there_is_told_without_repeating_it(admit: Admit, id: str) -> None:
    done = admit("explain", id)
    assert done.exit_code == 3
    assert id not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nothing_kept_is_no_error(admit: Admit) -> None:
    assert admit("explain").exit_code == 0


def test_each_error_of_ours_has_a_clause_and_others_have_none() -> None:
    assert "RFC 6750" in clause_of("InsufficientScopeError")
    assert "RFC 9110" in clause_of("MisdirectedError")
    assert clause_of("RuntimeError") == clause_of("Exception") == clause_of("") == ""


def test_a_wrong_secret_is_mended_where_the_client_is_kept(admit: Admit, config: Path) -> None:
    added = admit("client", "add", "nightly", "--name", "Nightly", "--redirect-uri", "https://n.example/cb")
    assert added.exit_code == 0, added.stderr

    async def fill() -> None:
        issuer = Issuer(Settings.load(config, environ={}))
        async with issuer.opened():
            for number, id in ((5, "nightly"), (6, "web"), (7, "gone")):
                wrong = refusal(number, kind="InvalidClientError", detail="wrong secret")
                issuer.ring.tell(replace(wrong, client_id=id))
            await issuer.ring.write()

    asyncio.run(fill())
    told = admit("explain", refusal(5).request_id).stdout
    assert "  command  admit client secret nightly: it gets a new secret" in told
    assert "setting" not in told
    (one,) = json.loads(admit("explain", refusal(5).request_id, "--json").stdout)["refusals"]
    assert (one["command"], one["settings"]) == ("admit client secret nightly", [])
    for number in (6, 7):
        told = admit("explain", refusal(number).request_id).stdout
        assert "client.secret_hashes" in told
        assert "admit client secret" not in told
