"""What came of one attack, and the list of all attacks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from scripts.attack.wire import Answer

if TYPE_CHECKING:
    from scripts.attack.world import World


class Verdict(Enum):
    """`NOT_TRIED`: something that the attack needs is not there, so that a refusal would prove nothing."""

    REFUSED = "refused"
    ACCEPTED = "ACCEPTED"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, and in a few words what was answered."""

    verdict: Verdict
    answered: str


class NotTriedError(Exception):
    """What the attack needs is not there; the message says what, or how to give it."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One line of the table: the ledger's row, what is tried in plain words, and the trying."""

    row: str
    tried: str
    run: "Callable[[World], Outcome]"


ATTACKS: list[Attack] = []
"""In the order in which they are tried: what ends sessions comes last."""


def attack(row: str, tried: str) -> "Callable[[Callable[[World], Outcome]], Callable[[World], Outcome]]":
    """Put a function on the list."""

    def put(run: "Callable[[World], Outcome]") -> "Callable[[World], Outcome]":
        ATTACKS.append(Attack(row, tried, run))
        return run

    return put


def refused(answered: str) -> Outcome:
    """The defence held."""
    return Outcome(Verdict.REFUSED, answered)


def accepted(answered: str) -> Outcome:
    """The attack went through."""
    return Outcome(Verdict.ACCEPTED, answered)


def several(told: Iterable[str]) -> str:
    """The first few of them, and how many more."""
    first, rest = (listed := list(dict.fromkeys(told)))[:4], len(listed) - 4
    return "; ".join(first) + (f"; and {rest} more" if rest > 0 else "")


def all_refused(
    answers: Iterable[tuple[str, Answer]], *, lets_in: Callable[[Answer], bool] = lambda answer: answer.ok
) -> Outcome:
    """Refused when every answer is: else it names which variants were let in."""
    told = list(answers)
    let_in = [f"{name}: {answer.said}" for name, answer in told if lets_in(answer)]
    if let_in:
        return accepted(several(let_in))
    return refused(", ".join(dict.fromkeys(answer.said for _, answer in told)))
