"""A session as the principal of one audience."""

import asyncio

from admit.credentials.lookup import decode, encode
from admit.issuer.clients.records import Resource
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import PERSON_SCOPES
from admit.issuer.sessions.lookup import DirectLookup
from admit.issuer.sessions.rules import hash_id
from admit.principal import CredentialKind
from admit.verifier.own_loop import OWN_LOOP
from tests.fixtures.people import API, INFO, NOW, Parts

ISSUER = "https://id.example"
ORDERS = Resource(
    id=API,
    name="Orders",
    scopes={"orders:read": "See", "orders:all": "See all"},
    roles={"*": frozenset({"orders:read"}), "admin": frozenset({"orders:all"})},
)


def lookup_on(parts: Parts) -> DirectLookup:
    return DirectLookup(parts.sessions, Registry([], [ORDERS], issuer=ISSUER), parts.lists)


async def test_a_session_becomes_a_principal_with_the_scopes_of_its_roles(parts: Parts) -> None:
    user = await parts.user(roles=frozenset({"admin"}), groups=frozenset({"red"}))
    new = await parts.sign_in(user)
    found = await lookup_on(parts).find(hash_id(new.raw), API, NOW + 1)
    assert found is not None
    who = found.principal
    assert (who.issuer, who.subject, who.client_id, who.audience) == (ISSUER, user.id, "admit", {API})
    assert who.scopes == PERSON_SCOPES | {"orders:read", "orders:all"}
    assert (who.roles, who.groups) == ({"admin"}, {"red"})
    assert (who.session_id, who.auth_time, who.acr, who.amr) == (
        new.session.id,
        NOW,
        new.session.acr,
        ("pwd",),
    )
    assert who.credential is CredentialKind.SESSION
    assert not who.is_client
    assert who.claims["email"] == user.email
    assert who.claims["sid"] == new.session.id
    assert found.expires_at == who.expires_at == new.session.expires_at
    ref = parts.lists.ref(new.session.idx)
    assert found.status == (ref.list, ref.position)
    assert decode(encode(found)) == found


async def test_at_an_audience_that_is_no_resource_a_session_has_none_of_its_scopes(parts: Parts) -> None:
    new = await parts.sign_in(await parts.user(roles=frozenset({"admin"})))
    found = await lookup_on(parts).find(hash_id(new.raw), "https://other.example", NOW)
    assert found is not None
    assert found.principal.scopes == PERSON_SCOPES


async def test_an_ended_session_is_nobody_at_the_next_request(parts: Parts) -> None:
    new = await parts.sign_in()
    assert await lookup_on(parts).find(b"x" * 32, API, NOW) is None
    await parts.sessions.end(new.session.id, user_id=new.session.user.id, reason="logout", info=INFO, now=NOW)
    assert await lookup_on(parts).find(hash_id(new.raw), API, NOW) is None


async def test_a_thread_has_it_done_in_the_loop_that_opened_the_database(parts: Parts) -> None:
    new = await parts.sign_in(await parts.user())
    lookup = lookup_on(parts)
    assert lookup.home is asyncio.get_running_loop()
    found = await asyncio.to_thread(
        lambda: OWN_LOOP.wait_for(lambda: lookup.find(hash_id(new.raw), API, NOW + 1), home=lookup.home)
    )
    assert found is not None
    assert found.principal.session_id == new.session.id
