"""Whatever the network to the issuer does: nobody ended is let in past the bound, nobody good refused."""

import pytest

from tests.system.faults.conftest import Lanes
from tests.system.faults.fault import BOUND, Fault
from tests.system.faults.lanes import cases, check, name_of
from tests.system.faults.network import FAULTS, HalfOpen, Older

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize(("fault", "database"), cases(FAULTS), ids=name_of)
async def test_the_bound_holds_and_nobody_good_is_refused(lanes: Lanes, fault: Fault, database: str) -> None:
    check(fault, await lanes.round_of(fault, database))


SHORTEST, LONGEST, SOON = 1.9 * BOUND, 2 * BOUND, 0.3
HALF_OPEN = HalfOpen(
    "half-open for longer than the bound", shortest=SHORTEST, longest=LONGEST, ends_within=SOON
)
OLDER_LISTS = Older(
    "older lists for longer than the bound",
    shortest=SHORTEST, longest=LONGEST, ends_within=SOON, heads=False,
)  # fmt: skip
OLDER_HEADS = Older(
    "older heads for longer than the bound",
    shortest=SHORTEST, longest=LONGEST, ends_within=SOON, heads=True,
)  # fmt: skip


@pytest.mark.threat("O-4", off_system="admit.verifier.freshness:check_current")
@pytest.mark.parametrize(("fault", "database"), cases([HALF_OPEN]), ids=name_of)
async def test_a_verifier_that_learns_nothing_for_longer_than_the_bound_lets_nobody_in(
    lanes: Lanes, fault: Fault, database: str
) -> None:
    tally = await lanes.round_of(fault, database)
    check(fault, tally)
    assert tally.excused > 0


@pytest.mark.threat("O-3", off_system="admit.verifier.freshness:is_complete")
@pytest.mark.parametrize(("fault", "database"), cases([OLDER_LISTS]), ids=name_of)
async def test_a_list_of_before_proves_nothing_however_true_it_was_once(
    lanes: Lanes, fault: Fault, database: str
) -> None:
    check(fault, await lanes.round_of(fault, database))


@pytest.mark.threat("O-3", off_system="admit.tokens.status_head:check_nonce")
@pytest.mark.parametrize(("fault", "database"), cases([OLDER_HEADS]), ids=name_of)
async def test_a_head_of_before_is_no_answer_to_the_question_of_now(
    lanes: Lanes, fault: Fault, database: str
) -> None:
    check(fault, await lanes.round_of(fault, database))
