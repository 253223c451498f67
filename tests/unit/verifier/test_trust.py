"""What a trusted issuer may be made of."""

from datetime import timedelta
from typing import Any

import pytest

from admit.errors import ConfigError, InvalidKeyError
from admit.jose import JWK, JWKSet, Waive
from admit.verifier import AsyncVerifier, InProcessSource, Revocation, TrustedIssuer, Verifier
from tests.fixtures.status_issuer import AUDIENCE

ISS = "https://id.example.com"
SECRET = bytes(range(32))


def test_the_defaults_are_those_that_are_promised() -> None:
    terms = Revocation()
    assert (terms.bound, terms.poll_every, terms.clock_bound) == (30.0, 5.0, 5.0)


def test_a_short_bound_polls_often_enough() -> None:
    terms = Revocation(max_staleness=timedelta(seconds=3))
    assert terms.poll_every == terms.clock_bound == 1.0


@pytest.mark.parametrize(
    "members",
    [
        {"max_staleness": timedelta(0)},
        {"max_staleness": timedelta(hours=1)},
        {"poll": timedelta(seconds=11)},
        {"poll": timedelta(0)},
        {"clock_leeway": timedelta(seconds=31)},
        {"clock_leeway": timedelta(seconds=-1)},
    ],
)
def test_durations_out_of_range_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Revocation(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"secret": SECRET},
        {"secret": SECRET, "jwks": "https://x.example/jwks", "revocation": Waive.REVOCATION},
        {"secret": JWK.generate("ES256"), "revocation": Waive.REVOCATION},
        {"source": InProcessSource(), "jwks": "https://x.example/jwks"},
        {"typ": "JWT"},
        {"typ": Waive.TYP},
        {"audience": []},
        {"audience": ""},
        {"leeway": timedelta(minutes=2)},
        {"jwks": "http://x.example/jwks"},
        {"jwks": JWKSet([JWK.generate("ES256")])},
        {"revocation": None},
        {"revocation": Waive.EXPIRY},
    ],
)
def test_parts_that_do_not_fit_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrustedIssuer(ISS, **{"audience": AUDIENCE, **members})


@pytest.mark.parametrize("issuer", ["http://id.example.com", "id.example.com", "", "https://a@b"])
def test_an_issuer_that_cannot_be_dialled_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigError):
        TrustedIssuer(issuer, audience=AUDIENCE)


def test_a_weak_secret_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        TrustedIssuer(ISS, audience=AUDIENCE, secret=b"short", revocation=Waive.REVOCATION)


def test_a_secret_is_not_shown() -> None:
    trust = TrustedIssuer("backend", audience=AUDIENCE, secret=SECRET, revocation=Waive.REVOCATION)
    assert repr(SECRET) not in repr(trust)


def test_a_verifier_needs_an_issuer_and_each_once() -> None:
    with pytest.raises(ConfigError):
        Verifier()
    with pytest.raises(ConfigError):
        AsyncVerifier(TrustedIssuer(ISS, audience="a"), TrustedIssuer(ISS, audience="b"))


def test_a_verifier_knows_its_audiences_and_issuers() -> None:
    verifier = Verifier(TrustedIssuer(ISS, audience=["a", "b"]))
    assert verifier.audiences == {"a", "b"}
    assert verifier.issuers == {ISS}
