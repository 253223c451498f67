"""Argon2id in a bounded pool."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher as Argon2

from admit.errors import ConfigError, TooBusyError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.passwords import Match, PasswordHasher
from admit.issuer.accounts.pool import NICENESS, BoundedPool
from tests.plugins.patience import patience

pytestmark = pytest.mark.real_hash


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
        assert self.opened.wait(2 * patience())
        with self.lock:
            self.running -= 1
            self.done += 1
        return "hash"


@pytest.mark.threat("PWD-6", off="admit.issuer.accounts.pool:BoundedPool.is_full")
async def test_a_flood_is_refused_beyond_pool_and_queue(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(passwords, "compute", gate)
    tasks = [asyncio.create_task(hasher.hash(b"x")) for _ in range(500)]
    refused = 0
    try:
        for _ in range(10):
            await asyncio.sleep(0)
        refused = sum(task.done() and isinstance(task.exception(), TooBusyError) for task in tasks)
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
    outcomes: list[str] = []
    deadline = time.monotonic() + patience()
    while len(outcomes) < 6 and time.monotonic() < deadline:
        try:
            outcomes.append(await hasher.hash(b"x"))
        except TooBusyError:
            await asyncio.sleep(0.001)
    assert outcomes == ["hash"] * 6


def test_too_busy_is_a_503_with_a_time_to_come_back() -> None:
    assert TooBusyError.status == 503
    assert TooBusyError.retry_after > 0


async def held(hasher: PasswordHasher, *wishes: tuple[str, bool]) -> list["asyncio.Task[str]"]:
    """Hashes that were asked for one after another, each by a network, from a device that is known or not."""
    tasks = []
    for network, known in wishes:
        tasks.append(asyncio.create_task(hasher.hash(b"x", network=network, known=known)))
        await asyncio.sleep(0)
    return tasks


@pytest.mark.threat("PWD-6", off="admit.issuer.accounts.lines:Lines.give_way")
async def test_one_network_cannot_fill_the_queue(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(passwords, "compute", gate)
    flood = await held(hasher, *[("flooder", False)] * 20)
    others = await held(hasher, ("other", False), ("another", False), ("owner", True))
    gate.opened.set()
    assert await asyncio.gather(*others) == ["hash"] * 3
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    assert outcomes.count("hash") == 6 - 3, "those who waited longest keep their places"
    assert sum(isinstance(outcome, TooBusyError) for outcome in outcomes) == 20 - 3
    assert outcomes[0] == "hash"


async def test_who_has_waited_too_long_is_told_and_never_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(passwords, "compute", gate)
    hasher = PasswordHasher(threads=1, queue=4, patience=0.02)
    try:
        first, *waiting = await held(hasher, *[("n", False)] * 3)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TooBusyError] * 2
    finally:
        gate.opened.set()
    assert await first == "hash", "what runs is let run"
    assert await hasher.hash(b"x") == "hash"
    hasher.close()
    assert gate.done == 2


async def test_new_hashes_have_the_parameters_that_are_set(hasher: PasswordHasher) -> None:
    config = AccountsConfig(hash_memory=12_288, hash_passes=3)
    other = PasswordHasher.of(config)
    stored = await other.hash(b"correct horse")
    assert stored.startswith("$argon2id$v=19$m=12288,t=3,p=1$")
    assert await other.verify(stored, b"correct horse") is Match.YES
    assert await other.verify(await hasher.hash(b"correct horse"), b"correct horse") is Match.OUTDATED
    assert await hasher.verify(stored, b"correct horse") is Match.OUTDATED
    assert await other.verify(None, b"correct horse") is Match.NO
    other.close()


@pytest.mark.parametrize(
    ("memory", "passes"), [(47_104, 1), (19_456, 2), (12_288, 3), (65_536, 3), (7_168, 5)]
)
def test_parameters_of_owasp_and_stronger_ones_are_taken(memory: int, passes: int) -> None:
    assert AccountsConfig(hash_memory=memory, hash_passes=passes).hash_memory == memory


@pytest.mark.parametrize(
    ("memory", "passes"),
    [(19_455, 2), (19_456, 1), (47_103, 1), (7_167, 50), (1, 64), (2**21, 2), (19_456, 65)],
)
def test_weaker_parameters_and_mistaken_ones_are_refused(memory: int, passes: int) -> None:
    with pytest.raises(ConfigError, match="hash_memory"):
        AccountsConfig(hash_memory=memory, hash_passes=passes)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has a priority for each thread")
async def test_who_hashes_lets_who_answers_go_first() -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    pool = BoundedPool(threads=1, queue=0, patience=5.0, name="test")
    before = nice()
    assert await pool.run(nice) == min(19, max(before, NICENESS))
    assert nice() == before
    pool.close()
