"""`admit.tokens.identity`: ID tokens, OpenID Connect Core §2 and §3.1.3.7."""

from dataclasses import replace
from typing import Any

import pytest

from admit.errors import (
    AdmitError,
    AudienceError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyError,
    IssuerError,
    MalformedTokenError,
    SignatureError,
    TokenTooLargeError,
    TokenTypeError,
)
from admit.jose import JWK, JWKSet, Waive, jws
from admit.jose import claims as jose_claims
from admit.tokens import IdToken, identity

ISSUER = "https://id.example.com"
NOW = 1_800_000_000.0
KEY = JWK.generate("RS256", kid="r1")
STATUS = JWK.generate("ES256", kid="status-1")
KEYS = JWKSet([KEY.public(), STATUS.public()])
ACCESS_TOKEN = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"  # only hashed


def token(**changed: Any) -> IdToken:
    whole = IdToken(
        issuer=ISSUER,
        subject="u_alice",
        audience="spa",
        iat=NOW,
        exp=NOW + 300,
        auth_time=NOW - 10,
        acr="urn:admit:acr:1fa",
        amr=("pwd",),
        session_id="s-1",
        nonce="n-1",
        at_hash=identity.at_hash(ACCESS_TOKEN, "RS256"),
        c_hash=identity.c_hash("a-code", "RS256"),
        claims={"name": "Alice", "email": "alice@example.com"},
    )
    return replace(whole, **changed)


def verify(text: str | bytes, **changed: Any) -> IdToken:
    arguments: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": "spa",
        "nonce": "n-1",
        "now": NOW + 1,
    } | changed
    return identity.verify(text, arguments.pop("key", KEYS), **arguments)


def signed(typ: str | None = "JWT", **changed: Any) -> str:
    claims = {**identity.claims(token()), **changed}
    return jose_claims.encode({n: v for n, v in claims.items() if v is not ...}, KEY, typ=typ)


@pytest.mark.rfc("OIDC Core", "3.1.3.7")
def test_an_id_token_comes_back_as_it_was_minted() -> None:
    text = identity.sign(token(), KEY)
    assert verify(text) == token()
    assert verify(text, access_token=ACCESS_TOKEN) == token()
    assert jws.peek_unverified_header(text) == {"alg": "RS256", "typ": "JWT", "kid": "r1"}


@pytest.mark.rfc("OIDC Core", "3.1.3.7")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"issuer": "https://id.example.com/"}, IssuerError),
        ({"audience": "native"}, AudienceError),
        ({"nonce": "n-2"}, ClaimError),
        ({"nonce": None}, ClaimError),
        ({"now": NOW + 330}, ExpiredTokenError),
        ({"key": JWK.generate("RS256", kid="r1").public()}, SignatureError),
        ({"access_token": ACCESS_TOKEN + "x"}, ClaimError),
    ],
)
def test_an_id_token_is_refused_when_one_thing_is_another(
    changed: dict[str, Any], error: type[AdmitError]
) -> None:
    text = identity.sign(token(), KEY)
    assert verify(text, now=NOW + 329) == token()
    with pytest.raises(error):
        verify(text, **changed)


def test_a_nonce_that_was_sent_must_come_back_and_none_else() -> None:
    without = identity.sign(token(nonce=None), KEY)
    assert verify(without, nonce=None).nonce is None
    with pytest.raises(ClaimError):
        verify(without, nonce="n-1")


def test_at_hash_is_wanted_once_the_access_token_is_shown() -> None:
    without = identity.sign(token(at_hash=None), KEY)
    assert verify(without).at_hash is None
    with pytest.raises(ClaimError):
        verify(without, access_token=ACCESS_TOKEN)


@pytest.mark.rfc("OIDC Core", "3.1.3.6")
def test_at_hash_is_the_example_of_the_specification() -> None:
    # The access token of OpenID Connect Core A.3 and its at_hash there.
    assert (
        identity.at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"
    )
    assert len(identity.at_hash("x", "EdDSA")) == 43
    with pytest.raises(ClaimError):
        identity.at_hash("x", "none")


@pytest.mark.rfc("OIDC Core", "3.3.2.11")
def test_c_hash_is_the_example_of_the_specification() -> None:
    # The code of OpenID Connect Core A.4 and its c_hash there.
    code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
    assert identity.c_hash(code, "RS256") == "LDktKdoQak3Pk0cnXxCltA"
    for wrong in ("é", None):
        with pytest.raises(ClaimError) as caught:
            identity.c_hash(wrong, "RS256")  # type: ignore[arg-type]  # what a caller might hand over
        assert caught.value.claim == "c_hash"
    with pytest.raises(ClaimError):
        identity.c_hash(code, "none")


def test_another_authorized_party_is_refused() -> None:
    assert verify(signed(azp="spa")).azp == "spa"
    with pytest.raises(AudienceError):
        verify(signed(azp="native"))
    with pytest.raises(AudienceError):
        verify(signed(aud=["spa", "native"]))
    assert verify(signed(aud=["spa", "native"], azp="spa")).audience == "spa"


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "statuslist+jwt", "jose"])
def test_another_typ_is_refused(typ: str) -> None:
    with pytest.raises(TokenTypeError):
        verify(signed(typ))


def test_a_missing_typ_is_taken() -> None:
    assert verify(signed(None)) == token()


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat"])
def test_every_required_claim_is_required(name: str) -> None:
    with pytest.raises(ClaimError):
        verify(signed(**{name: ...}))


def test_a_hint_may_have_expired_only_where_that_is_said() -> None:
    text = identity.sign(token(), KEY)
    late = NOW + 90 * 86_400
    found = identity.verify_hint(
        text, KEYS, issuer=ISSUER, audience=Waive.AUDIENCE, now=late, expired_ok=Waive.EXPIRY
    )
    assert (found.subject, found.session_id, found.audience) == ("u_alice", "s-1", "spa")
    with pytest.raises(ExpiredTokenError):
        identity.verify_hint(text, KEYS, issuer=ISSUER, audience=Waive.AUDIENCE, now=late)
    with pytest.raises(AudienceError):
        identity.verify_hint(
            text, KEYS, issuer=ISSUER, audience=frozenset({"a", "b"}), now=late, expired_ok=Waive.EXPIRY
        )


@pytest.mark.parametrize(
    "changed", [{"exp": NOW}, {"subject": ""}, {"claims": {"sub": "x"}}, {"claims": {"scope": "a"}}]
)
def test_what_no_client_would_take_is_not_signed(changed: dict[str, Any]) -> None:
    with pytest.raises(ClaimError):
        identity.sign(token(**changed), KEY)


def test_over_budget_or_with_a_status_key_it_is_not_signed() -> None:
    with pytest.raises(TokenTooLargeError):
        identity.sign(token(claims={"picture": "x" * 3_000}), KEY)
    with pytest.raises(InvalidKeyError):
        identity.sign(token(), STATUS)


@pytest.mark.parametrize("shown", ["t\u00f6k", "\ud800", 7, b"octets"])
def test_an_access_token_that_is_none_has_no_at_hash(shown: Any) -> None:
    text = identity.sign(token(), KEY)
    assert verify(text, access_token=ACCESS_TOKEN)
    with pytest.raises(ClaimError) as caught:
        verify(text, access_token=shown)
    assert caught.value.claim == "at_hash"


def test_octets_are_taken_for_the_token_that_they_are() -> None:
    text = identity.sign(token(), KEY)
    assert verify(text.encode(), access_token=ACCESS_TOKEN) == verify(text)
    hint = identity.verify_hint(text.encode(), KEYS, issuer=ISSUER, audience="spa", now=NOW)
    assert hint == verify(text)


@pytest.mark.parametrize("odd", [b"\xff..", 7, None, ["a"]])
def test_what_is_no_token_is_malformed(odd: Any) -> None:
    with pytest.raises(MalformedTokenError):
        verify(odd)
    with pytest.raises(MalformedTokenError):
        identity.verify_hint(
            jws.parse(identity.sign(token(), KEY)), KEYS, issuer=ISSUER, audience="spa", now=NOW
        )  # type: ignore[arg-type]  # wrong on purpose
