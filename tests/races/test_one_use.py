"""What is good for one use has one winner, over two Database objects on both databases.

How many are at it at once says `at_once`: 50 in a soak.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.pushed import PushedRequests, hash_reference, new_reference
from admit.issuer.grants.records import Redeemed, Refreshed, Refusal, Refused
from admit.issuer.sessions.records import NewSession
from tests.fixtures.people import CLIENT, INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain
from tests.races.conftest import Held

# SQLite has one writer, so that there the decision alone, made inside the transaction, keeps a second use out.
SPEND_ONCE = ["admit.issuer.grants.codes:spend", "admit.issuer.grants.rules:unspent"]
ROTATE_ONCE = ["admit.issuer.grants.refreshing:rotate", "admit.issuer.grants.rules:is_current"]
Rounds = Callable[..., range]


@pytest.fixture
async def nodes(open_again: OpenAgain) -> tuple[Parts, Parts]:
    """Two nodes of one deployment."""
    return await Parts.on(await open_again()), await Parts.on(await open_again())


@pytest.mark.threat("INF-race", off=SPEND_ONCE)
@pytest.mark.threat("O-1", off=SPEND_ONCE)
async def test_of_many_uses_of_one_code_one_wins_and_its_family_is_ended_with_its_bit(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    here = nodes[0]
    turns = rounds(test=5, soak=200)
    for count in turns:
        code = await here.code(await here.sign_in(), offline=bool(count % 2))
        order = [nodes[n % 2] for n in range(at_once)]
        rng.shuffle(order)
        outcomes = await asyncio.gather(*(node.redeem(code, now=NOW + 1) for node in order))
        won = [outcome for outcome in outcomes if isinstance(outcome, Redeemed)]
        lost = Counter(outcome.reason for outcome in outcomes if isinstance(outcome, Refused))
        assert len(won) == 1, lost
        assert lost == {Refusal.REUSED: at_once - 1}
        for node in nodes:
            assert await node.is_ended(won[0].family.id)
            assert await node.refresh(won[0].refresh_token, now=NOW + 2) == Refused(Refusal.ENDED)
    assert len(await here.rows("grant_family")) == len(turns)
    held("authorization code", "drivers", turns)


@pytest.mark.rfc("9126", "4")
@pytest.mark.threat("INF-race", off="admit.issuer.grants.pushed:spend")
@pytest.mark.threat("EXT-par", off="admit.issuer.grants.pushed:spend")
async def test_of_many_pages_begun_by_one_pushed_request_one_is_answered(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    turns = rounds(test=5, soak=200)
    for _ in turns:
        new = await nodes[0].sign_in()
        user_id, session_id = new.session.user.id, new.session.id
        pushed = [PushedRequests(node.db) for node in nodes]
        request_uri = new_reference()
        await pushed[0].keep(request_uri, {"parameters": {}}, client_id=CLIENT, info=INFO, now=NOW)
        assert await pushed[1].find(request_uri, client_id=CLIENT, now=NOW) is not None
        reference = hash_reference(request_uri)
        before = len(await nodes[0].rows("authorization_code"))

        async def say_no(
            n: int, reference: bytes = reference, who: tuple[str, str] = (user_id, session_id)
        ) -> Any:
            waiting, binding = nodes[n % 2].interactions, b"b" * 32
            handle = await waiting.begin(client_id=CLIENT, request={}, binding=binding, now=NOW)
            return await waiting.refuse(
                handle, binding, user_id=who[0], session_id=who[1], info=INFO, now=NOW, reference=reference
            )

        work = [say_no(n) for n in range(5)]
        work += [
            nodes[n % 2].codes.issue(nodes[0].authorization(new), info=INFO, now=NOW + 1, reference=reference)
            for n in range(at_once - 5)
        ]
        rng.shuffle(work)
        answered = [outcome for outcome in await asyncio.gather(*work) if outcome is not None]
        assert len(answered) == 1
        codes = len(await nodes[1].rows("authorization_code")) - before
        assert codes == isinstance(answered[0], str)
        assert await pushed[1].find(request_uri, client_id=CLIENT, now=NOW) is None
    held("pushed request", "drivers", turns)


@pytest.mark.threat("INF-race", off="admit.issuer.grants.interactions:finish")
@pytest.mark.threat("O-1", off="admit.issuer.grants.interactions:finish")
async def test_of_many_answers_on_one_consent_page_one_is_taken(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    binding = b"b" * 32
    turns = rounds(test=5, soak=200)
    for _ in turns:
        new = await nodes[0].sign_in()
        user_id, session_id = new.session.user.id, new.session.id
        handle = await nodes[0].interactions.begin(client_id=CLIENT, request={}, binding=binding, now=NOW)

        async def say(
            n: int, handle: str = handle, new: NewSession = new, who: tuple[str, str] = (user_id, session_id)
        ) -> Any:
            node = nodes[n % 2]
            if n % 4 < 2:
                return await node.interactions.refuse(
                    handle, binding, user_id=who[0], session_id=who[1], info=INFO, now=NOW
                )
            return await node.codes.issue(
                node.authorization(new), info=INFO, now=NOW, interaction=(handle, binding)
            )

        order = list(range(at_once))
        rng.shuffle(order)
        taken = [one for one in await asyncio.gather(*map(say, order)) if one is not None]
        assert len(taken) == 1, taken
        codes = [row for row in await nodes[1].rows("authorization_code") if row["user_id"] == user_id]
        assert len(codes) == isinstance(taken[0], str)
        told = [row["event"] for row in await nodes[1].rows("audit") if row["user_id"] == user_id]
        assert told.count("consent.refused") + told.count("code.issued") == 1
    held("consent", "drivers", turns)


@pytest.mark.threat("INF-race", off="admit.issuer.grants.interactions:finish")
async def test_of_many_clicks_on_one_logout_page_one_ends_it(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    turns = rounds(test=5, soak=200)
    for _ in turns:
        binding = rng.randbytes(32)
        handle = await nodes[0].interactions.begin(client_id=CLIENT, request={}, binding=binding, now=NOW)
        work = [nodes[n % 2].interactions.finish(handle, binding, NOW) for n in range(at_once)]
        rng.shuffle(work)
        assert sum(one is not None for one in await asyncio.gather(*work)) == 1
        assert await nodes[1].interactions.get(handle, binding, NOW) is None
    held("logout page", "drivers", turns)


@pytest.mark.threat("INF-race", off=ROTATE_ONCE)
@pytest.mark.threat("O-1", off=ROTATE_ONCE)
async def test_of_many_uses_of_one_refresh_token_one_rotates_and_all_get_its_successor(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    here = nodes[0]
    turns = rounds(test=5, soak=200)
    for _ in turns:
        grant = await here.grant()
        token = grant.refresh_token
        order = [nodes[n % 2] for n in range(at_once)]
        rng.shuffle(order)
        outcomes = await asyncio.gather(*(node.refresh(token, now=NOW + 1) for node in order))
        assert all(isinstance(outcome, Refreshed) for outcome in outcomes), outcomes
        successors = {outcome.refresh_token for outcome in outcomes}
        assert len(successors) == 1
        stored = await nodes[1].families.get(grant.family.id)
        assert stored is not None
        assert (stored.generation, stored.ended_at) == (1, None)
        assert isinstance(await here.refresh(successors.pop(), now=NOW + 2), Refreshed)
    held("refresh token", "drivers", turns)


async def test_without_grace_many_uses_of_one_refresh_token_end_the_family(
    open_again: OpenAgain, rounds: Rounds, at_once: int, held: Held
) -> None:
    config = GrantsConfig(refresh_grace=timedelta(0))
    nodes = [await Parts.on(await open_again(), grants=config) for _ in range(2)]
    turns = rounds(test=5, soak=200)
    for _ in turns:
        grant = await nodes[0].grant()
        outcomes = await asyncio.gather(
            *(nodes[n % 2].refresh(grant.refresh_token, now=NOW + 1) for n in range(at_once))
        )
        assert sum(isinstance(outcome, Refreshed) for outcome in outcomes) == 1
        reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, Refused)}
        assert reasons <= {Refusal.REUSED, Refusal.ENDED}
        assert await nodes[0].is_ended(grant.family.id)
    held("refresh token without grace", "drivers", turns)


async def test_a_logout_that_races_with_codes_and_refreshes_leaves_nothing_alive(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random
) -> None:
    here, there = nodes
    for _ in rounds(test=5, soak=200):
        new = await here.sign_in()
        codes = [await here.code(new) for _ in range(8)]
        grant = await here.grant(new)
        work = [nodes[n % 2].redeem(code) for n, code in enumerate(codes)]
        work += [nodes[n % 2].refresh(grant.refresh_token) for n in range(8)]
        user_id = new.session.user.id
        work.append(there.sessions.end(new.session.id, user_id=user_id, reason="logout", info=INFO, now=NOW))
        rng.shuffle(work)
        await asyncio.gather(*work)
        assert await here.families.list(user_id, NOW) == []
        for row in await here.rows("grant_family"):
            if row["user_id"] == user_id:
                assert await here.is_ended(row["node_id"])


async def test_grants_made_at_once_keep_to_ten_of_a_session_and_client(
    nodes: tuple[Parts, Parts], rounds: Rounds
) -> None:
    here = nodes[0]
    for _ in rounds(test=5, soak=50):
        new = await here.sign_in()
        codes = [await here.code(new) for _ in range(20)]
        outcomes = await asyncio.gather(*(nodes[n % 2].redeem(code) for n, code in enumerate(codes)))
        assert all(isinstance(outcome, Redeemed) for outcome in outcomes)
        assert len(await here.families.list(new.session.user.id, NOW)) == 10
