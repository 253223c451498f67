"""What passes between a page and an API for as long as the person is signed in: bodies, answers, messages."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, Self

from admit.client.exchange import Talk, arun, run
from admit.errors import CredentialError
from admit.fetch import AsyncFlow, Flow

NORMAL: Final = 1000


class Watch:
    """When a session was last seen to live, and how to look again: `look` raises where it is over."""

    def __init__(self, look: Callable[[], Talk[None]], clock: Callable[[], float], every: float) -> None:
        self._look = look
        self._clock = clock
        self._every = every
        self._seen_at = clock()

    def check(self) -> None:
        """Look again, if that is due. Raises what `look` raises."""
        if self._is_due():
            run(self._look())
            self._seen_at = self._clock()

    async def acheck(self) -> None:
        """`check` in the running event loop."""
        if self._is_due():
            await self.alook()

    async def alook(self) -> None:
        """Look, due or not."""
        await arun(self._look())
        self._seen_at = self._clock()

    def _is_due(self) -> bool:
        return not 0 <= self._clock() - self._seen_at < self._every


class Passing:
    """Octets as they come. Nothing is passed on later than the bound after the session ended.

    Iterated in a thread or in an event loop, as it was opened; closed in any case.

    Raises:
        SessionError: (while it is iterated) the session is over.
        FetchError: the API's answer broke off, or was silent for too long.
    """

    def __init__(self, flow: Flow | AsyncFlow, watch: Watch) -> None:
        self._flow = flow
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        assert isinstance(self._flow, Flow)
        chunk = next(self._flow.chunks)
        self._watch.check()
        return chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        assert isinstance(self._flow, AsyncFlow)
        chunk = await anext(self._flow.chunks)
        await self._watch.acheck()
        return chunk

    def close(self) -> None:
        """Let go of the API."""
        if isinstance(self._flow, Flow):
            self._flow.close()

    async def aclose(self) -> None:
        """Let go of the API, in an event loop."""
        if isinstance(self._flow, AsyncFlow):
            await self._flow.aclose()


@dataclass(frozen=True, slots=True)
class Closed:
    """One side of a WebSocket closed, RFC 6455 §7.1.5 and §7.1.6."""

    code: int = NORMAL
    reason: str = ""


class Browser(Protocol):
    """The page's half of a WebSocket, which a framework has."""

    async def receive(self) -> str | bytes | Closed: ...

    async def send(self, message: str | bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


class TooLargeError(CredentialError):
    """More was sent than the API takes, RFC 9110 §15.5.14."""

    code: ClassVar[str] = "too_large"
    status: ClassVar[int] = 413
    public: ClassVar[str] = "The request is too large."


def limited(
    upload: Iterable[bytes] | AsyncIterable[bytes], most: int
) -> Iterable[bytes] | AsyncIterable[bytes]:
    """An upload that breaks off where it outgrows its limit. Raises TooLargeError, when it is iterated."""
    return _alimited(upload, most) if isinstance(upload, AsyncIterable) else _limited(upload, most)


def check_size(size: int, most: int) -> None:
    """Raise TooLargeError for what outgrew its limit."""
    if size > most:
        raise TooLargeError(f"more than {most} octets")


def _limited(upload: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for piece in upload:
        size += len(piece)
        check_size(size, most)
        yield piece


async def _alimited(upload: AsyncIterable[bytes], most: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in upload:
        size += len(piece)
        check_size(size, most)
        yield piece
