"""`admit session`, `grant`, `client`, and `user sign-out`, `role`, `group`: what an operator ends from a shell."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from admit.cli import main
from admit.issuer import Settings
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, LiveIssuer, make_issuer
from tests.threats.whole import events

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]
BOUND = "within 30 s."
OFFLINE = "openid offline_access orders:own"


def inside(config: Path, work: Callable[[LiveIssuer], Awaitable[Any]]) -> Any:
    """What `work` finds at a running issuer with these settings, which stops again."""
    settings = Settings.load(config, environ={})

    async def run() -> Any:
        issuer = make_issuer(settings, Keyring.ensure(settings.keys_path))
        async with issuer.lifespan():
            try:
                return await work(issuer)
            finally:
                for one in issuer.open_browsers:
                    await one.aclose()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result(60)


@pytest.fixture
def held(config: Path) -> dict[str, Any]:
    """Ada in two browsers, with an online and an offline grant; Bo in one, with an online one."""

    async def work(issuer: LiveIssuer) -> dict[str, Any]:
        first, second, bo = issuer.browser(), issuer.browser(), issuer.browser()
        return {
            "online": (await first.tokens())["refresh_token"],
            "offline": (await second.tokens(ADA, "native", scope=OFFLINE))["refresh_token"],
            "bo": (await bo.tokens(BO))["refresh_token"],
        }

    found: dict[str, Any] = inside(config, work)
    return found


def alive(config: Path, held: dict[str, Any]) -> set[str]:
    """Which of those still get new tokens. The answer to the last use is given again for a while, so asking is free."""

    async def work(issuer: LiveIssuer) -> set[str]:
        clients = {"online": "spa", "offline": "native", "bo": "spa"}
        browser = issuer.browser()
        return {
            name for name, client in clients.items()
            if (await browser.refresh(held[name], client)).status_code == 200
        }  # fmt: skip

    found: set[str] = inside(config, work)
    return found


def listed(admit: Admit, *arguments: str) -> list[dict[str, Any]]:
    done = admit(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def told(config: Path, event: str) -> list[dict[str, Any]]:
    """The audit records of an event."""
    found: list[dict[str, Any]] = inside(config, events)
    return [record for record in found if record["event"] == event]


def test_sessions_are_listed_without_what_lets_in_and_one_is_ended(
    admit: Admit, config: Path, held: dict[str, Any]
) -> None:
    sessions = listed(admit, "session", "list", "Ada@example.com")
    assert len(sessions) == 2
    assert set(sessions[0]) == {"id", "user_agent", "ip", "created_at", "last_seen_at", "expires_at"}
    (online,) = (one for one in listed(admit, "grant", "list", "ada@example.com") if one["kind"] == "online")
    table = admit("session", "list", "ada@example.com")
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["ID", *(one["id"] for one in sessions)]
    assert table.stderr == "  next: admit session end ID\n"
    done = admit("session", "end", online["session"], "--reason", "lost laptop")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"Ended session {online['session']} and all that hung from it. APIs refuse its tokens {BOUND}\n"
    )
    assert [one["id"] for one in listed(admit, "session", "list", "ada@example.com")] != sessions
    assert alive(config, held) == {"offline", "bo"}
    (record,) = told(config, "session.ended")
    assert (record["actor"], record["detail"]["reason"]) == ("command line", "lost laptop")
    again = admit("session", "end", online["session"])
    assert (again.exit_code, again.stdout) == (3, "")
    assert again.stderr.startswith("admit: there is no such session, or it is over already.")


def test_grants_are_listed_by_user_or_client_and_one_is_ended(
    admit: Admit, config: Path, held: dict[str, Any]
) -> None:
    of_ada = listed(admit, "grant", "list", "ada@example.com")
    assert {(one["client"], one["kind"]) for one in of_ada} == {("spa", "online"), ("native", "offline")}
    of_spa = listed(admit, "grant", "list", "--client", "spa")
    assert len({one["user"] for one in of_spa}) == 2
    table = admit("grant", "list", "--client", "native").stdout.splitlines()
    assert table[0].split() == ["ID", "CLIENT", "USER", "KIND", "SCOPE", "SINCE", "USED"]
    assert "offline_access openid orders:own" in table[1]
    (offline,) = (one["id"] for one in of_ada if one["kind"] == "offline")
    answer = json.loads(admit("grant", "end", offline, "--json").stdout)
    assert answer == {"grant": offline, "ended": True, "refused_within": 30.0}
    assert alive(config, held) == {"online", "bo"}
    assert admit("grant", "end", offline).exit_code == 3
    assert admit("grant", "list", "--client", "native").stdout == "No live grants.\n"
    for arguments in ((), ("ada@example.com", "--client", "spa")):
        done = admit("grant", "list", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")


def test_signing_out_leaves_what_is_for_the_time_away_and_says_how_to_end_it(
    admit: Admit, config: Path, held: dict[str, Any]
) -> None:
    done = admit("user", "sign-out", "ada@example.com")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        f"Ended 2 sessions of ada@example.com. APIs refuse their tokens {BOUND} 1 offline grant left.\n"
    )
    assert done.stderr == "  next: admit user sign-out ada@example.com --everywhere\n"
    assert alive(config, held) == {"offline", "bo"}
    answer = json.loads(admit("user", "sign-out", "ada@example.com", "--everywhere", "--json").stdout)
    assert answer.pop("id").startswith("u_")
    assert answer == {
        "email": "ada@example.com", "sessions": 0, "grants": 1, "left": 0, "refused_within": 30.0,
    }  # fmt: skip
    assert alive(config, held) == {"bo"}
    nothing = admit("user", "sign-out", "ada@example.com", "--everywhere")
    assert nothing.stdout == "Ended 0 sessions and 0 offline grants of ada@example.com.\n"
    assert admit("session", "list", "ada@example.com").stdout == "ada@example.com is signed in nowhere.\n"


def test_a_disabling_ends_everything_and_says_how_soon(
    admit: Admit, config: Path, held: dict[str, Any]
) -> None:
    done = admit("user", "disable", "ada@example.com")
    assert done.stdout == (
        f"Disabled ada@example.com; ended 4 sessions and grants. APIs refuse their tokens {BOUND}\n"
    )
    assert alive(config, held) == {"bo"}


def test_all_of_a_client_ends_and_it_is_said_that_it_may_be_used_again(
    admit: Admit, config: Path, held: dict[str, Any]
) -> None:
    done = admit("client", "end", "spa")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        f"Ended 2 grants of spa. APIs refuse their tokens {BOUND} The client may be granted new ones.\n"
    )
    assert alive(config, held) == {"offline"}
    assert json.loads(admit("client", "end", "spa", "--json").stdout) == {
        "client": "spa", "ended": 0, "refused_within": 30.0,
    }  # fmt: skip
    (first, *_) = told(config, "client.grants_ended")
    assert (first["client_id"], first["actor"]) == ("spa", "command line")


@pytest.mark.parametrize("what", ["role", "group"])
def test_a_role_or_group_is_given_and_taken_with_what_must_end(
    admit: Admit, config: Path, held: dict[str, Any], what: str
) -> None:
    done = admit("user", what, "add", "ada@example.com", "night-shift")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(
        f'Gave ada@example.com the {what} "night-shift"; ended 3 sessions and grants.'
    )
    assert alive(config, held) == {"offline", "bo"}
    (ada,) = (one for one in listed(admit, "user", "list") if one["email"] == "ada@example.com")
    assert "night-shift" in ada[f"{what}s"]
    again = admit("user", what, "add", "ada@example.com", "night-shift")
    assert again.stdout == f'ada@example.com has the {what} "night-shift" already.\n'
    answer = json.loads(admit("user", what, "remove", "ada@example.com", "night-shift", "--json").stdout)
    assert answer == {
        "id": ada["id"], "email": "ada@example.com", what: "night-shift", "given": False, "changed": True,
        "ended": 1, "refused_within": 30.0,
    }  # fmt: skip
    assert alive(config, held) == {"bo"}
    gone = admit("user", what, "remove", "ada@example.com", "night-shift")
    assert (gone.exit_code, gone.stdout) == (0, f'ada@example.com has no {what} "night-shift".\n')
    odd = admit("user", what, "add", "ada@example.com", "line\nbreak")
    assert (odd.exit_code, odd.stdout, len(odd.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    "command",
    [
        ("session", "list", "nobody@example.com"),
        ("session", "end", "x" * 22),
        ("session", "end", "' OR 1=1 --"),
        ("grant", "list", "u_0000000000000000000000"),
        ("grant", "list", "--client", "nobody"),
        ("grant", "end", "x" * 22),
        ("client", "end", "nobody"),
        ("client", "end", "u_x"),
        ("user", "sign-out", "nobody@example.com"),
        ("user", "role", "add", "nobody@example.com", "admin"),
        ("user", "group", "remove", "nobody@example.com", "staff"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_not_there_is_one_line_and_exit_code_3(
    admit: Admit, command: tuple[str, ...], as_json: bool
) -> None:
    done = admit(*command, *(["--json"] if as_json else []))
    assert (done.exit_code, done.stdout) == (3, ""), done.output
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("admit: ")


def test_an_id_that_begins_with_a_hyphen_is_no_option(admit: Admit) -> None:
    for command in (("session", "end"), ("grant", "end")):
        for arguments in (("-" + "h" * 21,), ("--" + "x" * 20, "--json"), ("--json", "-" + "_" * 21)):
            done = admit(*command, *arguments)
            assert done.exit_code == 3, done.output
            assert "there is no such" in done.stderr
        assert admit(*command, "--colour").exit_code == 2


def test_the_bound_that_is_told_is_the_setting(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    monkeypatch.setenv("ADMIT_REVOCATION__MAX_STALENESS", "2m")
    done = CliRunner().invoke(main, ["client", "end", "spa", "--json"])
    assert json.loads(done.stdout)["refused_within"] == 120.0
