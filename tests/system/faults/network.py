"""Faults between verifiers and issuer: whatever a network, a proxy or a sick server in the middle can do."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from admit.verifier.boottime import boottime
from tests.system.faults.fault import BOUND, POLL, Fault
from tests.system.faults.proxy import http, reset_answer
from tests.system.faults.rig import Rig

POLLED = POLL + 0.75
"""Where polls get through, an end is known after the present pause and one round of asking, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Network(Fault):
    """Something in the middle misbehaves from a random moment on, for a random time, while sessions are ended."""

    shortest: float = 0.3
    longest: float = 1.8 * BOUND
    ends_within: float | None = None

    async def break_(self, rig: Rig, rng: Random) -> bool:
        """Misbehave. Whether polls still get through: then not one 503 is excused."""
        raise AssertionError("a fault says what it does")

    async def run(self, rig: Rig, rng: Random) -> None:
        await asyncio.sleep(rng.uniform(0, POLL))
        lasts = rng.uniform(self.shortest, self.longest)
        within = lasts + 0.3 if self.ends_within is None else self.ends_within
        began = boottime()
        ending = asyncio.create_task(rig.end_at_random(rng, within))
        polled = await self.break_(rig, rng)
        await asyncio.sleep(lasts)
        await rig.proxy.heal()
        if not polled:
            rig.outage(began)
        await ending


class Cut(Network):
    """Every connection is reset, and each new one too; or nobody listens at all."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        if rng.random() < 0.5:
            rig.proxy.cut()
        else:
            await rig.proxy.refuse()
        return False


class Held(Network):
    """The proxy holds every byte, then goes on as if nothing had been."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        rig.proxy.pause()
        return False


class HalfOpen(Network):
    """Connections are accepted and requests read, but nothing ever comes back."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        rig.proxy.swallow()
        return False


class Slow(Network):
    """Answers drip, at a rate at which a poll still passes, or never does."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        rate = rng.choice([40, 300, 1_000, 30_000])
        rig.proxy.slow(rate)
        return rate > 10_000


class Garbage(Network):
    """Bytes that are no HTTP, HTTP that says nothing, answers to something else."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        answers = garbage(rng)
        rig.proxy.answer(lambda path: rng.choice(answers))
        rig.proxy.cut_now()
        return False


class Empty(Network):
    """Connections that end before an answer, and answers without a body."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        answers = [
            b"",
            http(b""),
            b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        ]
        rig.proxy.answer(lambda path: rng.choice(answers))
        rig.proxy.cut_now()
        return False


class Huge(Network):
    """Answers far larger than any could be."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        answers = huge()
        rig.proxy.answer(lambda path: rng.choice(answers))
        rig.proxy.cut_now()
        return False


@dataclass(frozen=True, slots=True)
class Older(Network):
    """A list, or a head and a list, of before: signed by the issuer, true once."""

    heads: bool | None = None

    async def break_(self, rig: Rig, rng: Random) -> bool:
        heads = rng.random() < 0.5 if self.heads is None else self.heads
        paths = ["/status/0", "/status/head"] if heads else ["/status/0"]
        kept = {path: await rig.fetch(path) for path in paths}
        rig.proxy.answer(lambda path: reset_answer(kept[path]) if path in kept else None)
        return False


class Resets(Network):
    """All connections of the moment are reset, or hang for good, again and again; new ones are good each time."""

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, BOUND))
        for _ in range(rng.randint(1, 3)):
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            rig.proxy.cut_now()
        await ending


class StreamCut(Network):
    """The stream is reset, or nothing comes on it any more without a word, while polls go on."""

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, 0.8 * BOUND))
        for _ in range(rng.randint(1, 3)):
            await asyncio.sleep(rng.uniform(0, 0.5))
            if rng.random() < 0.5:
                rig.proxy.cut_now(streams=True)
            else:
                rig.proxy.silence(streams=True)
        await ending


class Buffering(Network):
    """A proxy that gives out an answer when it is over, or when it has 64 KB of it: no stream passes, polls do."""

    async def break_(self, rig: Rig, rng: Random) -> bool:
        rig.proxy.buffer(rng.choice([4_096, 65_536]))
        if rng.random() < 0.5:
            rig.proxy.cut_now(streams=True)  # so that the stream begins behind it
        return True


def garbage(rng: Random) -> Sequence[bytes]:
    """Answers that nobody can make sense of."""
    noise = rng.randbytes(2_000)
    return [
        noise,
        http(noise),
        http(b"{}"),
        http(b"null"),
        http(b'{"keys": []}'),
        http(b"<html>Sign in to this network</html>", kind="text/html"),
        http(b"", status="500 Internal Server Error"),
        http(b"", status="429 Too Many Requests\r\nretry-after: 3600"),
        http(b"", status="302 Found\r\nlocation: http://127.0.0.1:9/"),
        http(b"eyJhbGciOiJub25lIn0.e30.", kind="application/admit-status-head+jwt"),
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" + noise,
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: 9.9\nevent: end\ndata: [[0,\n\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: [[0,-5],[7,99999999]]\n\n" + noise,
    ]


def huge() -> Sequence[bytes]:
    """Answers that must not be read to their end."""
    body = os.urandom(1 << 16) * 64
    return [
        http(body),
        b"HTTP/1.1 200 OK\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\n" + b"x-padding: " + b"a" * 200_000 + b"\r\n\r\n",
        http(b'{"keys":[' + b"1," * 1_000_000 + b"1]}"),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: " + body,
    ]


FAULTS: tuple[Fault, ...] = (
    Cut("cut off"),
    Held("a proxy that holds everything"),
    HalfOpen("half-open connections"),
    Slow("slow answers"),
    Garbage("garbage"),
    Empty("empty answers"),
    Huge("huge answers"),
    Older("an older list, an older head"),
    Resets("connections reset"),
    StreamCut("stream cut without a word", within=POLLED),
    Buffering("a buffering proxy", within=POLLED),
)
