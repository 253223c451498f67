"""Keys as they are held for what is no token: the answers about opaque ones."""

import pytest

from admit.errors import KeysUnavailableError
from admit.jose import JWK, JWKSet
from admit.verifier import InProcessSource, TrustedIssuer
from admit.verifier.choosing import held_keys
from admit.verifier.hit import Known
from admit.verifier.keys import MAX_STALE
from admit.verifier.snapshot import IssuerSnapshot, KeyView
from tests.fixtures.status_issuer import AUDIENCE, Clock

KEYS = JWKSet([JWK.generate("ES256", kid="k1").public()])


def known(clock: Clock, keys: KeyView | None) -> Known:
    source = InProcessSource(clock=clock.boottime)
    source.snapshot = IssuerSnapshot(keys)
    return Known(TrustedIssuer("https://id.example.com", audience=AUDIENCE, source=source), source)


def test_keys_that_could_not_be_renewed_for_a_day_are_not_given_out() -> None:
    clock = Clock()
    one = known(clock, KeyView(KEYS, JWKSet([]), clock.boot))
    clock.pass_time(MAX_STALE - 1)
    assert held_keys(one, clock.boottime) is KEYS
    clock.pass_time(2)
    with pytest.raises(KeysUnavailableError):
        held_keys(one, clock.boottime)


def test_keys_that_were_configured_do_not_age_and_none_yet_are_none() -> None:
    clock = Clock()
    assert held_keys(known(clock, None), clock.boottime) is None
    one = known(clock, KeyView(KEYS, JWKSet([]), None))
    clock.pass_time(10 * MAX_STALE)
    assert held_keys(one, clock.boottime) is KEYS
