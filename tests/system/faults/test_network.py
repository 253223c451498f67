"""Whatever the network to the issuer does: nobody ended is let in past the bound, nobody good refused."""

import pytest

from tests.system.faults.conftest import Lanes
from tests.system.faults.fault import BOUND, Fault
from tests.system.faults.lanes import cases, check, name_of
from tests.system.faults.network import FAULTS, HalfOpen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize(("fault", "database"), cases(FAULTS), ids=name_of)
async def test_the_bound_holds_and_nobody_good_is_refused(lanes: Lanes, fault: Fault, database: str) -> None:
    check(fault, await lanes.round_of(fault, database))


LONG = HalfOpen("half-open for longer than the bound", shortest=1.9 * BOUND, longest=2 * BOUND)


@pytest.mark.threat("O-4", off_system="admit.verifier.freshness:check_current")
@pytest.mark.parametrize(("fault", "database"), cases([LONG]), ids=name_of)
async def test_a_verifier_that_learns_nothing_for_longer_than_the_bound_lets_nobody_in(
    lanes: Lanes, fault: Fault, database: str
) -> None:
    tally = await lanes.round_of(fault, database)
    check(fault, tally)
    assert tally.excused > 0
