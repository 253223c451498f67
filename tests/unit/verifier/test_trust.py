"""What a trusted issuer may be made of."""

from datetime import timedelta
from typing import Any

import pytest

from admit.errors import ConfigError, InvalidKeyError
from admit.jose import JWK, JWKSet, Waive
from admit.verifier import AsyncVerifier, InProcessSource, Revocation, TrustedIssuer, Verifier, presets
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
        {"max_staleness": 30},
        {"max_staleness": None},
        {"poll": 5},
        {"clock_leeway": "5"},
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
        {"audience": None},
        {"audience": 5},
        {"audience": b"https://api.example.com"},
        {"audience": [["https://api.example.com"]]},
        {"audience": {"https://api.example.com": True}},
        {"metadata": 5},
        {"jwks": b"https://x.example/jwks"},
        {"secret": SECRET.hex(), "revocation": Waive.REVOCATION},
        {"algorithms": 5},
        {"algorithms": [["ES256"]]},
        {"require": None},
        {"introspection": "https://x.example/introspect"},
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
    for weak in (b"short", b"a-development-secret-of-mine-32-bytes!!"):
        with pytest.raises(InvalidKeyError, match=r"secrets\.token_bytes\(32\)") as refused:
            TrustedIssuer(ISS, audience=AUDIENCE, secret=weak, revocation=Waive.REVOCATION)
        assert weak.decode() not in str(refused.value)


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"secret": SECRET.hex()}, r"secret is octets \(\.encode\(\)"),
        ({"secret": bytearray(SECRET)}, "secret is octets"),
        ({"jwks": {"keys": []}}, r"JWKSet\.load_foreign"),
        ({"jwks": [{"kty": "EC"}]}, r"JWKSet\.load_foreign"),
        ({"jwks": JWK.generate("ES256").public()}, r"JWKSet\.load_foreign"),
    ],
    ids=["text", "bytearray", "document", "list", "key"],
)
def test_keys_of_another_form_are_never_passed_over_for_those_that_a_name_publishes(
    members: dict[str, Any], wanted: str
) -> None:
    with pytest.raises(ConfigError, match=wanted):
        TrustedIssuer(ISS, audience=AUDIENCE, revocation=Waive.REVOCATION, **members)


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


@pytest.mark.parametrize(
    "issuer", [None, 5, "", b"https://id.example.com", ["https://id.example.com"]], ids=repr
)
def test_an_issuer_is_a_text(issuer: Any) -> None:
    with pytest.raises(ConfigError, match="issuer is the text"):
        TrustedIssuer(issuer, audience=AUDIENCE, jwks=JWKSet([]), revocation=Waive.REVOCATION)


@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
@pytest.mark.parametrize(
    "given",
    [ISS, None, presets.AUTH0, TrustedIssuer, [TrustedIssuer(ISS, audience=AUDIENCE)]],
    ids=["url", "none", "preset", "class", "list"],
)
def test_a_verifier_takes_trusted_issuers_and_says_how(kind: Any, given: Any) -> None:
    with pytest.raises(ConfigError, match=r"Verifier\(TrustedIssuer\("):
        kind(given)
    with pytest.raises(ConfigError, match=r"Verifier\(TrustedIssuer\("):
        kind(TrustedIssuer(ISS, audience=AUDIENCE), given)
