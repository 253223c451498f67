"""Conversations with a server: written once, as generators, and driven by a thread or by an event loop.

A conversation yields what it wants done (`Ask` a server, `Open` an answer that goes on, `Do` something that may block,
`Pause`) and is sent the outcome, or has the error thrown in. It holds no socket, lock or loop of its own.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, cast

from admit.fetch import AsyncFlow, Fetcher, Flow, Response

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. `repeat`: it may be sent once more when an idle connection turned out to be closed."""

    fetcher: Fetcher = field(repr=False)
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS, repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_bytes: int | None = None
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """One request whose body and answer are passed on as they come: by a thread `Iterable`s, by a loop the others."""

    fetcher: Fetcher = field(repr=False)
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS, repr=False)
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] | None = field(default=None, repr=False)
    timeout: timedelta
    silence: timedelta
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Shut:
    """Let go of an answer that was opened."""

    flow: Flow | AsyncFlow


@dataclass(frozen=True, slots=True)
class Do:
    """A call that may block, such as one of a store. In an event loop it is made by a thread."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for a moment, in seconds."""

    seconds: float


Effect: TypeAlias = Ask | Open | Shut | Do | Pause
Talk: TypeAlias = Generator[Effect, Any, T]


def ask(request: Ask) -> Talk[Response]:
    """Ask a server. Raises FetchError, inside the conversation."""
    answer: Response = yield request
    return answer


def open_flow(request: Open) -> Talk[Flow | AsyncFlow]:
    """Ask for an answer that goes on: a `Flow` in a thread, an `AsyncFlow` in a loop. Raises FetchError inside."""
    answer: Flow | AsyncFlow = yield request
    return answer


def shut(flow: Flow | AsyncFlow) -> Talk[None]:
    """Let go of an answer that was opened."""
    yield Shut(flow)


def do(call: Callable[[], T]) -> Talk[T]:
    """Make a call that may block."""
    outcome: T = yield Do(call)
    return outcome


def run(talk: Talk[T]) -> T:
    """Drive a conversation in this thread."""
    try:
        effect = next(talk)
        while True:
            try:
                outcome = _perform(effect)
            except Exception as error:
                effect = talk.throw(error)
            else:
                effect = talk.send(outcome)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        talk.close()


async def arun(talk: Talk[T]) -> T:
    """Drive a conversation in the running event loop."""
    try:
        effect = next(talk)
        while True:
            try:
                outcome = await _aperform(effect)
            except Exception as error:
                effect = talk.throw(error)
            else:
                effect = talk.send(outcome)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        talk.close()


def _perform(effect: Effect) -> Any:
    match effect:
        case Ask():
            return effect.fetcher.request(
                effect.method,
                effect.url,
                effect.headers,
                effect.body,
                max_bytes=effect.max_bytes,
                repeat=effect.repeat,
            )
        case Open():
            return effect.fetcher.open(
                effect.method,
                effect.url,
                effect.headers,
                cast("bytes | Iterable[bytes] | None", effect.body),
                timeout=effect.timeout,
                silence=effect.silence,
                repeat=effect.repeat,
            )
        case Shut():
            assert isinstance(effect.flow, Flow)
            return effect.flow.close()
        case Do():
            return effect.call()
        case Pause():
            time.sleep(effect.seconds)
            return None


async def _aperform(effect: Effect) -> Any:
    match effect:
        case Ask():
            return await effect.fetcher.arequest(
                effect.method,
                effect.url,
                effect.headers,
                effect.body,
                max_bytes=effect.max_bytes,
                repeat=effect.repeat,
            )
        case Open():
            return await effect.fetcher.aopen(
                effect.method,
                effect.url,
                effect.headers,
                cast("bytes | AsyncIterable[bytes] | None", effect.body),
                timeout=effect.timeout,
                silence=effect.silence,
                repeat=effect.repeat,
            )
        case Shut():
            assert isinstance(effect.flow, AsyncFlow)
            return await effect.flow.aclose()
        case Do():
            return await asyncio.to_thread(effect.call)
        case Pause():
            await asyncio.sleep(effect.seconds)
            return None
