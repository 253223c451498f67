"""Initial access tokens and their policies; on both databases. Races are in `tests/races/test_registration.py`."""

from datetime import timedelta
from typing import Any

import pytest

from admit.issuer.audit.records import NOBODY
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.policy import Policy, allowed_scopes, redirect_host_allowed
from admit.issuer.clients.registration import Registration
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Database
from tests.fixtures.people import NOW

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"redirect_uris": ["https://app.example/cb"], "client_name": "An application"}


def on(db: Database) -> Registration:
    config = RegistrationConfig(enabled=True, per_network=1_000_000)
    return Registration(db, Registry(issuer="https://id.example"), config)


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
