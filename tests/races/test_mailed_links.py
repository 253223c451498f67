"""A link, mailed or handed over, has one use, over two nodes on each database."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.errors import LinkError
from admit.issuer.accounts.links import EmailLinks, Purpose
from admit.issuer.accounts.links.driver import new_token
from admit.issuer.accounts.links.rules import SET_A_PASSWORD
from admit.issuer.accounts.links.transactions import add
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.outbox import NO_MAIL
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain
from tests.races.conftest import Held

SPEND_ONCE = [
    "admit.issuer.accounts.links.transactions:spend",
    "admit.issuer.accounts.links.rules:is_live",
    "admit.issuer.accounts.links.rules:still_meant",
]


class QuickHasher(PasswordHasher):
    """The race is about links: a marker in place of the dear hash."""

    async def hash(self, password: bytes, *, network: str = "", known: bool = True) -> str:
        await asyncio.sleep(0)
        return f"$not-a-hash${password.decode()}"


@dataclass(frozen=True)
class Node:
    """One node's people and links."""

    parts: Parts
    links: EmailLinks

    @classmethod
    async def on(cls, open_again: OpenAgain) -> "Node":
        parts, hasher = await Parts.on(await open_again()), QuickHasher()
        accounts = Accounts(parts.db, parts.lists, hasher)
        links = EmailLinks(parts.db, parts.lists, accounts, hasher, NO_MAIL, issuer="https://id.example")
        return cls(parts, links)

    async def use(self, purpose: Purpose, token: str, user: User, n: int) -> str:
        """What the person with the link does; "done" or "refused"."""
        try:
            if purpose in SET_A_PASSWORD:
                await self.links.reset(token, f"pass sentence number {n:02}", info=INFO, now=NOW + 1)
            elif purpose is Purpose.VERIFY:
                await self.links.verify(token, user.id, info=INFO, now=NOW + 1)
            else:
                await self.links.change(token, user.id, info=INFO, now=NOW + 1)
        except LinkError:
            return "refused"
        return "done"


@pytest.mark.parametrize(
    "purpose",
    [Purpose.RESET, Purpose.VERIFY, Purpose.CHANGE, pytest.param(Purpose.HANDED, marks=pytest.mark.soak)],
    ids=lambda one: one.value,
)
@pytest.mark.threat("O-1", off=SPEND_ONCE)
@pytest.mark.threat("PWD-9", off=SPEND_ONCE)
async def test_of_many_uses_of_one_link_one_does_what_it_is_for(
    open_again: OpenAgain, rounds: Callable[..., range], purpose: Purpose, at_once: int, held: Held
) -> None:
    nodes = [await Node.on(open_again) for _ in range(2)]
    turns = rounds(test=5, soak=200)
    for number in turns:
        user, token = await nodes[0].parts.user(), new_token()
        new = f"new-{number}@example.com" if purpose is Purpose.CHANGE else user.email
        await nodes[0].parts.db.run(
            add, token, purpose, user, email=new, email_shown=new, life=timedelta(minutes=15), now=NOW,
        )  # fmt: skip
        outcomes = await asyncio.gather(*(nodes[n % 2].use(purpose, token, user, n) for n in range(at_once)))
        assert Counter(outcomes) == {"done": 1, "refused": at_once - 1}
        (row,) = [row for row in await nodes[1].parts.rows("user_account") if row["id"] == user.id]
        assert row["credential_version"] == (1 if purpose is Purpose.VERIFY else 2)
        assert row["email"] == new
        told = [row for row in await nodes[0].parts.rows("audit") if row["user_id"] == user.id]
        assert [row["event"] for row in told].count("user.changed") == 1
    held(f"mailed link, {purpose.value}", "drivers", turns)
