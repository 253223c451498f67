"""`admit user reset-password`: a link to hand over, with mail or without."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.fixtures.issuer import ADA, LiveIssuer
from tests.threats.mailing import NEW, choose
from tests.threats.whole import events
from tests.unit.cli.test_ends import held, inside, told

__all__ = ["held"]  # a fixture

pytestmark = pytest.mark.slow
Admit = Callable[..., Result]


def path_of(link: str) -> str:
    return link.removeprefix("http://localhost:8410")


async def signs_in(issuer: LiveIssuer, password: str) -> bool:
    return (await issuer.browser().sign_in((ADA[0], password, ADA[2], ()))).status_code == 303


async def lives(issuer: LiveIssuer, held: dict[str, Any]) -> set[str]:
    clients = {"online": "spa", "offline": "native", "bo": "spa"}
    return {
        name for name, client in clients.items()
        if (await issuer.browser().refresh(held[name], client)).status_code == 200
    }  # fmt: skip


async def trail(issuer: LiveIssuer, event: str) -> list[dict[str, Any]]:
    return [one for one in await events(issuer) if one["event"] == event]


def test_a_link_that_was_handed_over_sets_a_password_once_where_no_mail_is_sent(
    admit: Admit, config: Path, held: dict[str, Any]
) -> None:
    done = admit("user", "reset-password", "Ada@example.com")
    assert (done.exit_code, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(
        r"Made a link for ada@example\.com, good once until .{16} UTC\. No mail was sent\.", first
    )
    link = second.removeprefix("Hand it over yourself, it is shown this once: ")
    assert re.fullmatch(r"http://localhost:8410/reset\?t=[\w-]{43}", link)

    async def use(issuer: LiveIssuer) -> None:
        assert (await issuer.browser().get("/forgot")).status_code == 404, "no mail is sent here"
        assert await signs_in(issuer, ADA[1]), "until it is used"
        assert await lives(issuer, held) == {"online", "offline", "bo"}
        used = await choose(issuer.browser(), path_of(link))
        assert (used.status_code, "Your new password is set" in used.text) == (200, True)
        again = await choose(issuer.browser(), path_of(link))
        assert again.status_code == 400
        assert "Ask the person who gave it to you for a new one" in again.text
        assert (await signs_in(issuer, ADA[1]), await signs_in(issuer, NEW)) == (False, True)
        assert await lives(issuer, held) == {"bo"}
        (asked,), (changed,) = await trail(issuer, "reset.asked"), await trail(issuer, "user.changed")
        assert (asked["actor"], asked["detail"]) == ("command line", {"link": "handed over"})
        assert (changed["detail"]["change"], changed["detail"]["by"]) == ("password", "handed link")

    inside(config, use)


def test_a_stolen_password_is_worth_nothing_at_once(admit: Admit, config: Path, held: dict[str, Any]) -> None:
    done = admit("user", "reset-password", ADA[0], "--stolen", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["email"], said["stolen"], said["refused_within"]) == (ADA[0], True, 30.0)
    assert said["ended"] == 4, "two sessions, two grants"

    async def use(issuer: LiveIssuer) -> None:
        (changed,) = await trail(issuer, "user.changed")
        assert changed["detail"] == {"change": "password taken away", "ended": 4}
        assert changed["actor"] == "command line"
        assert await lives(issuer, held) == {"bo"}
        assert not await signs_in(issuer, ADA[1])
        assert (await choose(issuer.browser(), path_of(said["link"]))).status_code == 200
        assert await signs_in(issuer, NEW)

    inside(config, use)


def test_who_is_disabled_or_unknown_gets_no_link(admit: Admit, config: Path) -> None:
    assert admit("user", "disable", ADA[0]).exit_code == 0
    refused = admit("user", "reset-password", ADA[0], "--stolen")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "admit user enable first" in refused.stderr
    assert admit("user", "reset-password", "nobody@example.com").exit_code == 3
    assert told(config, "reset.asked") == told(config, "user.changed") == []
