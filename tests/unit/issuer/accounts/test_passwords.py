"""Argon2id in a bounded pool."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher as Argon2

from admit.errors import TooBusyError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.passwords import Match, PasswordHasher


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    made = PasswordHasher(threads=2, queue=4)
    yield made
    made.close()


async def test_the_right_password_matches_and_another_does_not(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(b"correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(stored, b"correct horse") is Match.YES
    assert await hasher.verify(stored, b"correct horsf") is Match.NO


async def test_passwords_equal_in_their_first_72_bytes_differ(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(b"x" * 99 + b"a")
    assert await hasher.verify(stored, b"x" * 99 + b"b") is Match.NO


async def test_a_hash_of_weaker_parameters_is_right_but_outdated(hasher: PasswordHasher) -> None:
    weak = Argon2(time_cost=1, memory_cost=64, parallelism=1).hash(b"correct horse")
    assert await hasher.verify(weak, b"correct horse") is Match.OUTDATED
    assert await hasher.verify(weak, b"wrong") is Match.NO


async def test_a_damaged_hash_is_nobodys(hasher: PasswordHasher) -> None:
    assert await hasher.verify("not a hash", b"anything") is Match.NO


@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.passwords:hash_to_check")
async def test_no_hash_costs_one_computation_and_never_matches(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    compare = passwords.compare

    def counted(stored: str, password: bytes) -> Match:
        seen.append(stored)
        return compare(stored, password)

    monkeypatch.setattr(passwords, "compare", counted)
    assert await hasher.verify(None, b"anything") is Match.NO
    assert len(seen) == 1
    assert seen[0].split("$")[:4] == (await hasher.hash(b"x")).split("$")[:4]


async def test_even_a_match_with_the_dummy_is_no_match(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "compare", lambda stored, password: Match.YES)
    assert await hasher.verify(None, b"anything") is Match.NO


class Gate:
    """Holds computations until it is opened, and counts how many run at once."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.lock = threading.Lock()
        self.running = self.most = self.done = 0

    def __call__(self, password: bytes) -> str:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.opened.wait(30)
        with self.lock:
            self.running -= 1
            self.done += 1
        return "hash"


@pytest.mark.threat("PWD-6", off="admit.issuer.accounts.passwords:PasswordHasher.take_place")
async def test_a_flood_is_refused_beyond_pool_and_queue(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(passwords, "compute", gate)
    tasks = [asyncio.create_task(hasher.hash(b"x")) for _ in range(500)]
    refused = 0
    started = time.perf_counter()
    try:
        for _ in range(10):
            await asyncio.sleep(0)
        refused = sum(task.done() and isinstance(task.exception(), TooBusyError) for task in tasks)
        assert time.perf_counter() - started < 5, "refusals wait for hashes"
    finally:
        gate.opened.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert refused == 500 - (2 + 4)
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == ["hash"] * 6
    assert gate.most <= 2
    assert await hasher.hash(b"x") == "hash", "places are given back"


async def test_a_caller_that_goes_away_gives_its_place_back_once_the_work_is_over(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(passwords, "compute", gate)
    tasks = [asyncio.create_task(hasher.hash(b"x")) for _ in range(6)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    gate.opened.set()
    outcomes = []
    deadline = time.monotonic() + 10
    while len(outcomes) < 6 and time.monotonic() < deadline:
        try:
            outcomes.append(await hasher.hash(b"x"))
        except TooBusyError:
            await asyncio.sleep(0.001)
    assert outcomes == ["hash"] * 6


def test_too_busy_is_a_503_with_a_time_to_come_back() -> None:
    assert TooBusyError.status == 503
    assert TooBusyError.retry_after > 0
