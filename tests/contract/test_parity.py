"""One principal, two ways to carry it: `assert_parity` holds, and sees every difference."""

import time
from dataclasses import replace
from typing import Any

import pytest

from admit.credentials import cookies, lookup
from admit.principal import CredentialKind, Principal
from tests.contract.parity import assert_parity
from tests.contract.services import API, RAW, Issuer


async def both(issuer: Issuer) -> tuple[Principal, Principal]:
    """Alice by token, verified; and by session, over the wire."""
    now = int(time.time())
    token = issuer.verifier.verify(issuer.token(auth_time=now - 120.0))
    found = await issuer.find(cookies.id_hash(RAW), API, now)
    assert found is not None
    return token, lookup.decode(lookup.encode(found)).principal


async def test_token_and_session_say_the_same() -> None:
    token, session = await both(Issuer())
    assert_parity(token, session, all_granted=True)


async def test_a_token_may_have_fewer_scopes_and_never_more() -> None:
    token, session = await both(Issuer())
    fewer = replace(token, scopes=frozenset())
    assert_parity(fewer, session, all_granted=False)
    with pytest.raises(AssertionError):
        assert_parity(fewer, session, all_granted=True)
    with pytest.raises(AssertionError):
        assert_parity(replace(token, scopes=token.scopes | {"more"}), session, all_granted=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://other.example"}, {"subject": "u_bob"}, {"roles": frozenset()}, {"groups": frozenset()},
        {"session_id": "s-2"}, {"session_id": None}, {"auth_time": 1.0}, {"auth_time": None}, {"acr": None},
        {"amr": ()}, {"audience": frozenset({"https://x"})}, {"client_id": "spa"}, {"token_id": "j-1"},
        {"credential": CredentialKind.TOKEN},
    ],
)  # fmt: skip
async def test_every_difference_is_seen(changed: dict[str, Any]) -> None:
    token, session = await both(Issuer())
    with pytest.raises(AssertionError):
        assert_parity(token, replace(session, **changed), all_granted=True)
