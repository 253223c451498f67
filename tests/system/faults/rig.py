"""One issuer deployment behind a proxy, verifiers that check all the time, and a journal: what each fault is done to.

    async with Rig.made(folder, url) as rig:
        tally = await rig.round(fault, rng)

Families are opened and ended by the issuer's own code on its database, as one more node would; so ends are acknowledged
while the nodes that verifiers ask are away. Each round has tokens of its own.
"""

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx2

from admit.errors import AdmitError
from admit.issuer import Issuer
from admit.issuer.revocation import store
from admit.issuer.revocation.records import ByNode, EndStart
from admit.tokens import access, status_list
from admit.verifier.boottime import boottime
from tests.fixtures.issuer import API
from tests.fixtures.people import Parts
from tests.fixtures.processes import ROOMY, Child, stop_all
from tests.system.faults.checking import Checkers
from tests.system.faults.deployed import Behind, add_sessions, end_many, open_sessions
from tests.system.faults.fault import KINDS, Fault, Kinds
from tests.system.faults.journal import OK, REVOKED, Fact, Held, Outage, Run, Tally, judge
from tests.system.faults.proxy import Proxy, until

SETTLED_WITHIN = 12.0
STARTED_WITHIN = 60.0
TICK = 0.02
ASKING = 0.05
TOKEN_LIFE = 600.0
CROWD = 20_000  # rows in one transaction
CLIENT = "spa"


@dataclass(frozen=True, slots=True)
class Family:
    """What can be ended: its number in the journal, its public id, and a token. Some have a refresh token."""

    number: int
    id: str
    token: str
    refresh_token: str | None = None


@dataclass(slots=True)
class Rig:
    """See the module. `serving` are the nodes that verifiers get, `node` is one more in this process."""

    deployed: Behind
    node: Issuer
    proxy: Proxy
    checkers: Checkers
    serving: Sequence[Child]
    client: httpx2.AsyncClient
    facts: dict[int, Fact] = field(default_factory=dict)
    outages: list[Outage] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    doomed: list[Family] = field(default_factory=list)
    notes: dict[str, list[float]] = field(default_factory=dict)
    restarts: list[float] = field(default_factory=list)
    slept: float = 0.0
    _runs: list[Run] = field(default_factory=list)
    _number: int = 0
    _lag: float = 0.0
    _healed: float = 0.0

    @classmethod
    @contextlib.asynccontextmanager
    async def made(
        cls, folder: Path, database: str, *, nodes: int = 1, kinds: Kinds = KINDS, every: float = 0.005
    ) -> AsyncIterator["Rig"]:
        """A running rig, until the block ends."""
        deployed = Behind(folder, database, ROOMY)
        serving = deployed.nodes[:nodes]
        proxy = Proxy([one.port for one in serving])
        state = folder / "verifiers"
        state.mkdir(mode=0o700)
        checkers = Checkers(deployed.issuer, kinds, state, every=every)
        try:
            for one in serving:
                one.spawn()
            await proxy.start(deployed.proxy_port)
            await asyncio.gather(checkers.start(), *(asyncio.to_thread(one.wait) for one in serving))
            async with httpx2.AsyncClient(headers={"host": deployed.host}, timeout=10) as client:
                rig = cls(deployed, deployed.in_process(), proxy, checkers, serving, client)
                await rig.open_database()
                watch = asyncio.create_task(rig._watch())
                try:
                    await rig.warm_up()
                    yield rig
                finally:
                    watch.cancel()
                    await rig.close_database()
        finally:
            await checkers.kill()
            await proxy.stop()
            await asyncio.to_thread(stop_all, *deployed.nodes, how=signal.SIGKILL)

    async def open_database(self) -> None:
        """This process becomes a node: nothing is served, but families can be opened and ended."""
        await self.node.db.open()
        await self.node.lists.ensure(self.node.db, time.time())
        await self.node.keys.refresh(time.time())

    async def close_database(self) -> None:
        """Let go of the database; `node` is another object then."""
        node, self.node = self.node, self.deployed.in_process()
        await node.services.sessions.settle()
        await node.db.close()
        node.hasher.close()

    async def _watch(self) -> None:
        """See how late this process is woken: the proxy is late by as much."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(TICK)
            self._lag = max(self._lag, loop.time() - before - TICK)

    async def warm_up(self) -> None:
        """Until every verifier has begun. What it says before is nobody's business: a cold start is judged apart."""
        await self.give(await self.open(1))
        await until(self.settled, STARTED_WITHIN, "that verifiers have begun")
        await self.checkers.drop()
        self._forget()

    async def open(self, number: int, *, user: str | None = None, young: bool = False) -> list[Family]:
        """So many new sessions of one user, with a token each; `young` ones were issued just now."""
        now = time.time()
        nodes = await self.node.db.run(open_sessions, user or f"u_{secrets.token_hex(8)}", number, now)
        await self.node.lists.ensure(self.node.db, now)
        iat = now if young else now - 60.0
        return [self._family(one.id, self.mint(one.idx, one.user_id or "", one.id, iat)) for one in nodes]

    async def grants(self, number: int) -> list[Family]:
        """So many grants as people make them: a session, a code, a refresh token."""
        parts = await Parts.on(self.node.db)
        made = []
        for _ in range(number):
            now = time.time()
            code = await parts.code(await parts.sign_in(now=now), now=now, client_id=CLIENT, audience=API)
            redeemed = await parts.redeem(code, now=now, client_id=CLIENT)
            family = redeemed.family
            token = self.mint(family.idx, family.user_id, family.id, now)
            made.append(self._family(family.id, token, redeemed.refresh_token))
        return made

    async def crowd(self, user: str, number: int) -> None:
        """So many more sessions of a user that is there, without tokens."""
        now = time.time()
        for _ in range(0, number, CROWD):
            await self.node.db.run(add_sessions, user, min(CROWD, number), now)
        await self.node.lists.ensure(self.node.db, now)

    def _family(self, id: str, token: str, refresh_token: str | None = None) -> Family:
        self._number += 1
        self.facts[self._number] = Fact(boottime())
        self.families.append(made := Family(self._number, id, token, refresh_token))
        return made

    def mint(self, idx: int, subject: str, sid: str, iat: float) -> str:
        """An access token as the token endpoint makes it, issued at `iat`."""
        ref, issuer = self.node.lists.ref(idx), self.deployed.issuer
        return access.sign(
            access.AccessToken(
                issuer=issuer,
                subject=subject,
                audience=API,
                client_id=CLIENT,
                session_id=sid,
                iat=iat,
                exp=iat + TOKEN_LIFE,
                jti=secrets.token_urlsafe(12),
                status=access.StatusClaim(status_list.uri(issuer, ref.list), ref.position),
            ),
            self.node.keys.snapshot.signer("token", "ES256"),
        )

    async def end(self, families: Sequence[Family], start: EndStart, *, many: bool = False) -> None:
        """End these, all of them by one transaction that begins at `start`. Acknowledged is its COMMIT."""

        async def commit() -> None:
            now = time.time()
            end = end_many if many else store.end
            await self.node.db.run(end, self.node.lists, start, reason="logout", now=now)

        await self.end_by(families, commit)

    async def end_at(self, node: Child, family: Family) -> None:
        """End a grant at a node that serves, RFC 7009. Acknowledged is its answer."""

        async def post() -> None:
            form = {"token": family.refresh_token or "", "client_id": CLIENT}
            answer = await self.client.post(f"{node.address}/revoke", data=form)
            answer.raise_for_status()

        await self.end_by([family], post)

    async def end_by(self, families: Sequence[Family], how: Callable[[], Awaitable[None]]) -> None:
        """End these in some way. One that fails may have ended them or not: nothing more is asked of their tokens."""
        facts = [self.facts[family.number] for family in families]
        asked = boottime()
        for fact in facts:
            fact.asked = asked if fact.asked is None else fact.asked
        try:
            await how()
        except (AdmitError, httpx2.HTTPError, OSError):
            return
        ended = boottime()
        for fact in facts:
            fact.ended = ended if fact.ended is None else fact.ended

    async def end_at_random(
        self, rng: Random, within: float, families: Sequence[Family] | None = None
    ) -> None:
        """End the doomed ones, each at a moment of its own."""

        async def one(family: Family, after: float) -> None:
            await asyncio.sleep(after)
            await self.end([family], ByNode(family.id))

        chosen = self.doomed if families is None else families
        await asyncio.gather(*(one(family, rng.uniform(0, within)) for family in chosen))

    async def fetch(self, path: str, node: Child | None = None) -> bytes:
        """The whole answer of a node that serves, head and body, as bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", (node or self.serving[0]).port)
        try:
            nonce = secrets.token_urlsafe(16)
            asked = f"GET {path}?nonce={nonce} HTTP/1.1\r\nHost: {self.deployed.host}\r\nConnection: close\r\n\r\n"
            writer.write(asked.encode())
            return await reader.read(-1)
        finally:
            writer.close()

    def outage(self, began: float, *verifiers: str, held: Held = Held.PROOF) -> None:
        """Note that from `began` until now no proof could be had, by some verifiers or by all."""
        self.outages.append(Outage(began, boottime(), frozenset(verifiers), held))

    def clock_is_right(self) -> None:
        """Note that the verifiers' clocks go right from now on: what was proved by a wrong one is dated wrong, so the
        next fault begins when all have asked anew.
        """
        self._healed = boottime()

    def note(self, what: str, figure: float) -> None:
        """A figure for the summary."""
        self.notes.setdefault(what, []).append(figure)

    async def give(self, families: Sequence[Family]) -> None:
        """Let all verifiers check their tokens."""
        await self.checkers.give({family.number: family.token for family in families})

    async def prepare(self, rng: Random, *, old: int = 8, young: int = 2) -> None:
        """Families whose tokens every verifier takes; the `doomed` half is to be ended, the others stay."""
        made = await self.open(old) + await self.open(young, young=True)
        rng.shuffle(made)
        self.doomed = made[: len(made) // 2]
        await self.give(made)
        await until(self.settled, SETTLED_WITHIN, "that every token is taken")
        await self._asked_since(self._healed)

    async def _asked_since(self, moment: float) -> None:
        """Until what every verifier holds is an answer to a question that it sent after that boot time.

        An answer that an outage held back is as old as its question. A fault that came right after it would find less
        of the bound left than the polls of quieter times leave, and nobody could be blamed for that.
        """
        deadline = boottime() + SETTLED_WITHIN
        while boottime() < deadline:
            now = boottime()
            told = await self.checkers.health()
            if all(one["age"] is not None and one["age"] <= now - moment for one in told.values()):
                return
            await asyncio.sleep(ASKING)
        raise AssertionError(f"after an outage nobody asked anew: {await self.checkers.health()}")

    async def restart_checkers(self) -> None:
        """End the verifiers without a word, and start them anew: what they said is kept, what they held is not."""
        await self.checkers.kill()
        self.restarts.append(boottime())
        await self.checkers.start()

    async def hear(self) -> None:
        """Gather what the verifiers saw so far; they forget their tokens."""
        self._runs += await self.checkers.drop()

    def settled(self) -> bool:
        """Whether every verifier says of each token what the journal says."""
        alive = [number for number, fact in self.facts.items() if fact.asked is None]
        over = [number for number, fact in self.facts.items() if fact.ended is not None]
        return self.checkers.say(OK, alive) and self.checkers.say(REVOKED, over)

    async def round(self, fault: Fault, rng: Random) -> Tally:
        """Prepare, break, heal, settle, reconcile."""
        await fault.prepare(self, rng)
        await fault.run(self, rng)
        return await self.reconcile(fault)

    async def reconcile(self, fault: Fault) -> Tally:
        """Wait until all verifiers agree with the journal, then judge every access of the round."""
        trouble = ""
        try:
            await until(self.settled, SETTLED_WITHIN)
        except AssertionError:
            trouble = f"not settled after {SETTLED_WITHIN:.0f} s: {self._unsettled()} {await self.checkers.health()}"
        await self.hear()
        lag = max(self._lag, self.checkers.lag, self._slowest())
        tally = judge(self.facts, self._runs, self.outages, fault.terms, fault.within, lag, self.restarts)
        tally.rounds = 1
        if trouble:
            tally.unsettled = 1
            tally.complaints.append(trouble)
        self._forget()
        return tally

    def _slowest(self) -> float:
        """How long an answer took at worst that nothing was done to, here or at the issuer: so busy the machine is."""
        return max(
            (
                ended - began
                for began, ended in self.proxy.exchanges
                if all(ended < outage.began or outage.ended < began for outage in self.outages)
            ),
            default=0.0,
        )

    def _forget(self) -> None:
        """The next round begins with nothing but what the last outages may still excuse, while verifiers ask anew."""
        self._healed = max((self._healed, *(outage.ended for outage in self.outages)))
        self.outages = [outage for outage in self.outages if boottime() - outage.ended < SETTLED_WITHIN]
        self.facts, self._runs, self.families, self.doomed = {}, [], [], []
        self.restarts = []
        self._lag = self.checkers.lag = 0.0
        self.proxy.exchanges.clear()

    def _unsettled(self) -> list[str]:
        found = []
        for (name, number), verdict in self.checkers.now.items():
            fact = self.facts[number]
            want = None if fact.asked and not fact.ended else REVOKED if fact.ended else OK
            if want is not None and verdict != want:
                found.append(f"{name} says {verdict} of {number}, want {want}")
        return found[:5]
