"""Somebody who signs in, redeems, refreshes and logs out all day at two nodes, one of which is killed meanwhile.

What no answer came for is asked of the other node, as people and clients do; each answer is held against what it
may be.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from tests.fixtures.processes import Visitor
from tests.system.killing import Killing, Who


@dataclass(slots=True)
class Person:
    """One of them. `signed_in` were told so; of `unknown` tries nobody was told what came of them."""

    nodes: Killing
    who: Who
    sub: str
    rng: Random
    signed_in: int = 0
    unknown: int = 0
    days: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        """Day after day until it is over."""
        async with self.nodes.deployed.visitor() as visitor:
            while not self.over.is_set():
                await self.day(visitor)
                self.days += 1

    async def day(self, visitor: Visitor) -> None:
        """From a sign-in to its logout."""
        journal = self.nodes.journal
        code, verifier = await self.enter(visitor)
        me = await visitor.at(self.nodes.other).get("/api/session")
        journal.expect(
            me.status_code == 200 and me.json()["sub"] == self.sub, "a session of the right person"
        )
        redeemed = await self.ask(visitor, lambda: visitor.redeem(code, verifier))
        if redeemed is None:
            redeemed = await visitor.at(self.nodes.other).redeem(code, verifier)
            if redeemed.status_code == 400:  # it was redeemed, and nobody was told
                visitor.cookies.clear()  # the next day begins with a sign-in, which is what is counted
                return
        journal.explain(redeemed.status_code == 200, f"{redeemed.status_code} for a code")
        tokens = redeemed.json()
        for _ in range(2):
            tokens = await self.refreshed(visitor, tokens)
        await self.leave(visitor, tokens)

    async def enter(self, visitor: Visitor) -> tuple[str, str]:
        """A sign-in, and a code from it."""
        visitor.at(self.rng.choice((self.nodes.victim, self.nodes.other)))
        try:
            found = await visitor.code(self.who)
        except httpx2.TransportError:
            self.unknown += 1
            found = await visitor.at(self.nodes.other).code(self.who)
        self.signed_in += 1
        return found

    async def refreshed(self, visitor: Visitor, tokens: dict[str, Any]) -> dict[str, Any]:
        """What was told of a refresh token holds, and an answer that was lost can be asked for again."""
        token = tokens["refresh_token"]
        answer = await self.ask(visitor, lambda: visitor.refresh(token))
        if answer is None:
            answer = await visitor.at(self.nodes.other).refresh(token)
        self.nodes.journal.expect(answer.status_code == 200, "a refresh token")
        taken = await self.nodes.takes(visitor, answer.json()["access_token"])
        self.nodes.journal.expect(taken, "an access token")
        return {**tokens, **answer.json()}

    async def leave(self, visitor: Visitor, tokens: dict[str, Any]) -> None:
        """A logout, and nothing of the session is left."""
        journal, nodes = self.nodes.journal, self.nodes
        answer = await self.ask(visitor, lambda: visitor.log_out(tokens["id_token"]))
        if answer is None:
            answer = await visitor.at(nodes.other).log_out(tokens["id_token"])
        journal.explain(answer.status_code == 200, f"{answer.status_code} for a logout")
        journal.expect(not await nodes.is_alive(visitor), "a logout")
        gone = await visitor.refresh(tokens["refresh_token"])
        journal.expect(gone.status_code == 400, "a logout's grant")
        journal.expect(not await nodes.takes(visitor, tokens["access_token"]), "a logout's access token")

    async def ask(
        self, visitor: Visitor, request: Callable[[], Awaitable[httpx2.Response]]
    ) -> httpx2.Response | None:
        """The answer of either node; None where there was none."""
        visitor.at(self.rng.choice((self.nodes.victim, self.nodes.other)))
        try:
            return await request()
        except httpx2.TransportError:
            return None

    async def reconcile(self) -> None:
        """Sign-ins that the database knows, against those that were told."""
        found = len(await self.nodes.rows("audit", user_id=self.sub, event="login.succeeded"))
        journal = self.nodes.journal
        journal.expect(found >= self.signed_in, f"{found} sign-ins, {self.signed_in} told")
        journal.explain(found <= self.signed_in + self.unknown, f"{found} sign-ins, {self.signed_in} told")
