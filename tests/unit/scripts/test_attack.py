"""The attack script sees what it looks for: on an issuer without defences every attack goes through."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from scripts.attack import __main__ as command
from scripts.attack.outcome import ATTACKS, Attack, Outcome, Verdict
from scripts.attack.run import run
from scripts.attack.tries import browsers, ends, tokens
from scripts.attack.world import Given
from scripts.docs import ledger
from tests.fixtures.processes import free_port
from tests.fixtures.weak_issuer import KEY, Weak, weak_issuer


@pytest.fixture(scope="module")
def weak() -> Iterator[Weak]:
    with weak_issuer() as up:
        yield up


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is never refused is not waited for, and the weak issuer's key is had without its settings."""
    monkeypatch.setattr(ends, "BOUND", 0.2)
    monkeypatch.setattr(browsers, "CHANGING", browsers.CHANGING[:2])
    monkeypatch.setattr(tokens, "_keys", lambda config: {KEY.kid: KEY})


def whole(weak: Weak) -> Given:
    return Given(
        issuer=weak.url, api=f"{weak.url}/orders", client_id="app", redirect_uri="http://localhost:8411/cb",
        other_client="other", config="settings",
    )  # fmt: skip


def test_every_attack_goes_through_where_its_defence_is_missing(weak: Weak) -> None:
    missed = [(a.row, a.tried, o) for a, o in run(whole(weak)) if o.verdict is not Verdict.ACCEPTED]
    assert missed == []


def test_the_table_says_so_and_the_exit_code_is_1(
    weak: Weak, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["--row", "WEB-csrf", "--row", "SES-2", "--row", "6819-4.4.1.9"]
    monkeypatch.setattr("sys.argv", ["attack", weak.url, *rows])
    assert command.main() == 1
    said = capsys.readouterr().out
    assert "SES-2             ACCEPTED   cookies that a script" in said
    assert "→ sid lacks httponly, samesite, path" in said
    assert said.rstrip().endswith("8 attacks on 3 rows of the ledger. 0 refused, 8 accepted, 0 not tried.")
    assert "\x1b" not in said, "no colour in a pipe"

    monkeypatch.setattr("sys.argv", ["attack", weak.url, "--json", "--row", "SES-2"])
    assert command.main() == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in told["attacks"]] == ["accepted"]


def test_what_cannot_be_tried_is_neither_refused_nor_accepted(
    weak: Weak, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["attack", weak.url, "--row", "JWT-alg-none", "--row", "9700-redirect"])
    assert command.main() == 2, "nothing was tried, so nothing is shown to hold"
    said = capsys.readouterr().out
    assert "needs --client and --redirect-uri" in said
    assert "0 refused, 0 accepted, 2 not tried" in said


def test_an_issuer_that_lets_nobody_in_passes_no_attack_that_needs_somebody(weak: Weak) -> None:
    given = Given(
        issuer=weak.url, email="nobody@example.com", password="wrong", client_id="a", redirect_uri="b"
    )
    for attack, outcome in run(given, {"SES-1", "O-1", "9700-redirect", "ADM-route"}):
        assert outcome.verdict is not Verdict.REFUSED, attack.tried


def test_an_issuer_that_is_away_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["attack", f"http://127.0.0.1:{free_port()}"])
    assert command.main() == 2
    assert "nobody answers" in capsys.readouterr().err


def test_every_line_names_a_row_of_the_ledger_and_there_are_enough_of_them() -> None:
    rows = {attack.row for attack in ATTACKS}
    assert rows <= ledger().keys()
    assert len(rows) >= 30


def test_what_an_answer_holds_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report = command.Report("http://localhost")
    report.line((Attack("SES-1", "x", lambda world: None), Outcome(Verdict.ACCEPTED, "\x1b[2Jcleared")))  # type: ignore[arg-type,return-value]  # never run
    with contextlib.suppress(SystemExit):
        report.end()
    assert "\x1b" not in capsys.readouterr().out
