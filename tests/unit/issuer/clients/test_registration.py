"""One use of an initial access token lets one client in, however many ask at once; on both databases."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from admit.issuer.audit.records import NOBODY
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.errors import RegistrationTokenError
from admit.issuer.clients.policy import Policy, allowed_scopes, redirect_host_allowed
from admit.issuer.clients.registration import Registered, Registration
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Database
from tests.fixtures.people import NOW
from tests.fixtures.storage import OpenAgain
from tests.plugins.rounds import TIER

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"redirect_uris": ["https://app.example/cb"], "client_name": "An application"}


def on(db: Database) -> Registration:
    config = RegistrationConfig(enabled=True, per_network=1_000_000)
    return Registration(db, Registry(issuer="https://id.example"), config)


async def many(nodes: list[Registration], token: str, times: int) -> list[Registered | BaseException]:
    return await asyncio.gather(
        *(nodes[n % len(nodes)].register(GOOD, token, info=NOBODY, now=NOW) for n in range(times)),
        return_exceptions=True,
    )


async def race(nodes: list[Registration], times: int) -> None:
    token, _ = await nodes[0].invite(uses=1, lifetime=timedelta(hours=1), now=NOW)
    answers = await many(nodes, token, times)
    won = [one for one in answers if isinstance(one, Registered)]
    assert len(won) == 1
    assert all(isinstance(one, RegistrationTokenError) for one in answers if not isinstance(one, Registered))


@pytest.mark.threat("O-1")
async def test_one_use_is_one_client_over_two_nodes(
    open_again: OpenAgain, rounds: Callable[..., range]
) -> None:
    nodes = [on(await open_again()), on(await open_again())]
    for _ in rounds(quick=1, test=5, soak=200):
        await race(nodes, 50 if TIER == "soak" else 6)


async def test_of_two_updates_at_once_one_is_done_and_removal_is_once(open_again: OpenAgain) -> None:
    nodes = [on(await open_again()), on(await open_again())]
    token, _ = await nodes[0].invite(uses=1, lifetime=timedelta(hours=1), now=NOW)
    made = await nodes[0].register(GOOD, token, info=NOBODY, now=NOW)
    members = {**GOOD, "client_id": made.client.id}
    own = made.registration_access_token
    answers = await asyncio.gather(
        *(
            nodes[n % 2].replace(
                made.client.id, own, {**members, "client_name": f"Name {n}"}, info=NOBODY, now=NOW
            )
            for n in range(6)
        ),
        return_exceptions=True,
    )
    (won,) = [one for one in answers if isinstance(one, Registered)]
    found = await nodes[1].read(made.client.id, won.registration_access_token)
    assert found.client == won.client


async def test_an_invitation_bounds_what_its_clients_have_later_too(db: Database) -> None:
    registration = on(db)
    policy = Policy(scopes=frozenset({"openid"}), grant_types=frozenset({"authorization_code"}))
    token, invite = await registration.invite(uses=1, lifetime=timedelta(hours=1), policy=policy, now=NOW)
    made = await registration.register({**GOOD, "scope": "openid profile"}, token, info=NOBODY, now=NOW)
    assert made.client.scopes == {"openid"}
    assert made.client.trusted
    assert await registration.remove_invite(invite.id, now=NOW)
    members = {**GOOD, "client_id": made.client.id, "scope": "openid profile email"}
    replaced = await registration.replace(
        made.client.id, made.registration_access_token, members, info=NOBODY, now=NOW
    )
    assert replaced.client.scopes == {"openid"}
    assert replaced.client.trusted
    assert await registration.invites(NOW) == []


async def test_an_invitation_has_some_uses_and_some_time(db: Database) -> None:
    registration = on(db)
    for uses, hours in ((0, 1), (-1, 1), (10_001, 1), (1, 0), (1, -1)):
        with pytest.raises(ValueError, match="invitation"):
            await registration.invite(uses=uses, lifetime=timedelta(hours=hours), now=NOW)
    assert await registration.invites(NOW) == []


def test_a_policy_is_kept_as_it_is_and_bounds_scopes_and_hosts() -> None:
    policy = Policy(
        scopes=frozenset({"openid", "email"}), grant_types=frozenset({"authorization_code"}),
        redirect_hosts=frozenset({"app.example", "*.b.example"}), trusted=True,
    )  # fmt: skip
    assert Policy.read(policy.write()) == policy
    assert allowed_scopes(policy, None) == policy.scopes
    assert allowed_scopes(policy, ["openid", "admin"]) == {"openid"}
    for uri, good in {
        "https://app.example/cb": True, "https://a.b.example/cb": True, "https://b.example/cb": False,
        "https://ab.example/cb": False, "https://app.example.evil.example/cb": False, "com.example:/cb": False,
        "https://app.example:8443/cb": True,
    }.items():  # fmt: skip
        assert redirect_host_allowed(policy, uri) is good, uri
    assert redirect_host_allowed(Policy(scopes=frozenset(), grant_types=frozenset()), "com.example:/cb")
