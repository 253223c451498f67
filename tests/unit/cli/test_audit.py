"""`admit audit`: the trail, as an operator asks for it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from admit.issuer.audit import AuditEvent, record
from admit.issuer.storage import Steps
from tests.fixtures.issuer import ADA, BO, LiveIssuer
from tests.unit.cli.test_ends import inside

pytestmark = pytest.mark.slow
Admit = Callable[..., Result]
CONTROL = "\x1b[2J\r\nadmit: all is well"


@pytest.fixture
def done(config: Path) -> dict[str, str]:
    """Ada and Bo signed in, Ada's browser got tokens for `spa`, and somebody failed as Ada; ids by address."""

    async def work(issuer: LiveIssuer) -> dict[str, str]:
        await issuer.browser().tokens()
        await issuer.browser().sign_in(BO)
        await issuer.browser().sign_in((ADA[0], "wrong", ADA[2], ()))
        users = [await issuer.services.accounts.find(one[0]) for one in (ADA, BO)]
        return {one.email: one.id for one in users if one is not None}

    found: dict[str, str] = inside(config, work)
    return found


def listed(admit: Admit, *arguments: str) -> list[dict[str, Any]]:
    said = admit("audit", *arguments, "--json")
    assert said.exit_code == 0, said.stderr
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def test_the_newest_is_told_first_and_each_choice_leaves_the_others_out(
    admit: Admit, done: dict[str, str]
) -> None:
    everything = listed(admit)
    assert [one["at"] for one in everything] == sorted((one["at"] for one in everything), reverse=True)
    assert {one["event"] for one in everything} >= {"login.succeeded", "login.failed", "code.issued"}
    assert {one["user_id"] for one in everything} == {None, *done.values()}, "keys are nobody's"
    bos = listed(admit, "BO@example.com")
    assert [one["event"] for one in bos] == ["login.succeeded", "user.added"]
    assert {one["user_id"] for one in bos} == {done[BO[0]]}
    assert listed(admit, done[BO[0]]) == bos
    (failed,) = listed(admit, "--event", "login.failed")
    assert (failed["outcome"], failed["user_id"], failed["ip"]) == ("refused", done[ADA[0]], "127.0.0.1")
    spa = listed(admit, "--client", "spa")
    assert {one["client_id"] for one in spa} == {"spa"}
    assert 0 < len(spa) < len(everything)
    assert listed(admit, ADA[0], "--event", "login.failed", "--client", "spa") == []
    assert listed(admit, "--last", "2") == everything[:2]


def test_people_read_a_table_with_addresses_and_what_operators_did(
    admit: Admit, done: dict[str, str]
) -> None:
    assert admit("user", "disable", BO[0]).exit_code == 0
    said = admit("audit", "--last", "1")
    heads, row = said.stdout.splitlines()
    assert heads.split() == ["WHEN", "EVENT", "OUTCOME", "USER", "CLIENT", "BY", "FROM", "DETAIL"]
    cells = re.split(r"  +", row)
    assert cells[1:] == ["user.disabled", "done", BO[0], "-", "command line", "-", "ended: 1"]


def test_who_was_removed_is_found_by_id_and_no_wrong_name_is_guessed(
    admit: Admit, done: dict[str, str]
) -> None:
    assert admit("user", "remove", BO[0], "--yes").exit_code == 0
    assert [one["event"] for one in listed(admit, done[BO[0]])] == [
        "user.removed",
        "login.succeeded",
        "user.added",
    ]
    assert all(one["ip"] is None for one in listed(admit, done[BO[0]]))
    assert admit("audit", BO[0]).exit_code == 3
    assert admit("audit", "--event", "no.such").exit_code == 2
    assert admit("audit", "--since", "soon").exit_code == 2


@pytest.mark.threat("INF-log", off="admit.cli.output:harmless")
def test_what_a_stranger_wrote_long_ago_is_found_if_asked_for_and_no_command_to_the_terminal(
    admit: Admit, config: Path, done: dict[str, str]
) -> None:
    async def work(issuer: LiveIssuer) -> None:
        def write() -> Steps[None]:
            at = issuer.clock.now - 20 * 86_400
            yield record(AuditEvent.CLIENT_REFUSED, now=at, detail={"reason": CONTROL})

        await issuer.db.run(write)

    inside(config, work)
    shown = admit("audit", "--event", "client.refused").stdout
    assert len(shown.splitlines()) == 2
    assert "\x1b" not in shown
    assert listed(admit, "--event", "client.refused", "--since", "5d") == []
    none = admit("audit", "--event", "client.refused", "--since", "5d")
    assert (none.exit_code, none.stdout) == (0, "No such record in the last 5d.\n")
