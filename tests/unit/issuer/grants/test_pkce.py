"""PKCE, RFC 7636, and its downgrade."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.grants import rules

# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

unreserved = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=43, max_size=128
)


@pytest.mark.rfc("7636", "4.6")
def test_the_vector_of_the_rfc_verifies() -> None:
    assert rules.challenge_of(VERIFIER) == CHALLENGE
    assert rules.verify_pkce(CHALLENGE, VERIFIER)


@pytest.mark.rfc("7636", "4.6")
@pytest.mark.threat("9700-codeinject", off="admit.issuer.grants.rules:verify_pkce")
@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "",
        CHALLENGE,
        VERIFIER + "x",
        VERIFIER[:-1],
        VERIFIER.swapcase(),
        "x" * 42,
        "x" * 129,
        "x" * 42 + "+",
        "x" * 42 + " ",
        "x" * 42 + "é",
        "x" * 43 + "\n",
    ],
)
def test_a_wrong_short_long_or_odd_verifier_is_refused(verifier: str | None) -> None:
    assert not rules.verify_pkce(CHALLENGE, verifier)


@pytest.mark.threat("9700-codeinject", off="admit.issuer.grants.rules:well_formed_verifier")
@pytest.mark.parametrize("verifier", ["short", "x" * 129, "x" * 42 + "+"])
def test_a_malformed_verifier_is_refused_even_with_its_own_challenge(verifier: str) -> None:
    assert not rules.verify_pkce(rules.challenge_of(verifier), verifier)


@pytest.mark.rfc("9700", "4.8.2")
@pytest.mark.threat("9700-pkcedown", off="admit.issuer.grants.rules:verify_pkce")
def test_a_verifier_without_a_stored_challenge_is_refused() -> None:
    assert rules.verify_pkce(None, None), "an exempted client without PKCE"
    assert not rules.verify_pkce(None, VERIFIER)
    assert not rules.verify_pkce(None, "")


@pytest.mark.threat("9700-pkcedown", off="admit.issuer.grants.rules:verify_pkce")
def test_a_stored_challenge_without_a_verifier_is_refused() -> None:
    assert not rules.verify_pkce(CHALLENGE, None)


@given(unreserved, unreserved)
def test_only_its_own_verifier_answers_a_challenge(one: str, other: str) -> None:
    assert rules.verify_pkce(rules.challenge_of(one), one)
    assert rules.verify_pkce(rules.challenge_of(one), other) == (one == other)


@pytest.mark.rfc("7636", "4.2")
def test_a_challenge_is_base64url_of_32_octets() -> None:
    assert rules.well_formed_challenge(CHALLENGE)
    for text in (
        "",
        CHALLENGE + "=",
        CHALLENGE[:-1],
        CHALLENGE + "A",
        CHALLENGE[:-1] + "+",
        CHALLENGE[:-1] + "\n",
    ):
        assert not rules.well_formed_challenge(text)
