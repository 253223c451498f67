"""`scripts.conformance` writes settings that an issuer takes, and tells modules that failed from those that may."""

import json
from pathlib import Path

import httpx2
import pytest

from admit.issuer import Settings
from admit.issuer.clients.records import Profile
from scripts import conformance
from scripts.conformance import BACKCHANNEL, BASIC, FORM, KNOWN, VARIANTS, configuration, is_bad

SUITE = "https://suite.example"
PAGE = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text("utf-8")


def test_the_settings_are_taken_and_only_one_client_is_told_of_logouts(tmp_path: Path) -> None:
    file = tmp_path / "admit.toml"
    file.write_text('issuer = "https://id.example"\n' + conformance.settings(SUITE), "utf-8")
    settings = Settings.load(file, environ={})
    assert {one.profile for one in settings.client} == {settings.registration.profile} == {Profile.OIDC}
    assert {one.require_pkce for one in settings.client} == {False}
    assert [one.id for one in settings.client if one.backchannel_logout_uri] == ["conformance-logout"]
    assert {one.redirect_uris for one in settings.client} == {(f"{SUITE}/test/a/admit/callback",)}
    assert not settings.registration.open


def test_each_plan_has_its_clients_and_the_page_names_it() -> None:
    for plan in VARIANTS:
        assert f"`{plan}`" in PAGE
        told = configuration(plan, "https://id.example", "ada@example.com", "a password", None)
        assert told["client"]["client_id"] == f"conformance-{'logout' if plan == BACKCHANNEL else 'one'}"
        assert "initial_access_token" not in json.dumps(told)
        told = configuration(plan, "https://id.example", "ada@example.com", "a password", "r_1")
        assert {
            told[name]["initial_access_token"] for name in ("client", "client2", "client_secret_post")
        } == {"r_1"}


def test_what_failed_is_bad_but_for_what_the_page_tells() -> None:
    assert [is_bad(BASIC, "static_client", "any", end) for end in ("PASSED", "REVIEW", "SKIPPED")] == [
        False
    ] * 3
    assert [is_bad(BASIC, "static_client", "any", end) for end in ("FAILED", "INTERRUPTED", "STUCK")] == [
        True
    ] * 3
    for plan, registration, module in KNOWN:
        assert module in PAGE
        assert not is_bad(plan, registration, module, "INTERRUPTED")
        assert is_bad(plan, "static_client", module, "INTERRUPTED")
    assert {plan for plan, _, _ in KNOWN} == {FORM}


def answers(request: httpx2.Request) -> httpx2.Response:
    """A suite of two modules, the second of which fails."""
    path = request.url.path.removeprefix("/api/")
    if path == "plan":
        assert json.loads(request.url.params["variant"])["client_registration"] == "static_client"
        return httpx2.Response(201, json={"id": "p", "modules": [{"testModule": "a"}, {"testModule": "b"}]})
    if path == "runner":
        return httpx2.Response(201, json={"id": request.url.params["test"]})
    if path.startswith("log/"):
        return httpx2.Response(
            200, json=[{"result": "FAILURE", "src": "Check", "msg": "why"}] * path.endswith("b")
        )
    return httpx2.Response(
        200, json={"status": "FINISHED", "result": "FAILED" if path.endswith("b") else "PASSED"}
    )


def test_a_run_says_what_came_of_each_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        conformance, "client_of",
        lambda base, ca_file: httpx2.Client(base_url=base, transport=httpx2.MockTransport(answers)),
    )  # fmt: skip
    words = ["run", "--issuer", "https://id.example", "--password", "a password", "--plan", BASIC]
    assert conformance.main(words) == 1
    told = capsys.readouterr().out
    assert "PASSED      a\n" in told
    assert "FAILED      b\n    FAILURE: Check: why\n" in told
    with pytest.raises(SystemExit):
        conformance.main([*words, "--registration", "dynamic_client"])
