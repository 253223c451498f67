"""Asking for the head, round by round, until what is held is proved; and the record of how that went."""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial

from admit.errors import AdmitError, KeyNotFoundError, StaleRevocationError
from admit.fetch import Response
from admit.tokens.status_signature import MAX_SIZE as MAX_STATUS
from admit.verifier import freshness, status
from admit.verifier.counters import Following, note
from admit.verifier.episodes import Episode
from admit.verifier.follower_keys import IssuerKeys, told
from admit.verifier.holding import Holding

_QUICK_ROUNDS = 3


class Outcome(Enum):
    """How asking ended."""

    PROVED = "proved"
    MOVING = "moving"  # lists change faster than they are fetched: ask again soon
    FAILED = "failed"


class Polling:
    """Asks one issuer what was ended. Used by one thread at a time.

    `proof` is the last head that made the state fresh; `error` the code of the last failure that no success has
    followed. `monotonic` stands beside the boot clock, in case that one stands still.
    """

    def __init__(
        self,
        holding: Holding,
        keys: IssuerKeys,
        *,
        issuer: str,
        bound: float,
        get: Callable[..., Response],
        boottime: Callable[[], float],
        monotonic: Callable[[], float],
        renew_keys: Callable[[], bool],
        counters: Following,
        episode: Episode,
    ) -> None:
        self._holding = holding
        self._keys = keys
        self._issuer = issuer
        self._bound = bound
        self._get: Callable[[str, Mapping[str, str]], Response] = partial(get, max_bytes=MAX_STATUS)
        self._boottime = boottime
        self._monotonic = monotonic
        self._renew_keys = renew_keys
        self._counters = counters
        self._episode = episode
        self._began: float | None = None
        self._proved_at: float | None = None
        self.proof: status.Proof | None = None
        self.error: str | None = None

    def ask(self) -> Outcome:
        """Ask now. Raises nothing of ours: a failure is the outcome, and its code is noted."""
        began = self._monotonic()
        self._counters.polls += 1
        outcome = self._rounds()
        if outcome is Outcome.PROVED:
            self._counters.polls_proved += 1
            self._proved_at = began
        elif self._proved_at is not None and is_overdue(self._monotonic() - self._proved_at, self._bound):
            # A boot clock that stands still would call the state fresh for ever.
            self._holding.change_held(freshness.distrust)
        self._look_at_age()
        return outcome

    def _look_at_age(self) -> None:
        boot = self._boottime()
        if self._began is None:
            self._began = boot
        at = self._holding.snapshot.held.fresh_at
        self._episode.tell(boot - (self._began if at is None else at), self._bound)

    def _rounds(self) -> Outcome:
        """Up to three: lists that changed between the head and their fetch are asked for again."""
        head_url: str | None = None
        for turn in range(_QUICK_ROUNDS):
            keys = self._holding.snapshot.keys
            if keys is None:
                note(self._counters.polls_failed, "keys_unavailable")
                return Outcome.FAILED  # no head could be verified
            try:
                head_url = head_url or self._keys.head_url()
            except AdmitError as error:
                return self._failed(error)
            result = status.ask(
                self._holding,
                issuer=self._issuer,
                head_url=head_url,
                keys=keys.status,
                get=self._get,
                boottime=self._boottime,
                again=turn > 0,
                counters=self._counters,
            )
            if result.proof is not None:
                self.error, self.proof = None, result.proof
                return Outcome.PROVED
            if result.trouble is not None:
                if isinstance(result.trouble, KeyNotFoundError) and self._renew_keys():
                    continue  # a head signed by an unknown status key: the keys were new
                return self._failed(result.trouble)
            if self._holding.snapshot.held.went_back:
                return self._failed(
                    StaleRevocationError("its database went back in time: raise the epoch there")
                )
        return Outcome.MOVING

    def _failed(self, error: AdmitError) -> Outcome:
        self.error = told("revocations", error, self.error)
        note(self._counters.polls_failed, error.code)
        return Outcome.FAILED


def is_overdue(since: float, bound: float) -> bool:
    """Whether the last proof is older than the bound by a clock that does go on."""
    return since > bound
