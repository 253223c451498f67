"""What is good for one use, and what was ended, over HTTP: two issuer processes on one database, SQLite and PostgreSQL.

`test_one_use.py` races inside one process, where interleavings are many; here are the processes that people run.
"""

import asyncio
import signal
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from admit.issuer import Issuer
from admit.issuer.audit import RequestInfo
from admit.jose import JWKSet, json, jws
from admit.tokens import status_list
from tests.fixtures.issuer import ADA, BO, answer_of, field_of, pkce, request_of
from tests.fixtures.processes import (
    ROOMY,
    Child,
    Deployment,
    Visitor,
    deployment,
    furnished_postgresql_url,
    furnished_sqlite_url,
)
from tests.races.conftest import Held

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
Rounds = Callable[..., range]

SHORT_QUEUE = {"accounts": {**ROOMY["accounts"], "hash_queue": 16}}
# SQLite has one writer, so that there the decision alone, made inside the transaction, keeps a second use out.
SPEND_ONCE = ["admit.issuer.grants.codes:spend", "admit.issuer.grants.rules:unspent"]
ANSWER_ONCE = ["admit.issuer.grants.interactions:finish", "admit.issuer.grants.pushed:spend"]
ROTATE_ONCE = ["admit.issuer.grants.refreshing:rotate", "admit.issuer.grants.rules:is_current"]
REMEMBER = "admit.issuer.revocation.reading:bits_of"
# On SQLite transactions come one after another, so that there the look at the parent alone keeps what is late out.
END_ALL = ["admit.issuer.revocation.store.nodes:lock_node", "admit.issuer.revocation.store.ends:end_trees"]

# Its one writer has the same races inside one process, in tests/races/test_one_use.py and test_ends_race.py.
BESIDE = pytest.param("sqlite", marks=pytest.mark.soak)


@pytest.fixture(scope="module")
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("races")
    if request.param == "sqlite":
        url = furnished_sqlite_url(folder)
    else:
        url = furnished_postgresql_url(request.getfixturevalue("postgres_server"))
    with deployment(folder, url, tables=SHORT_QUEUE) as made:
        yield made
        assert '"level": "error"' not in "".join(node.log for node in made.nodes)


@pytest.fixture
async def visitor(two: Deployment) -> AsyncIterator[Visitor]:
    async with two.visitor() as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def together(
    visitor: Visitor,
    two: Deployment,
    rng: Random,
    forms: list[dict[str, str]],
    amid: Callable[[], Coroutine[Any, Any, object]] | None = None,
    late_ones_wait: bool = False,
) -> list[httpx2.Response]:
    """All these requests to the token endpoint at the same time, in turn at both nodes, in any order; `amid` them.

    `late_ones_wait`: what comes after `amid` in that order is sent once it was answered.
    """
    posts = [
        partial(visitor.post, node.address + "/token", data=form)
        for node, form in zip(cycle(two.nodes), forms, strict=False)
    ]
    rng.shuffle(posts)
    place = rng.randrange(len(posts) // 4, len(posts) * 3 // 4)

    async def rest() -> list[httpx2.Response]:
        ended = asyncio.create_task(amid()) if amid is not None else None
        if ended is not None and late_ones_wait:
            await ended
        answers = await asyncio.gather(*(post() for post in posts[place:]))
        if ended is not None:
            await ended
        return list(answers)

    early, late = await asyncio.gather(asyncio.gather(*(post() for post in posts[:place])), rest())
    return [*early, *late]


def redeeming(code: str, verifier: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code", "client_id": "spa", "code": code, "code_verifier": verifier,
        "redirect_uri": "http://localhost:8411/cb",
    }  # fmt: skip


def refreshing(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": token}


def told(answers: list[httpx2.Response]) -> Counter[tuple[int, str]]:
    """How often each status came, with its error code."""
    return Counter((answer.status_code, answer.json().get("error", "")) for answer in answers)


async def is_bit_set(visitor: Visitor, node: Child, issuer: str, access_token: str) -> bool:
    """Whether this node's list says that the token's family was ended."""
    claims: dict[str, Any] = json.loads_object(jws.parse(access_token).payload_bytes)
    place = claims["status"]["status_list"]
    n = status_list.number(issuer, place["uri"])
    assert n is not None
    keys = JWKSet.load_foreign((await visitor.get(node.address + "/jwks")).content)
    listed = await visitor.get(f"{node.address}/status/{n}")
    assert listed.status_code == 200
    bitmap = status_list.decode(listed.content, keys, issuer=issuer, n=n)
    return status_list.is_set(bitmap, place["idx"])


async def assert_ended(visitor: Visitor, two: Deployment, access_token: str) -> None:
    """Refused at both nodes, with its bit in the lists of both."""
    for node in two.nodes:
        answer = await visitor.get(node.address + "/userinfo", headers=bearer(access_token))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert await is_bit_set(visitor, node, two.issuer, access_token)


@pytest.mark.rfc("6749", "4.1.2")
@pytest.mark.parametrize(
    "two",
    [BESIDE, pytest.param("postgresql", marks=pytest.mark.threat("O-1", off_system=SPEND_ONCE))],
    indirect=True,
)
@pytest.mark.threat("INF-race")
async def test_of_many_uses_of_one_code_one_wins_and_its_family_is_ended_with_its_bit(
    two: Deployment, visitor: Visitor, rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    bystander = (await visitor.tokens(ADA))["access_token"]
    turns = rounds(test=5, soak=200)
    for _ in turns:
        code, verifier = await visitor.at(rng.choice(two.nodes)).code(ADA)
        answers = await together(visitor, two, rng, [redeeming(code, verifier)] * at_once)
        assert told(answers) == {(200, ""): 1, (400, "invalid_grant"): at_once - 1}
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        await assert_ended(visitor, two, won["access_token"])
        for node in two.nodes:
            refused = await visitor.at(node).refresh(won["refresh_token"])
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await visitor.get("/userinfo", headers=bearer(bystander))).status_code == 200
    held("authorization code", "processes", turns)


@pytest.mark.parametrize(
    "two",
    [BESIDE, pytest.param("postgresql", marks=pytest.mark.threat("INF-race", off_system=ROTATE_ONCE))],
    indirect=True,
)
@pytest.mark.threat("O-1")
async def test_of_many_uses_of_one_refresh_token_one_rotates_and_all_get_its_successor(
    two: Deployment, visitor: Visitor, rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    turns = rounds(test=5, soak=200)
    for _ in turns:
        first = (await visitor.at(rng.choice(two.nodes)).tokens(ADA))["refresh_token"]
        answers = await together(visitor, two, rng, [refreshing(first)] * at_once)
        assert told(answers) == {(200, ""): at_once}
        successors = {answer.json()["refresh_token"] for answer in answers}
        assert len(successors) == 1
        assert first not in successors
        for answer in rng.sample(answers, 2):
            alive = await visitor.get("/userinfo", headers=bearer(answer.json()["access_token"]))
            assert alive.status_code == 200
        (successor,) = successors
        following = await visitor.refresh(successor)
        assert following.status_code == 200
        # The first one again, behind a used successor: somebody has a copy, so the family ends.
        reused = await visitor.at(rng.choice(two.nodes)).refresh(first)
        assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
        await assert_ended(visitor, two, following.json()["access_token"])
    held("refresh token", "processes", turns)


@pytest.mark.parametrize(
    "two",
    [BESIDE, pytest.param("postgresql", marks=pytest.mark.threat("INF-race", off_system=ANSWER_ONCE))],
    indirect=True,
)
@pytest.mark.threat("O-1")
@pytest.mark.threat("EXT-par")
async def test_of_many_answers_on_the_consent_pages_of_one_pushed_request_one_is_taken(
    two: Deployment, visitor: Visitor, rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    await visitor.sign_in(ADA)
    turns = rounds(test=5, soak=200)
    for number in turns:
        asked = {**request_of("native"), "code_challenge": pkce()[1], "prompt": "consent"}
        pushed = await visitor.at(rng.choice(two.nodes)).post("/par", data=asked)
        reference = {"client_id": "native", "request_uri": pushed.json()["request_uri"]}
        pages = []
        for _ in range(1 + number % 2):  # in turn one tab, and two of them
            started = await visitor.at(rng.choice(two.nodes)).get("/authorize", params=reference)
            pages.append((await visitor.get(started.headers["location"])).text)
        forms = [
            {**{name: field_of(page, name) for name in ("csrf", "i", "shown")}, "decision": decision}
            for page in pages
            for decision in ("allow", "refuse")
        ]
        posts = [
            visitor.post(node.address + "/consent", data=form, headers={"origin": two.issuer})
            for node, form, _ in zip(cycle(two.nodes), cycle(forms), range(at_once), strict=False)
        ]
        rng.shuffle(posts)
        answers = await asyncio.gather(*posts)
        assert Counter(answer.status_code for answer in answers) == {303: 1, 400: at_once - 1}
        (won,) = [answer for answer in answers if answer.status_code == 303]
        assert answer_of(won).keys() & {"code", "error"}
    held("consent to a pushed request", "processes", turns)


async def log_out(ender: Visitor, id_token: str, wait: float) -> None:
    await asyncio.sleep(wait)
    answer = await ender.log_out(id_token)
    assert answer.status_code == 200, answer.text


async def disable(third: Issuer, user_id: str, wait: float) -> None:
    await asyncio.sleep(wait)
    await third.services.accounts.disable(user_id, info=RequestInfo(), now=time.time())


@pytest.mark.parametrize("two", [BESIDE, "postgresql"], indirect=True)
@pytest.mark.threat("INF-race", off_system=END_ALL)
@pytest.mark.threat("SES-6")
async def test_an_end_that_races_with_many_issues_under_it_leaves_nothing_alive(
    two: Deployment, visitor: Visitor, rounds: Rounds, rng: Random, at_once: int
) -> None:
    seen: Counter[tuple[int, str]] = Counter()
    third = two.in_process()
    async with third.opened(), two.visitor() as ender:
        for number in rounds(test=5, soak=100):
            visitor.cookies.clear()
            grants = [await visitor.at(rng.choice(two.nodes)).tokens(BO) for _ in range(4)]
            codes = [await visitor.code(BO) for _ in range(at_once // 2)]
            forms = [redeeming(code, verifier) for code, verifier in codes]
            forms += [refreshing(grants[n % 4]["refresh_token"]) for n in range(at_once - len(forms))]
            bo = (await visitor.get("/api/session")).json()["sub"]
            ender.cookies.update(visitor.cookies)

            by_disabling, id_token, node = number % 2 == 1, grants[0]["id_token"], rng.choice(two.nodes)
            # In turn with half of the issues after the answer to it, and with all of them around it.
            late_ones_wait = number % 4 in (0, 3)
            wait = rng.uniform(0, 0.05 if late_ones_wait else 0.15)
            end = (
                partial(disable, third, bo, wait)
                if by_disabling
                else partial(log_out, ender.at(node), id_token, wait)
            )
            answers = await together(visitor, two, rng, forms, end, late_ones_wait)
            seen += told(answers)
            handed_out = grants + [answer.json() for answer in answers if answer.status_code == 200]
            for one in handed_out:
                node = rng.choice(two.nodes)
                answer = await visitor.get(node.address + "/userinfo", headers=bearer(one["access_token"]))
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            for token in {one["refresh_token"] for one in handed_out}:
                refused = await visitor.at(rng.choice(two.nodes)).refresh(token)
                assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
            await assert_ended(visitor, two, handed_out[-1]["access_token"])
            if by_disabling:
                await third.services.accounts.enable(bo, info=RequestInfo(), now=time.time())
    print(f"answers: {dict(seen)}")
    assert set(seen) <= {(200, ""), (400, "invalid_grant")}


@pytest.mark.parametrize(
    "two",
    [pytest.param("sqlite", marks=pytest.mark.threat("O-3", off_system=REMEMBER)), "postgresql"],
    indirect=True,
)
async def test_what_was_ended_and_rotated_stays_so_over_restarts_and_kills(
    two: Deployment, visitor: Visitor, rounds: Rounds, rng: Random
) -> None:
    # No race, and each round waits for a process to start: one of them in the test tier.
    for number in rounds(test=1, soak=20):
        visitor.cookies.clear()
        tokens = await visitor.at(two.front).tokens(ADA)
        kept = dict(visitor.cookies)
        rotated = (await visitor.refresh(tokens["refresh_token"])).json()
        code, verifier = await visitor.code(ADA)
        spent = await visitor.redeem(code, verifier)
        assert spent.status_code == 200
        assert (await visitor.log_out(tokens["id_token"])).status_code == 200
        node = two.nodes[number % 2]
        how = rng.choice((signal.SIGTERM, signal.SIGKILL))
        assert node.stop(how) == (0 if how is signal.SIGTERM else -how)
        node.start()
        visitor.cookies.update(kept)
        for there in two.nodes:
            visitor.at(there)
            assert (await visitor.get("/api/session")).status_code == 401
            for again in (
                await visitor.refresh(tokens["refresh_token"]),
                await visitor.refresh(rotated["refresh_token"]),
                await visitor.refresh(spent.json()["refresh_token"]),
                await visitor.redeem(code, verifier),
            ):
                assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        for one in (tokens, rotated, spent.json()):
            await assert_ended(visitor, two, one["access_token"])


def resident(node: Child) -> float:
    """MiB of memory that a node has."""
    status = Path(f"/proc/{node.pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.threat("PWD-6", off_system="admit.issuer.accounts.pool:BoundedPool.is_full")
@pytest.mark.parametrize("two", ["sqlite"], indirect=True)
async def test_a_flood_of_sign_ins_holds_nothing_else_up(
    two: Deployment, visitor: Visitor, rounds: Rounds
) -> None:
    """A real one: more than may wait are sent at once, and hashed they are by the node's own threads."""
    tokens = await visitor.at(two.front).tokens(ADA)
    flooder = two.visitor()
    page = (await flooder.get("/login")).text
    before = resident(two.front)

    async def sign_in(number: int) -> httpx2.Response:
        return await flooder.submit("/login", page, email=f"flood{number}@example.com", password="a guess")

    async def timed(path: str) -> float:
        began = time.perf_counter()
        answer = await visitor.get(path, headers=bearer(tokens["access_token"]))
        assert answer.status_code == 200
        return time.perf_counter() - began

    began = time.perf_counter()
    flood = asyncio.gather(*map(sign_in, range(len(rounds(test=40, soak=500)))))
    waited = []
    while not flood.done():
        waited += [await timed(path) for path in ("/health/live", "/userinfo", "/api/session")]
    answers = await flood
    took = time.perf_counter() - began
    assert {answer.status_code for answer in answers} == {400, 503}
    assert all(int(one.headers["retry-after"]) > 0 for one in answers if one.status_code == 503)
    # A share of what the flood took, since a machine that is busy slows both.
    assert max(waited) < 0.8 * took, "nobody waits for the flood"
    assert statistics.median(waited) < took / 5
    assert resident(two.front) - before < 2 * 19 + 60, "two hashes at a time, and as many requests that wait"
    await flooder.aclose()
