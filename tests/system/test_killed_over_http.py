"""`admit serve` is killed with -9 while it answers, and a node beside it goes on: what anybody was told holds there,
and what nobody was told has happened wholly or not at all.

In a soak every request meets every point, many times, and `benchmarks/results/killed.md` is written.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from admit.issuer.storage import Keyring
from admit.issuer.storage import migrate as migrations
from admit.issuer.storage.migrate import migrate
from tests.fixtures import nursery
from tests.fixtures.issuer import pkce, request_of
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import ROOMY, Deployment, furnished_postgresql_url, start_all
from tests.plugins.rounds import TIER, Seeded
from tests.system.killed import Journal, keep, reconciled, written
from tests.system.killed_people import Person
from tests.system.killing import ONE_OF_EACH, POINTS, Killing, arm, armed_command
from tests.system.test_cold_starts import assert_one_of_everything

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SPEND_ONCE = ["admit.issuer.grants.codes:spend", "admit.issuer.grants.rules:unspent"]
Rounds = Callable[..., range]
_JOURNAL = Journal()


@pytest.fixture(scope="module")
async def both(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Killing]:
    url = furnished_postgresql_url(postgres_server)
    async with Killing.on(tmp_path_factory.mktemp("killing"), url, _JOURNAL, Random()) as made:
        yield made


@pytest.fixture
def nodes(both: Killing, rng: Seeded) -> Iterator[Killing]:
    both.rng = rng
    _JOURNAL.seeds.add(rng.seeded_with)
    yield both
    if TIER == "soak":
        keep("Nodes over HTTP", table(_JOURNAL))


async def sign_in(nodes: Killing, point: str) -> None:
    journal, who = nodes.journal, await nodes.person()
    user = nodes.people[-1][0]
    async with nodes.visitor() as known, nodes.visitor() as visitor:
        assert (await known.sign_in(who)).status_code == 303
        page = await visitor.get("/login")
        asked = visitor.submit("/login", page.text, email=who[0], password=who[1])
        await nodes.killed("admit.issuer.sessions.transactions:start", point, asked)
        journal.expect(await nodes.is_alive(known), "a session")
        of_user = {row["node_id"] for row in await nodes.rows("session", user_id=user)}
        journal.explain(len(of_user) == 1 + (point == "committed"), f"{len(of_user)} sessions after {point}")
        audited = await nodes.rows("audit", user_id=user, event="login.succeeded")
        journal.explain(
            {row["session_id"] for row in audited} == of_user, "sessions and their records differ"
        )
        assert not await nodes.is_alive(visitor), "nobody was told of this session"
        again = await visitor.at(nodes.other).sign_in(who)
        journal.explain(again.status_code == 303, f"{again.status_code} after {point}")
        journal.expect(
            (await visitor.get("/api/session")).json()["sub"] == user, "a session of the right person"
        )


async def issue(nodes: Killing, point: str) -> None:
    journal, who = nodes.journal, await nodes.person()
    user = nodes.people[-1][0]
    async with nodes.visitor() as visitor:
        assert (await visitor.sign_in(who)).status_code == 303
        _, challenge = pkce()
        request = {**request_of("spa"), "code_challenge": challenge}
        await nodes.killed(
            "admit.issuer.grants.codes:issue", point, visitor.get("/authorize", params=request)
        )
        journal.expect(await nodes.is_alive(visitor), "a session")
        codes = await nodes.rows("authorization_code", user_id=user)
        journal.explain(len(codes) == (point == "committed"), f"{len(codes)} codes after {point}")
        tokens = await visitor.at(nodes.other).tokens(who)
        journal.expect(await nodes.takes(visitor, tokens["access_token"]), "an access token")


async def redeem(nodes: Killing, point: str) -> None:
    journal, who = nodes.journal, await nodes.person()
    async with nodes.visitor() as visitor:
        code, verifier = await visitor.code(who)
        await nodes.killed("admit.issuer.grants.codes:redeem", point, visitor.redeem(code, verifier))
        retried = await visitor.at(nodes.other).redeem(code, verifier)
        told = retried.json().get("error", "tokens")
        is_spent = point == "committed"
        journal.explain(told == ("invalid_grant" if is_spent else "tokens"), f"{told} after {point}")
        if not is_spent:
            journal.expect(await nodes.takes(visitor, retried.json()["access_token"]), "an access token")
            again = await visitor.redeem(code, verifier)
            journal.expect(again.status_code == 400, "that a code was used")
        else:
            tokens = await visitor.tokens(who)
            journal.expect(await nodes.takes(visitor, tokens["access_token"]), "an access token")


async def rotate(nodes: Killing, point: str) -> None:
    journal, who = nodes.journal, await nodes.person()
    user = nodes.people[-1][0]
    async with nodes.visitor() as visitor:
        tokens = await visitor.tokens(who)
        await nodes.killed(
            "admit.issuer.grants.refreshing:refresh", point, visitor.refresh(tokens["refresh_token"])
        )
        [family] = await nodes.rows("grant_family", user_id=user)
        is_done = point == "committed"
        journal.explain(family["generation"] == is_done, f"generation {family['generation']} after {point}")
        visitor.at(nodes.other)
        token = tokens["refresh_token"]
        for _ in range(3):  # the answer was lost: it asks again
            refreshed = await visitor.refresh(token)
            journal.expect(refreshed.status_code == 200, "a refresh token")
            token = refreshed.json()["refresh_token"]
        journal.expect(await nodes.takes(visitor, refreshed.json()["access_token"]), "an access token")


async def log_out(nodes: Killing, point: str) -> None:
    journal, who = nodes.journal, await nodes.person()
    async with nodes.visitor() as visitor:
        tokens = await visitor.tokens(who)
        asked = visitor.log_out(tokens["id_token"])
        await nodes.killed("admit.issuer.sessions.transactions:end", point, asked)
        is_over = point == "committed"
        journal.explain(await nodes.is_alive(visitor) != is_over, f"a session after {point}")
        refreshed = await visitor.refresh(tokens["refresh_token"])
        journal.explain((refreshed.status_code == 400) == is_over, f"{refreshed.status_code} after {point}")
        assert (await visitor.log_out(tokens["id_token"])).status_code == 200
        journal.expect(not await nodes.is_alive(visitor), "a logout")
        newest = tokens if is_over else refreshed.json()
        journal.expect(
            (await visitor.refresh(newest["refresh_token"])).status_code == 400, "a logout's grant"
        )
        journal.expect(not await nodes.takes(visitor, newest["access_token"]), "a logout's access token")


async def turn_key(nodes: Killing, point: str) -> None:
    """A node that starts finds a key whose time has come, and is killed while it turns it active."""
    journal, who = nodes.journal, await nodes.person()
    async with nodes.visitor() as visitor:
        tokens = await visitor.at(nodes.other).tokens(who)
        kid = await nodes.make_due()
        await asyncio.to_thread(nodes.victim.stop, signal.SIGKILL)
        arm(nodes.armed, "admit.issuer.keys.store:activate", point)
        nodes.victim.spawn()
        await nodes.ended()
        nodes.armed.unlink()
        [row] = await nodes.rows("signing_key", kid=kid)
        is_done = point == "committed"
        journal.explain((row["state"] == "active") == is_done, f"{row['state']} after {point}")
        journal.explain(await nodes.active() == ONE_OF_EACH, f"{await nodes.active()} after {point}")
        journal.expect(await nodes.takes(visitor, tokens["access_token"]), "a token of the key before")
        nodes.victim.spawn()
        await asyncio.to_thread(nodes.victim.wait)
        journal.explain(await turned_within(nodes, kid, 5.0), "a key that is not turned by the next start")
        journal.explain(await nodes.active() == ONE_OF_EACH, f"{await nodes.active()} at the end")
        fresh = (await visitor.at(nodes.victim).refresh(tokens["refresh_token"])).json()
        for token in (tokens["access_token"], fresh["access_token"]):
            journal.expect(await nodes.takes(visitor, token), "a token of either key")


async def turned_within(nodes: Killing, kid: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        [row] = await nodes.rows("signing_key", kid=kid)
        if row["state"] == "active":
            return True
        await asyncio.sleep(0.02)
    return False


async def make_key(nodes: Killing, point: str) -> None:
    """`admit key rotate` is killed while it makes the next key."""
    journal = nodes.journal
    if await nodes.rows("signing_key", state="next"):
        await nodes.make_due()
        await nodes.issuer.keys.advance(time.time())
    arm(nodes.armed, "admit.issuer.keys.store:insert_key", point)
    command = armed_command(
        nodes.armed, "key", "rotate", "--config", str(nodes.deployed.folder / "beside.toml")
    )
    code = await asyncio.to_thread(ended_with, nodes.deployed, command)
    nodes.armed.unlink()
    assert code == -signal.SIGKILL
    made = len(await nodes.rows("signing_key", state="next"))
    journal.explain(made == (point == "committed"), f"{made} next keys after {point}")
    told = await nodes.rows("audit", event="key.made")
    known = {row["kid"] for row in await nodes.rows("signing_key")}
    journal.explain(len(told) == len(known), f"{len(told)} records of {len(known)} keys")
    following = await nodes.issuer.keys.rotate("ES256", time.time())
    journal.expect(following.state == "next", "a next key")
    journal.explain(len(await nodes.rows("signing_key", state="next")) == 1, "two next keys")
    journal.explain(await nodes.active() == ONE_OF_EACH, f"{await nodes.active()} after {point}")


def ended_with(deployed: Deployment, command: list[str]) -> int:
    with open(deployed.folder / "command.log", "ab") as log:
        return nursery.spawn(command[1], command[2:], (log.fileno(),) * 3).wait(20.0)


OPERATIONS = (sign_in, issue, redeem, rotate, log_out, turn_key, make_key)
SLOW = () if TIER == "soak" else (turn_key, make_key)  # a node learns of a key within five seconds
CASES = [(operation, point) for operation in OPERATIONS if operation not in SLOW for point in POINTS]


@pytest.mark.threat("INF-race", off_system=SPEND_ONCE)
@pytest.mark.threat("O-1", off_system=SPEND_ONCE)
async def test_a_code_that_a_killed_node_redeemed_is_spent_for_the_other_too(nodes: Killing) -> None:
    await redeem(nodes, "committed")
    assert nodes.journal.open == []


async def test_whatever_a_node_was_asked_when_it_was_killed(nodes: Killing, rounds: Rounds) -> None:
    """In the test tier one of the cases each time."""
    chosen = nodes.rng.sample(CASES * 6, len(CASES) * 6)
    for n in rounds(test=1, soak=len(chosen)):
        operation, point = chosen[n]
        await operation(nodes, point)
        nodes.journal.rounds[f"{operation.__name__.replace('_', ' ')}, {point}"] += 1
        assert nodes.journal.open == [], (operation.__name__, point)


PEOPLE = 5


async def test_a_node_that_is_killed_at_any_moment_takes_nothing_that_anybody_was_told_with_it(
    nodes: Killing, rounds: Rounds
) -> None:
    for _ in rounds(test=1, soak=60):
        people = []
        for _ in range(PEOPLE):
            who = await nodes.person()
            people.append(Person(nodes, who, nodes.people[-1][0], Random(nodes.rng.getrandbits(32))))
        await asyncio.to_thread(nodes.victim.wait)
        living = [asyncio.create_task(person.live()) for person in people]
        await asyncio.sleep(nodes.rng.uniform(0.1, 1.0))  # the moment of the kill, wherever the work is then
        assert await asyncio.to_thread(nodes.victim.stop, signal.SIGKILL) == -signal.SIGKILL
        nodes.victim.spawn()
        await asyncio.to_thread(nodes.victim.wait)
        for person in people:
            person.over.set()
        await asyncio.gather(*living)
        for person in people:
            await person.reconcile()
        nodes.journal.explain(await nodes.active() == ONE_OF_EACH, f"{await nodes.active()}")
        nodes.journal.rounds["at random"] += 1
        assert nodes.journal.open == []


@pytest.mark.soak
async def test_a_migration_and_first_starts_that_are_killed_are_done_by_the_next(
    postgres_server: PostgresServer,
    tmp_path: Path,
    rng: Seeded,
    rounds: Rounds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _JOURNAL.seeds.add(rng.seeded_with)
    for n in rounds(test=1, soak=20):
        name, folder = await asyncio.to_thread(postgres_server.create_database), tmp_path / str(n)
        folder.mkdir()
        url, armed, point = postgres_server.dsn(name), folder / "armed.json", rng.choice(POINTS)
        is_older = rng.random() < 0.5
        if is_older:
            with monkeypatch.context() as patch:
                patch.setattr(migrations, "HEAD", "0001")
                await migrate(url)
        deployed = Deployment(folder, url, ROOMY)
        try:
            await killed_first_steps(deployed, armed, point, _JOURNAL)
            _JOURNAL.rounds[f"migrate {'an older schema' if is_older else 'nothing'}, {point}"] += 1
            await assert_one_of_everything(url, Keyring.load(deployed.key_file))
            async with deployed.visitor() as visitor:
                page = await visitor.get("/signup")
                who = {"name": "Cy", "email": "cy@example.com", "password": "a horse of the station"}
                await visitor.submit("/signup", page.text, **who)
                _JOURNAL.expect((await visitor.get("/api/session")).status_code == 200, "a session")
                known = (await visitor.at(deployed.beside).get("/api/session")).status_code
                _JOURNAL.expect(known == 200, "a session at the other node")
        finally:
            deployed.close()
        await asyncio.to_thread(postgres_server.drop_database, name)
        assert _JOURNAL.open == [], (is_older, point)
    keep("Nodes over HTTP", table(_JOURNAL))


async def killed_first_steps(deployed: Deployment, armed: Path, point: str, journal: Journal) -> None:
    """Two migrations, of which one is killed; two first starts, of which one is killed; then both nodes at once."""
    config = ["--config", str(deployed.folder / "front.toml")]
    arm(armed, "migrate", point)
    code = await asyncio.to_thread(ended_with, deployed, armed_command(armed, "migrate", *config))
    assert code == -signal.SIGKILL, point
    armed.unlink()
    code = await asyncio.to_thread(ended_with, deployed, armed_command(armed, "migrate", *config))
    journal.explain(code == 0, f"{code} from a migration after {point}")
    arm(armed, "admit.issuer.keys.store:insert_key", point)
    code = await asyncio.to_thread(ended_with, deployed, armed_command(armed, "serve", *config))
    assert code == -signal.SIGKILL, point
    armed.unlink()
    await asyncio.to_thread(start_all, *deployed.nodes)


def table(journal: Journal) -> list[str]:
    """The section of the document."""
    return [
        f"{written()}, seeds {', '.join(map(str, sorted(journal.seeds)))}.",
        "",
        "`admit serve` answers over HTTP and is killed with -9 at a named point of a transaction, or at random while",
        "people sign in, redeem, refresh and log out at it and at the node beside it, on one PostgreSQL. Everything is",
        "then asked of the other node: whoever was told of a session, a token or a logout finds it so there.",
        "",
        reconciled([journal]),
        "",
        "| | rounds |",
        "|---|---|",
        *(f"| {name} | {number} |" for name, number in sorted(journal.rounds.items())),
    ]
