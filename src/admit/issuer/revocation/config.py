"""What can be set about revocation."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationConfig:
    """Raises ConfigError where a duration cannot work.

    None of these touches the promise to verifiers: a head is read from the database for each request.
    """

    poll: timedelta = timedelta(milliseconds=200)  # how often a process looks for ends of other processes
    list_max_age: timedelta = timedelta(minutes=5)  # `ttl` of a list; after it the list is signed anew
    list_lifetime: timedelta = timedelta(hours=1)  # `exp` of a list, for verifiers that go by the draft alone
    change_log: timedelta = timedelta(hours=1)  # how long the order of ends is kept
    node_kept: timedelta = timedelta(days=1)  # how long the row of a family that is over stays
    list_check: timedelta = timedelta(seconds=10)  # how often it is seen to that a spare list is there
    most_streams: int = 1_000  # of one process, on half its descriptors; above it 503, and verifiers poll
    most_streams_each: int = 64  # one address may open so many of them, and more only while half are free
    stream_life: timedelta = timedelta(
        minutes=10
    )  # at most; then a stream is closed and begun anew elsewhere
    # What the verifiers of this deployment are set to. They keep the bound; pages and commands only tell it.
    max_staleness: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        for name in (
            "poll",
            "list_max_age",
            "list_lifetime",
            "change_log",
            "node_kept",
            "list_check",
            "stream_life",
        ):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"revocation.{name} must be positive")
        if self.poll > timedelta(seconds=5):
            raise ConfigError(
                "revocation.poll must be at most 5s: the in-process verifier is as fresh as this"
            )
        if not timedelta(seconds=1) <= self.max_staleness <= timedelta(minutes=15):
            raise ConfigError("revocation.max_staleness must be from 1s to 15m, as it is for verifiers")
        if self.most_streams < 0:
            raise ConfigError("revocation.most_streams must not be negative; 0 takes no streams")
        if self.most_streams_each < 1:
            raise ConfigError("revocation.most_streams_each must be at least 1")
        if self.list_lifetime < 2 * self.list_max_age:
            raise ConfigError("revocation.list_lifetime must be at least twice revocation.list_max_age")
