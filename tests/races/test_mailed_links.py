"""A mailed link has one use, over two nodes on each database."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.errors import LinkError
from admit.issuer.accounts.links import EmailLinks, Purpose
from admit.issuer.accounts.links.driver import new_token
from admit.issuer.accounts.links.transactions import add
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.outbox import NO_MAIL
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain

SPEND_ONCE = [
    "admit.issuer.accounts.links.transactions:spend",
    "admit.issuer.accounts.links.rules:is_live",
    "admit.issuer.accounts.links.rules:still_meant",
]
PARALLEL = 20


class QuickHasher(PasswordHasher):
    """The race is about links: a marker in place of the dear hash."""

    async def hash(self, password: bytes, *, network: str = "", known: bool = True) -> str:
        await asyncio.sleep(0)
        return f"$not-a-hash${password.decode()}"


@pytest.mark.threat("O-1", off=SPEND_ONCE)
@pytest.mark.threat("PWD-9", off=SPEND_ONCE)
async def test_of_twenty_uses_of_one_reset_link_one_sets_its_password(
    open_again: OpenAgain, rounds: Callable[..., range]
) -> None:
    from datetime import timedelta

    nodes = [await Parts.on(await open_again()) for _ in range(2)]
    hasher = QuickHasher()
    links = [
        EmailLinks(
            parts.db,
            parts.lists,
            Accounts(parts.db, parts.lists, hasher),
            hasher,
            NO_MAIL,
            issuer="https://id.example",
        )
        for parts in nodes
    ]
    for _ in rounds(test=2, soak=100):
        user, token = await nodes[0].user(), new_token()
        await nodes[0].db.run(
            add, token, Purpose.RESET, user, email=user.email, email_shown=user.email_shown,
            life=timedelta(minutes=15), now=NOW,
        )  # fmt: skip

        async def use(n: int, token: str = token) -> str:
            try:
                await links[n % 2].reset(token, f"pass sentence number {n:02}", info=INFO, now=NOW + 1)
            except LinkError:
                return "refused"
            return "set"

        outcomes = Counter(await asyncio.gather(*(use(n) for n in range(PARALLEL))))
        assert outcomes == {"set": 1, "refused": PARALLEL - 1}
        (row,) = [row for row in await nodes[1].rows("user_account") if row["id"] == user.id]
        assert row["credential_version"] == 2
        changed = [row for row in await nodes[0].rows("audit") if row["user_id"] == user.id]
        assert [row["event"] for row in changed].count("user.changed") == 1
