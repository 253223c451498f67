"""The same work on an empty database and on one with a million accounts, five million sessions and as
many grants.

Asked in one process, one call after another and in turns, so that the two differ by their databases alone: no HTTP, and
a sign-in without its hash, which would hide what the database takes.
"""

import asyncio
import contextlib
import gc
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from sqlalchemy import func, select

from admit.issuer import Issuer, Settings
from admit.issuer.accounts import passwords
from admit.issuer.accounts.passwords import Match
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.grants.records import Refreshed
from admit.issuer.grants.store import families
from admit.issuer.revocation import Sweeper
from admit.issuer.sessions import store as sessions
from admit.issuer.sessions.driver import KEPT_AFTER_END
from admit.issuer.sessions.records import Session
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring, Statement, Steps
from admit.issuer.storage.pace import LOOK_AIM, Pace
from admit.issuer.storage.portions import LOOKED_AT
from admit.issuer.storage.sqlite import SqliteDatabase
from benchmarks.harness import figures
from benchmarks.harness.deployed import PEOPLE, Deployed
from benchmarks.harness.programs import free_port
from benchmarks.issuer import furnished
from benchmarks.stores.loader import Bulk, fill_postgresql, fill_sqlite
from tests.fixtures.postgres import PostgresServer

GOAL = 2.0
FEW, GRANTS = 1_000, 8
CLIENTS = 20
"""Clients that the empty database keeps, so that both sides read theirs from it."""
BLOCKS = 12
AT_LEAST, AT_MOST = 10, 1.5  # calls, seconds of a block
POSTGRESQL = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
"""What a database of this size is given, so that neither its load nor a checkpoint in the middle is measured."""
BESIDE = 15.0  # seconds without the sweep, and with it
ASKERS = 4
PAUSE = 0.002
CALLS = {
    "session check": 10_000,
    "sign-in without its hash": 1_200,
    "refresh rotated": 1_200,
    "family, user and client of a token": 6_000,
    "portion of a sweep": 240,
}
_LEFT = Statement(select(func.count().label("n")).select_from(sessions.session))


class Restless(Pace):
    """A sweep's pace without its rests, which are nobody's wait."""

    def took(self, rows: int, seconds: float) -> float:
        super().took(rows, seconds)
        return 0.0


@dataclass(slots=True)
class Side:
    """One database and who is in it. `bulk`: what the loader put there besides, if anything."""

    name: str
    issuer: Issuer
    emails: Sequence[str]
    raws: Sequence[bytes]
    refresh: list[str]
    bulk: Bulk | None = None
    turn: "count[int]" = field(default_factory=count)
    pace: Pace = field(default_factory=lambda: Restless(rows=LOOKED_AT, least=100, aim=LOOK_AIM))

    def email(self) -> str:
        return (
            random.choice(self.emails)
            if self.bulk is None
            else self.bulk.email(random.randint(1, self.bulk.users))
        )

    def raw(self) -> bytes:
        if self.bulk is None:
            return random.choice(self.raws)
        while self.bulk.is_over(number := random.randint(1, self.bulk.sessions)):
            pass
        return self.bulk.raw(number)

    async def check(self) -> None:
        """One look-up of a live session, anybody's."""
        if await self.issuer.services.sessions.find(hash_id(self.raw()), self.now) is None:
            raise SystemExit("a session that is there was not found")

    async def sign_in(self) -> None:
        """From what was typed to the session and the known browser, as the sign-in page does it."""
        accounts, info = self.issuer.services.accounts, RequestInfo(ip=f"192.0.2.{next(self.turn) % 250}")
        right = await accounts.try_password(email=self.email(), password="any", info=info, now=self.now)
        if right is None:
            raise SystemExit("an account that is there was not found")
        secret, give_back = accounts.devices.new_secret(None, now=self.now), right.give_back

        def along(session: Session) -> Steps[None]:
            yield from secret.known_to(session.user)
            yield from give_back()

        await self.issuer.services.sessions.start(
            right.user, auth_time=self.now, acr="urn:admit:acr:1fa", amr=("pwd",), info=info, now=self.now,
            along=along,
        )  # fmt: skip

    async def rotate(self) -> None:
        number = next(self.turn) % len(self.refresh)
        done = await self.issuer.services.families.refresh(
            self.refresh[number], client_id="spa", rotates=True, info=furnished.INFO, now=self.now
        )
        if not isinstance(done, Refreshed) or done.refresh_token is None:
            raise SystemExit(f"a refresh token that is good was refused: {done}")
        self.refresh[number] = done.refresh_token

    async def show(self) -> None:
        """What introspection reads for a token: its family with the user, and the client."""
        if self.bulk is None:
            id = random.choice(self.refresh).split(".")[1]
            client_id = f"few{next(self.turn) % CLIENTS}"
        else:
            number = random.randint(1, self.bulk.grants)
            id = f"bulk-g{number}"
            client_id = f"bulkc{1 + number % self.bulk.clients}"
        row = await self.issuer.db.one(families.FIND_OF_USER(family=id))
        found = families.of_user(row) if row is not None else None
        client = await self.issuer.services.clients.find(client_id)
        if client is None or found is None or found.user is None:
            raise SystemExit("a family that is there was not found with its user and client")

    async def portion(self) -> None:
        """What a sweep goes through at a time, at its own pace. None of it is over."""
        after = "" if self.bulk is None else f"bulk-s{random.randint(1, self.bulk.sessions)}"
        await sessions.FORGET.walk.look(self.issuer.db, self.pace, after, before=0.0)

    @property
    def now(self) -> float:
        """Always the same, so that no use of a session is noted meanwhile: each is due once a minute."""
        return NOW


NOW = float(int(time.time()))


@contextlib.asynccontextmanager
async def issuers(
    folder: Path, postgresql: PostgresServer, bulk: Bulk
) -> AsyncIterator[list[tuple[Side, Side]]]:
    """An empty one and a full one of each database."""

    async def pair(make: Callable[[Path, Bulk | None], Awaitable[Side]], name: str) -> tuple[Side, Side]:
        empty, full = folder / f"{name}-empty", folder / f"{name}-full"
        empty.mkdir()
        full.mkdir()
        return await make(empty, None), await make(full, bulk)

    # Side by side: the one is filled by a thread of this process, the other by its server.
    pairs = await asyncio.gather(
        pair(_on_sqlite, "sqlite"),
        pair(lambda place, filled: _on_postgresql(place, postgresql, filled), "postgresql"),
    )
    async with contextlib.AsyncExitStack() as stack:
        for side in (*pairs[0], *pairs[1]):
            await stack.enter_async_context(_open(side.issuer))
        yield list(pairs)


@contextlib.asynccontextmanager
async def _open(issuer: Issuer) -> AsyncIterator[None]:
    """The database and the lists, and none of the jobs: what is swept is swept when it is measured."""
    await issuer.db.open()
    try:
        await issuer.lists.ensure(issuer.db, NOW)
        for number in range(CLIENTS):
            few = Client(id=f"few{number}", name="One of few", redirect_uris=("https://few.example.com/cb",))
            await issuer.services.clients.add(few, now=NOW)
        yield
    finally:
        await issuer.db.close()


async def _on_sqlite(folder: Path, bulk: Bulk | None) -> Side:
    made = await furnished.furnish(folder, free_port(), people=PEOPLE, sessions=FEW, grants=GRANTS)
    if bulk is not None:
        print(
            f"SQLite filled in {await asyncio.to_thread(fill_sqlite, made.database, bulk):.0f} s", flush=True
        )
    settings = Settings.load(folder / "admit.toml", environ={})
    issuer = Issuer(settings, keyring=Keyring.ensure(folder / "keys.json"))
    return Side("SQLite", issuer, made.emails, made.sessions, list(made.refresh), bulk)


async def _on_postgresql(folder: Path, server: PostgresServer, bulk: Bulk | None) -> Side:
    deployed = Deployed(folder, server.dsn(server.create_database()))
    await deployed.furnish()
    raws = []
    async with deployed.in_process() as issuer:
        for number in range(FEW):
            user = deployed.users[number % PEOPLE]
            new = await issuer.services.sessions.start(
                user,
                auth_time=NOW,
                acr="urn:admit:acr:1fa",
                amr=("pwd",),
                info=furnished.INFO,
                now=time.time(),
            )
            raws.append(new.raw)
    refresh = await deployed.refresh_tokens(GRANTS)
    if bulk is not None:
        print(f"PostgreSQL filled in {await fill_postgresql(deployed.database, bulk):.0f} s", flush=True)
    settings = Settings.load(deployed.settings_file(free_port()), environ={})
    issuer = Issuer(settings, keyring=Keyring.ensure(folder / "keys.json"))
    return Side("PostgreSQL", issuer, [user.email for user in deployed.users], raws, refresh, bulk)


async def timed(work: Callable[[], Awaitable[None]], times: int) -> list[float]:
    """ms of each call; on a busy machine of as many as there is time for."""
    taken: list[float] = []
    over = time.perf_counter() + AT_MOST
    while len(taken) < times and (len(taken) < AT_LEAST or time.perf_counter() < over):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def works(side: Side) -> list[Callable[[], Awaitable[None]]]:
    return [side.check, side.sign_in, side.rotate, side.show, side.portion]


def ends_of(taken: Sequence[float]) -> tuple[float, float]:
    """Median and p99."""
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


async def measure(folder: Path, postgresql: PostgresServer, bulk: Bulk, *, scale: float) -> str:
    """Both tables."""
    compare, passwords.compare = passwords.compare, lambda stored, password: Match.YES
    rows, swept = [], []
    try:
        async with issuers(folder, postgresql, bulk) as pairs:
            gc.collect()
            gc.freeze()
            for empty, full in pairs:
                if isinstance(full.issuer.db, SqliteDatabase):
                    await in_memory(full.issuer.db.path)
                for name, one, other in zip(CALLS, works(empty), works(full), strict=True):
                    rows.append(
                        (f"{full.name}: {name}", *await compared(one, other, int(CALLS[name] * scale)))
                    )
                    print(" ".join(rows[-1]), flush=True)  # nobody waits for minutes without a word
            for _, full in pairs:
                swept.append(await beside_a_sweep(full, BESIDE * scale))
    finally:
        passwords.compare = compare
    heads = ("", "empty: median ms", "p99", "full: median ms", "p99", "p99 × empty", "goal")
    beside = (
        "beside a sweep", "rows swept", "a second", "without: median ms", "p99",
        "beside it: median ms", "p99", "longest", "p99 × without", "goal",
    )  # fmt: skip
    return figures.table(heads, rows) + "\n\n" + figures.table(beside, swept)


async def in_memory(path: Path) -> None:
    """Have the system read a file that it may have let go of: one in use is in its memory. By another
    program: closing a descriptor of it here would let go of SQLite's locks.
    """
    reading = await asyncio.create_subprocess_exec("cat", str(path), stdout=asyncio.subprocess.DEVNULL)
    if await reading.wait() != 0:
        raise SystemExit("the database could not be read")


async def compared(
    one: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]], times: int
) -> tuple[str, ...]:
    """In turns; a tenth of the calls before count for nothing."""
    taken: tuple[list[float], list[float]] = ([], [])
    for work in (one, other):
        await timed(work, times // 10 + 1)
    for block in range(BLOCKS):
        for which in (0, 1) if block % 2 else (1, 0):
            taken[which].extend(await timed((one, other)[which], times // BLOCKS + 1))
    ends = [*ends_of(taken[0]), *ends_of(taken[1])]
    ratio = ends[3] / ends[1]
    return (
        *(f"{value:.2f}" for value in ends),
        f"{ratio:.2f}",
        f"≤ {GOAL}: {figures.verdict(met=ratio <= GOAL)}",
    )


async def asked(side: Side, seconds: float) -> list[float]:
    """Checks and sign-ins of a few who ask at once; ms of each."""
    over = time.perf_counter() + seconds
    taken: list[float] = []

    async def ask(number: int) -> None:
        work = side.sign_in if number == 0 else side.check
        while time.perf_counter() < over:
            taken.extend(await timed(work, 1))
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*map(ask, range(ASKERS)))
    return taken


async def beside_a_sweep(side: Side, seconds: float) -> tuple[str, ...]:
    """Requests while sessions and families that are long over are swept, and before."""
    db, now = side.issuer.db, side.now
    calm = await asked(side, seconds)
    before = await left(side)
    sweeper = Sweeper(db, longest_token=side.issuer.settings.keys.longest_token)
    began = time.perf_counter()
    sweeps = [
        asyncio.create_task(_on_and_on(partial(sessions.FORGET.delete_all, db, before=now - KEPT_AFTER_END))),
        asyncio.create_task(_on_and_on(partial(sweeper.turn, now))),
    ]
    beside = await asked(side, seconds)
    lasted = time.perf_counter() - began
    for sweep in sweeps:
        sweep.cancel()
    await asyncio.gather(*sweeps, return_exceptions=True)
    gone = before - await left(side)
    ends = [*ends_of(calm), *ends_of(beside)]
    ratio = ends[3] / ends[1]
    return (
        side.name, f"{gone:,}", f"{gone / lasted:,.0f}", *(f"{value:.2f}" for value in ends), f"{max(beside):.0f}",
        f"{ratio:.2f}", f"≤ {GOAL}: {figures.verdict(met=ratio <= GOAL)}",
    )  # fmt: skip


async def left(side: Side) -> int:
    """How many sessions there are."""
    rows = await side.issuer.db.read_apart(_LEFT())
    return int(rows[0]["n"])


async def _on_and_on(work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await work()
        await asyncio.sleep(0)
