"""The square of RFC 8725 §3.11 and §3.12: every kind of token at every consumer. Only the diagonal passes."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import AdmitError, InvalidKeyError, TokenTypeError
from admit.jose import JWK, JWKSet, Waive, json, jws
from admit.tokens import (
    access,
    identity,
    introspection,
    kinds,
    logout,
    security_event,
    status_head,
    status_list,
    userinfo,
)

ISSUER = "https://id.example.com"
# The worst case: one name is both the client's id and the resource, so audiences tell nothing apart.
AUDIENCE = "https://app.example.com"
NOW = 1_800_000_000
NONCE = "nonce-of-16-or-more"
TOKEN_KEY = JWK.generate("ES256", kid="k1")
STATUS_KEY = JWK.generate("ES256", kid="status-1")
KEYS = JWKSet([TOKEN_KEY.public(), STATUS_KEY.public()])

ACCESS = access.AccessToken(
    issuer=ISSUER, subject="u_alice", audience=AUDIENCE, client_id=AUDIENCE, iat=NOW, exp=NOW + 300, jti="j"
)
IDENTITY = identity.IdToken(
    issuer=ISSUER, subject="u_alice", audience=AUDIENCE, iat=NOW, exp=NOW + 300, nonce=NONCE
)
HEAD = status_head.Head(issuer=ISSUER, nonce=NONCE, iat=NOW, epoch=1, seq=1, lists={})
LOGOUT = logout.LogoutToken(
    issuer=ISSUER, audience=AUDIENCE, iat=NOW, jti="j", subject="u_alice", session_id="s"
)
LIST = status_list.encode(
    ISSUER,
    0,
    status_list.compress(status_list.EMPTY),
    iat=NOW,
    lifetime=timedelta(minutes=5),
    ttl=timedelta(minutes=5),
    key=STATUS_KEY,
)
COMMON = {"iss": ISSUER, "sub": "u_alice", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, "jti": "j"}

Claims = Mapping[str, Any]
KINDS: Mapping[str, tuple[str | None, Claims]] = {
    "access": ("at+jwt", access.claims(ACCESS)),
    "identity": ("JWT", identity.claims(IDENTITY)),
    "list": ("statuslist+jwt", jws.peek_unverified_claims(LIST)),
    "head": ("admit-status-head+jwt", jws.peek_unverified_claims(status_head.sign(HEAD, STATUS_KEY))),
    "logout": ("logout+jwt", logout.claims(LOGOUT)),
    "event": (
        "secevent+jwt",
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": NOW,
            "jti": "j",
            "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "u_alice"},
            "events": {security_event.SESSION_REVOKED: {}},
        },
    ),
    # Answers that are signed: read by no part of ours as a token.
    "introspection": (
        introspection.TYP,
        introspection.claims({"active": True, **COMMON}, issuer=ISSUER, audience=AUDIENCE, iat=NOW),
    ),
    "userinfo": (
        userinfo.TYP,
        jws.peek_unverified_claims(
            userinfo.sign({"sub": "u_alice", "name": "Alice"}, TOKEN_KEY, issuer=ISSUER, audience=AUDIENCE)
        ),
    ),
    # Minted by parts still to come, or by others; each must be refused by every consumer there is.
    "both": (  # a logout and a security event in one
        "secevent+jwt",
        {**COMMON, "sub_id": {"format": "opaque", "id": "u_alice"}, "events": {logout.EVENT: {}}},
    ),
    "proof": ("dpop+jwt", {**COMMON, "htm": "GET", "htu": "https://app.example.com/", "nonce": NONCE}),
    "assertion": ("client-authentication+jwt", {**COMMON, "client_id": AUDIENCE, "events": {}}),
}


def _list_consumer(text: str, keys: JWKSet) -> object:
    return status_list.decode(text, keys, issuer=ISSUER, n=0)


CONSUMERS: Mapping[str, tuple[str | None, JWK, Callable[[str, JWKSet], object]]] = {
    "access": (
        "at+jwt",
        TOKEN_KEY,
        lambda text, keys: access.verify(text, keys, issuer=ISSUER, audience=AUDIENCE, now=NOW),
    ),
    "identity": (
        "JWT",
        TOKEN_KEY,
        lambda text, keys: identity.verify(
            text, keys, issuer=ISSUER, audience=AUDIENCE, nonce=NONCE, now=NOW
        ),
    ),
    "hint": (
        "JWT",
        TOKEN_KEY,
        lambda text, keys: identity.verify_hint(
            text, keys, issuer=ISSUER, audience=Waive.AUDIENCE, now=NOW, expired_ok=Waive.EXPIRY
        ),
    ),
    "logout": (
        "logout+jwt",
        TOKEN_KEY,
        lambda text, keys: logout.verify(text, keys, issuer=ISSUER, audience=AUDIENCE, now=NOW),
    ),
    "event": (
        "secevent+jwt",
        TOKEN_KEY,
        lambda text, keys: security_event.verify(text, keys, issuer=ISSUER, audience=AUDIENCE, now=NOW),
    ),
    "list": ("statuslist+jwt", STATUS_KEY, _list_consumer),
    "head": (
        "admit-status-head+jwt",
        STATUS_KEY,
        lambda text, keys: status_head.verify(text, keys, issuer=ISSUER, nonce=NONCE),
    ),
}
DIAGONAL = {
    ("access", "access"),
    ("identity", "identity"),
    ("identity", "hint"),
    ("logout", "logout"),
    ("event", "event"),
    ("list", "list"),
    ("head", "head"),
}


def sign(claims: Claims, typ: str | None, key: JWK) -> str:
    return jws.sign(json.dumps_object(claims), key, typ=typ)


def passes(kind: str, consumer: str, typ: str | None, key: JWK) -> bool:
    text = sign(KINDS[kind][1], typ, key)
    with contextlib.suppress(AdmitError):
        CONSUMERS[consumer][2](text, KEYS)
        return True
    return False


def passing(how: Callable[[str, str], tuple[str | None, JWK]]) -> set[tuple[str, str]]:
    return {
        (kind, consumer)
        for kind in KINDS
        for consumer in CONSUMERS
        if passes(kind, consumer, *how(kind, consumer))
    }


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.threat("JWT-kinds", off=["admit.tokens.kinds:check_claims", "admit.tokens.kinds:check_key"])
def test_with_its_own_typ_only_the_diagonal_passes() -> None:
    assert passing(lambda kind, consumer: (KINDS[kind][0], CONSUMERS[consumer][1])) == DIAGONAL
    # Where typ cannot tell them apart, the claims do.
    everything = passing(lambda kind, consumer: (CONSUMERS[consumer][0], CONSUMERS[consumer][1]))
    assert everything == DIAGONAL


@pytest.mark.rfc("8725", "3.11")
def test_without_typ_only_id_and_logout_tokens_pass_each_at_its_own() -> None:
    found = passing(lambda kind, consumer: (None, CONSUMERS[consumer][1]))
    assert found == {("identity", "identity"), ("identity", "hint"), ("logout", "logout")}


@pytest.mark.rfc("8725", "3.12")
@pytest.mark.threat("JWT-kinds", off="admit.tokens.kinds:check_claims")
def test_with_a_forged_typ_only_the_diagonal_passes() -> None:
    assert passing(lambda kind, consumer: (CONSUMERS[consumer][0], CONSUMERS[consumer][1])) == DIAGONAL


@pytest.mark.threat("JWT-kinds", off="admit.tokens.kinds:check_key")
def test_with_the_other_sort_of_key_nothing_passes() -> None:
    swapped = {TOKEN_KEY: STATUS_KEY, STATUS_KEY: TOKEN_KEY}
    assert passing(lambda kind, consumer: (CONSUMERS[consumer][0], swapped[CONSUMERS[consumer][1]])) == set()


@pytest.mark.rfc("8725", "3.12")
@pytest.mark.threat("JWT-kinds", off="admit.tokens.kinds:kid_of_verifier")
@pytest.mark.parametrize("consumer", ["access", "identity", "hint", "logout", "event"])
def test_a_status_key_signs_no_token_by_leaving_its_name_out(consumer: str) -> None:
    _, _, reads = CONSUMERS[consumer]
    typ, claims = KINDS["identity" if consumer == "hint" else consumer]
    other = JWK.generate("EdDSA", kid="k1")
    nameless = JWK.load(
        {name: value for name, value in STATUS_KEY.to_dict(private=True).items() if name != "kid"}
    )
    # The status key is the only one of its algorithm, so a header without a kid means it.
    with pytest.raises(TokenTypeError):
        reads(sign(claims, typ, nameless), JWKSet([other.public(), STATUS_KEY.public()]))
    # A token key may leave its name out just so.
    nameless = JWK.load({name: value for name, value in other.to_dict(private=True).items() if name != "kid"})
    assert reads(sign(claims, typ, nameless), JWKSet([other.public(), STATUS_KEY.public()]))


@pytest.mark.parametrize("form", [str, str.encode, jws.parse], ids=["text", "octets", "parsed"])
def test_the_key_that_verified_is_known_of_every_form_of_a_token(form: Callable[[str], Any]) -> None:
    for key, kind in ((TOKEN_KEY, kinds.ACCESS), (STATUS_KEY, kinds.STATUS_HEAD)):
        token = form(sign({}, None, key))
        kinds.check_verified_by(KEYS, token, kind)
        kinds.check_verified_by(key, token, kind)
    for refusing in (KEYS, STATUS_KEY):
        with pytest.raises(TokenTypeError):
            kinds.check_verified_by(refusing, token, kinds.ACCESS)


@pytest.mark.parametrize("one", kinds.KINDS.values(), ids=lambda kind: kind.name)
@pytest.mark.parametrize("other", kinds.KINDS.values(), ids=lambda kind: kind.name)
def test_no_claims_satisfy_two_kinds(one: kinds.Kind, other: kinds.Kind) -> None:
    claims = dict.fromkeys(one.require | other.require)
    if one is other:
        kinds.check_claims(claims, one)
    else:
        with pytest.raises(AdmitError):  # noqa: PT012  # one of the two refuses; which, does not matter
            kinds.check_claims(claims, one)
            kinds.check_claims(claims, other)


def test_a_kid_that_merely_contains_status_is_no_status_key() -> None:
    kinds.check_key("my-status-1", kinds.ACCESS)
    kinds.check_key(None, kinds.ACCESS)
    with pytest.raises(TokenTypeError):
        kinds.check_key("status-", kinds.ACCESS)
    with pytest.raises(TokenTypeError):
        kinds.check_key(None, kinds.STATUS_HEAD)


@pytest.mark.rfc("9701", "5")
@pytest.mark.rfc("OIDC Core", "5.3.2")
def test_answers_are_signed_by_no_status_key_and_say_nothing_that_makes_another_kind_of_them() -> None:
    said = introspection.claims({"active": False}, issuer=ISSUER, audience=AUDIENCE, iat=NOW + 0.5)
    assert said == {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "token_introspection": {"active": False}}
    assert introspection.sign({"active": False}, TOKEN_KEY, issuer=ISSUER, audience=AUDIENCE, iat=NOW)
    with pytest.raises(InvalidKeyError):
        introspection.sign({"active": False}, STATUS_KEY, issuer=ISSUER, audience=AUDIENCE, iat=NOW)
    good: Claims = {"sub": "u_alice", "email": "a@example.com"}
    assert userinfo.sign(good, TOKEN_KEY, issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(InvalidKeyError):
        userinfo.sign(good, STATUS_KEY, issuer=ISSUER, audience=AUDIENCE)
    others: tuple[Claims, ...] = (
        {"exp": NOW},
        {"nonce": "x"},
        {"scope": "x"},
        {"events": {}},
        {"iss": "x"},
        {"aud": "x"},
    )
    for more in others:
        with pytest.raises(AdmitError):
            userinfo.sign({**good, **more}, TOKEN_KEY, issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(AdmitError):
        userinfo.sign({"email": "a@example.com"}, TOKEN_KEY, issuer=ISSUER, audience=AUDIENCE)
