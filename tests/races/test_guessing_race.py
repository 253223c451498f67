"""Guesses at once at two nodes: what is hashed never passes the budget, whatever goes right between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from admit.errors import ThrottledError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.passwords import Match, PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo
from tests.fixtures.people import NOW, Parts
from tests.fixtures.storage import OpenAgain

pytestmark = pytest.mark.slow
Rounds = Callable[..., range]

RIGHT = "correct horse battery"


@pytest.fixture
async def nodes(open_again: OpenAgain) -> AsyncIterator[list[Accounts]]:
    made, hashers = [], []
    for _ in range(2):
        parts = await Parts.on(await open_again())
        hashers.append(PasswordHasher(queue=400))
        config = AccountsConfig(tries_per_network=1_000)
        made.append(Accounts(parts.db, parts.lists, hashers[-1], config))
    yield made
    for hasher in hashers:
        hasher.close()


@pytest.mark.threat("PWD-4", off="admit.issuer.throttle.budgets.store:draw")
@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.throttle.budgets.store:draw")
@pytest.mark.parametrize("right", [1, 20])
async def test_of_many_guesses_at_two_nodes_ten_wrong_ones_are_hashed(
    nodes: list[Accounts],
    right: int,
    rng: Random,
    rounds: Rounds,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = 2 * at_once
    for count in rounds(test=5, soak=100):
        email = f"alice{count}@example.com"
        user = await nodes[0].add(email=email, name="Alice", password=RIGHT, info=RequestInfo(), now=NOW)
        hashed: list[bytes] = []

        def compare(stored: str, password: bytes, hashed: list[bytes] = hashed) -> Match:
            hashed.append(password)
            return Match.YES if password == RIGHT.encode() else Match.NO

        with monkeypatch.context() as patched:
            patched.setattr(passwords, "compare", compare)
            typed = [RIGHT] * right + [f"guess {number}" for number in range(many - right)]
            rng.shuffle(typed)

            async def one(number: int, password: str, email: str = email) -> User | ThrottledError | None:
                info = RequestInfo(ip=f"198.51.100.{number}")
                try:
                    return await nodes[number % 2].check_password(
                        email=email, password=password, info=info, now=NOW
                    )
                except ThrottledError as error:
                    return error

            outcomes = await asyncio.gather(*(one(*each) for each in enumerate(typed)))
        wrong = [password for password in hashed if password != RIGHT.encode()]
        assert len(wrong) <= 10
        assert len(wrong) == outcomes.count(None)
        assert sum(isinstance(outcome, ThrottledError) for outcome in outcomes) == many - len(hashed)
        assert {outcome.id for outcome in outcomes if isinstance(outcome, User)} <= {user.id}


async def test_right_passwords_at_once_leave_the_budget_whole(
    nodes: list[Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(stored: str, password: bytes) -> Match:
        return Match.YES if password == RIGHT.encode() else Match.NO

    monkeypatch.setattr(passwords, "compare", compare)
    await nodes[0].add(email="bo@example.com", name="Bo", password=RIGHT, info=RequestInfo(), now=NOW)
    info = RequestInfo(ip="192.0.2.1")

    async def sign_in(number: int) -> User | None:
        return await nodes[number % 2].check_password(
            email="bo@example.com", password=RIGHT, info=info, now=NOW
        )

    for _ in range(2):
        assert all(await asyncio.gather(*map(sign_in, range(10)))), "ten at once are what a budget holds"
    wrong = [
        await nodes[0].check_password(email="bo@example.com", password="no", info=info, now=NOW)
        for _ in range(10)
    ]
    assert wrong == [None] * 10
    with pytest.raises(ThrottledError):
        await sign_in(0)
