"""Verifiers with wrong clocks, that start without their issuer, or that wake together; an issuer that was restored."""

import pytest

from tests.system.faults import clocks, restarts
from tests.system.faults.conftest import Lanes
from tests.system.faults.fault import BOUND, Fault
from tests.system.faults.lanes import cases, check, name_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize(("fault", "database"), cases(clocks.FAULTS + restarts.FAULTS), ids=name_of)
async def test_the_bound_holds_and_nobody_good_is_refused(lanes: Lanes, fault: Fault, database: str) -> None:
    check(fault, await lanes.round_of(fault, database))


STANDS = clocks.BootStands(
    "boot clock stands for longer than the bound",
    terms=clocks.FOUND_OUT, cut=True, shortest=2.8 * BOUND, longest=2.9 * BOUND,
)  # fmt: skip


@pytest.mark.threat("O-4", off_system="admit.verifier.follower_poll:is_overdue")
@pytest.mark.parametrize(("fault", "database"), cases([STANDS]), ids=name_of)
async def test_a_clock_that_stands_keeps_no_proof_for_ever(lanes: Lanes, fault: Fault, database: str) -> None:
    check(fault, await lanes.round_of(fault, database))
