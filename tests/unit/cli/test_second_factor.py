"""`admit user reset-second-factor`: for who has lost every app and code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.fixtures.issuer import ADA, LiveIssuer
from tests.fixtures.second_factor import with_app
from tests.unit.cli.test_ends import inside, told

pytestmark = pytest.mark.slow


def test_a_reset_takes_the_factor_away_ends_all_and_is_told(
    admit: Callable[..., Result], config: Path
) -> None:
    async def enrol(issuer: LiveIssuer) -> None:
        await issuer.browser().tokens()
        await with_app(issuer)

    inside(config, enrol)
    done = admit("user", "reset-second-factor", "Ada@example.com")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "Reset the second factor of ada@example.com; ended 0 sessions and grants.\n"
    (record,) = told(config, "factors.reset")
    assert (record["actor"], record["detail"]) == ("command line", {"factors": 1, "ended": 0})
    again = admit("user", "reset-second-factor", ADA[0], "--json")
    assert json.loads(again.stdout)["reset"] is False
    assert admit("user", "reset-second-factor", "nobody@example.com").exit_code != 0

    async def enters(issuer: LiveIssuer) -> str:
        return (await issuer.browser().sign_in()).headers["location"]

    assert inside(config, enters) == "/account"
