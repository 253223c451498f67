"""Initial access tokens and their policies; on both databases. Races are in `tests/races/test_registration.py`."""

from datetime import timedelta
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.audit.records import NOBODY
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.errors import InvalidClientMetadataError
from admit.issuer.clients.policy import Policy, allowed_scopes, redirect_host_allowed
from admit.issuer.clients.records import Client
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


async def test_what_operators_alone_can_mend_is_not_told_to_who_registers(db: Database) -> None:
    """The API that has the scope was taken out of the settings after the invitation was made."""
    registration = on(db)
    policy = Policy(scopes=frozenset({"orders:read"}), grant_types=frozenset({"authorization_code"}))
    token, _ = await registration.invite(uses=1, lifetime=timedelta(hours=1), policy=policy, now=NOW)
    with pytest.raises(InvalidClientMetadataError) as told:
        await registration.register({**GOOD, "scope": "orders:read"}, token, info=NOBODY, now=NOW)
    assert told.value.description == "it names a scope that none of its resources has."
    assert told.value.detail == "it names a scope that none of its resources has"

    client = Client(id="app", name="App", redirect_uris=("https://app.example/cb",), scopes=policy.scopes)
    with pytest.raises(ConfigError, match=r"orders:read.*--resource") as operators:
        Registry(issuer="https://id.example").check(client)
    assert str(operators.value).startswith("client app names a scope that none of its resources has")


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
