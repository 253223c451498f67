"""What was acknowledged, what callers then saw, and whether the two agree. Pure: no clock, no I/O.

All times are seconds by the machine's boot clock. An end counts from the moment its acknowledgement arrived; an access
is dated by the last look at that clock that its decision made, or by its return where it made none. So nothing is
allowed for: one access later than the bound is one too many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from math import inf

OK = "ok"
REVOKED = "revoked"
STALE = "stale"
KEYS = "keys"
UNAVAILABLE = (STALE, KEYS)


@dataclass(slots=True)
class Fact:
    """One token. It is good from `minted`; from `asked` on it may be refused, from `ended` on it has to be in time.

    `asked` without `ended` is an end whose outcome nobody told: both answers are right from then on.
    """

    minted: float
    asked: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Accesses by one token at one verifier, one after the other, that all had the same verdict."""

    verifier: str
    token: int
    verdict: str
    first: float
    last: float
    count: int


class Held(Enum):
    """What verifiers held when an outage began."""

    PROOF = "proof"
    """A proof up to a poll old, by which they go on until the bound."""
    DOUBT = "doubt"
    """A proof that a clock made worthless."""
    NOTHING = "nothing"
    """Nothing at all: whoever lets anybody in does so without any proof."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which no proof could be had, `verifiers` being those it was for (none: all)."""

    began: float
    ended: float
    verifiers: frozenset[str] = frozenset()
    held: Held = Held.PROOF

    def concerns(self, verifier: str) -> bool:
        """Whether it was for this one."""
        return not self.verifiers or verifier in self.verifiers


@dataclass(frozen=True, slots=True)
class Terms:
    """`bound` and `poll` of the verifiers. `round` is what one question and its answers may take, `recover` the time
    after an outage by which a verifier has asked again. `over` is how much the bound may be passed (0 but for clocks
    that are broken)."""

    bound: float
    poll: float
    round: float
    recover: float
    over: float = 0.0


@dataclass(slots=True)
class Tally:
    """What was counted. `late`, `slow`, `again`, `refused`, `other` and `unsettled` have to be 0.

    `late`: let in beyond the bound after an acknowledged end; `slow`: beyond a narrower one that the fault leaves.
    `again`: let in after the same verifier had refused it as revoked. `refused`: valid, yet 503 though a proof could be
    had. `other`: valid, yet 401, or any unexpected answer. `unsettled`: some verifier did not come to the right answers
    by itself. `excused` are 503 of outages that lasted. `delays` are the seconds from an end to the last access let in
    after it, one for each verifier and token. `lag` is how late the machine woke a thread at worst.
    """

    rounds: int = 0
    ends: int = 0
    unknown: int = 0
    accesses: int = 0
    late: int = 0
    slow: int = 0
    again: int = 0
    refused: int = 0
    other: int = 0
    unsettled: int = 0
    excused: int = 0
    lag: float = 0.0
    delays: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def add(self, more: "Tally") -> None:
        """Count these too."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(more, name))
        self.lag = max(self.lag, more.lag)
        self.delays += more.delays
        self.complaints += more.complaints

    @property
    def worst(self) -> float:
        """The longest time that an ended token still got in."""
        return max(self.delays, default=0.0)

    @property
    def broken(self) -> int:
        """Answers that the promise does not allow."""
        return sum(getattr(self, name) for name in FORBIDDEN)


FORBIDDEN = ("late", "slow", "again", "refused", "other", "unsettled")
COUNTS = ("rounds", "ends", "unknown", "accesses", "excused", *FORBIDDEN)


def judge(
    facts: Mapping[int, Fact],
    runs: Sequence[Run],
    outages: Sequence[Outage],
    terms: Terms,
    within: float | None = None,
    lag: float = 0.0,
    restarts: Sequence[float] = (),
) -> Tally:
    """Reconcile every access with what was acknowledged.

    `within` is a bound that is narrower than the promised one. `lag` is how late the machine woke a thread at worst; it
    is allowed for where a verifier needs processor time to get a proof, and nowhere else. At `restarts` verifiers began
    anew, with a state of before or with none: the bound is all that holds over these.
    """
    terms = replace(terms, round=terms.round + 3 * lag, recover=terms.recover + 3 * lag)
    within = None if within is None else within + 3 * lag
    tally = Tally(
        ends=sum(fact.ended is not None for fact in facts.values()),
        lag=lag,
        unknown=sum(fact.asked is not None and fact.ended is None for fact in facts.values()),
        accesses=sum(run.count for run in runs),
    )
    refused_at: dict[tuple[str, int], float] = {}
    blind = [outage for outage in outages if outage.held is Held.NOTHING]
    for run in sorted(runs, key=lambda run: run.first):
        fact, key = facts[run.token], (run.verifier, run.token)
        if run.verdict == OK:
            _judge_blind(tally, run, blind)
            before = refused_at.get(key)
            if before is not None and any(before < at < run.first for at in restarts):
                before = None
            _judge_let_in(tally, run, fact, terms, within, before)
        elif run.verdict in UNAVAILABLE:
            _judge_unavailable(tally, run, fact, outages, terms)
        elif is_refusal(run.verdict) and fact.asked is not None:
            if run.verdict == REVOKED:
                refused_at.setdefault(key, run.first)
            _judge_valid(tally, run, fact.asked)
        else:
            tally.other += run.count
            tally.complaints.append(f"{run.verdict} for {_kind(fact)}: {run}")
    return tally


def is_refusal(verdict: str) -> bool:
    """Whether a caller is told to sign in again."""
    return verdict == REVOKED or verdict.startswith("401 ")


def _judge_blind(tally: Tally, run: Run, outages: Sequence[Outage]) -> None:
    for outage in outages:
        count = share(run, outage.began, outage.ended) if outage.concerns(run.verifier) else 0
        tally.late += count
        if count:
            tally.complaints.append(f"let in without any proof: {run}")


def _judge_let_in(
    tally: Tally, run: Run, fact: Fact, terms: Terms, within: float | None, refused_at: float | None
) -> None:
    if refused_at is not None:
        tally.again += run.count
        tally.complaints.append(f"let in again, {run.first - refused_at:.3f} s after it was refused: {run}")
    if fact.ended is None or run.last < fact.ended:
        return
    tally.delays.append(run.last - fact.ended)
    late = beyond(run, fact.ended + terms.bound + terms.over)
    slow = 0 if within is None or late else beyond(run, fact.ended + within)
    tally.late += late
    tally.slow += slow
    if late or slow:
        tally.complaints.append(f"let in {run.last - fact.ended:.3f} s after its end: {run}")


def _judge_valid(tally: Tally, run: Run, asked: float) -> None:
    """Nobody may be refused before somebody asked for it."""
    early = share(run, -inf, asked)
    if early:
        tally.other += early
        tally.complaints.append(f"refused {asked - run.first:.3f} s before it was ended: {run}")


def _judge_unavailable(tally: Tally, run: Run, fact: Fact, outages: Sequence[Outage], terms: Terms) -> None:
    """503 is right for nobody while a proof can be had; for a token that was ended it does no harm."""
    last = run.last if fact.asked is None else min(run.last, fact.asked)
    if last < run.first:
        return
    mine = [outage for outage in outages if outage.concerns(run.verifier)]
    excused = any(_covers(outage, run.first, last, terms) for outage in mine)
    count = share(run, run.first, last)
    if excused:
        tally.excused += count
        return
    tally.refused += count
    near = ", ".join(f"{run.first - one.began:+.3f}..{last - one.ended:+.3f}" for one in mine) or "none"
    tally.complaints.append(f"503 for {_kind(fact)}, outages {near}: {run}")


def _covers(outage: Outage, first: float, last: float, terms: Terms) -> bool:
    """Whether 503 from `first` to `last` is the outage's: what was held when it began was up to a poll old."""
    spared = terms.bound - terms.poll - terms.round if outage.held is Held.PROOF else 0.0
    return outage.began + spared <= first and last <= outage.ended + terms.recover


def beyond(run: Run, until: float) -> int:
    """About how many of a run's accesses came after this."""
    return share(run, until, inf) if run.last > until else 0


def share(run: Run, after: float, until: float) -> int:
    """About how many of a run's accesses lie between the two times; at least one where any does."""
    begin, end = max(run.first, after), min(run.last, until)
    if begin > end:
        return 0
    if run.last == run.first:
        return run.count
    return max(1, round(run.count * (end - begin) / (run.last - run.first)))


def _kind(fact: Fact) -> str:
    return "a valid token" if fact.asked is None else "an ended token"
