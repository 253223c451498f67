"""Whatever becomes of the issuer: nobody ended is let in past the bound, nobody good refused."""

import pytest

from tests.plugins.rounds import TIER
from tests.system.faults.conftest import Lanes
from tests.system.faults.fault import Fault
from tests.system.faults.issuers import FAULTS
from tests.system.faults.lanes import cases, check, name_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
# Each fault once; on both databases in a soak.
CASES = [
    (fault, database)
    for fault, database in cases(FAULTS)
    if TIER == "soak" or database == fault.databases[-1]
]


@pytest.mark.parametrize(("fault", "database"), CASES, ids=name_of)
async def test_the_bound_holds_and_nobody_good_is_refused(lanes: Lanes, fault: Fault, database: str) -> None:
    check(fault, await lanes.round_of(fault, database))
