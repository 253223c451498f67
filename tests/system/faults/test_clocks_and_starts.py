"""Verifiers with wrong clocks, that start without their issuer, or that wake together; an issuer that was restored."""

import pytest

from tests.system.faults import clocks, restarts
from tests.system.faults.conftest import Lanes
from tests.system.faults.fault import Fault
from tests.system.faults.lanes import cases, check, name_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize(("fault", "database"), cases(clocks.FAULTS + restarts.FAULTS), ids=name_of)
async def test_the_bound_holds_and_nobody_good_is_refused(lanes: Lanes, fault: Fault, database: str) -> None:
    check(fault, await lanes.round_of(fault, database))
