"""All faults, and what a test asks of the rounds of one."""

from collections.abc import Iterable

from tests.system.faults import clocks, issuers, network, restarts
from tests.system.faults.fault import Fault
from tests.system.faults.journal import FORBIDDEN, Tally

ALL: tuple[Fault, ...] = (*network.FAULTS, *issuers.FAULTS, issuers.MILLION, *clocks.FAULTS, *restarts.FAULTS)


def cases(faults: Iterable[Fault]) -> list[tuple[Fault, str]]:
    """Each with each of its databases."""
    return [(fault, database) for fault in faults for database in fault.databases]


def name_of(part: object) -> str:
    """For the names of parametrised tests."""
    return part.name if isinstance(part, Fault) else str(part)


def check(fault: Fault, tally: Tally) -> None:
    """Nobody let in too late, nobody good refused; said in figures."""
    print(
        f"{fault.name}: {tally.rounds} rounds, {tally.ends} ends, {tally.accesses} accesses judged, "
        f"{tally.excused} of them 503 in an outage, worst delay {tally.worst:.2f} s, lag {tally.lag * 1000:.0f} ms"
    )
    assert tally.accesses > 0
    assert tally.ends > 0
    counts = {name: getattr(tally, name) for name in FORBIDDEN}
    assert not tally.broken, f"{fault.name}: {counts}: {tally.complaints[:8]}"
