"""Tokens that nobody on the way can read: signed inside, or under a shared key."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from admit import (
    JWK,
    AudienceError,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    JWKSet,
    MalformedTokenError,
    SignatureError,
    TokenError,
    TokenTypeError,
    jwt,
)
from admit.errors import DecryptionError
from admit.jose import jwe, jws

NOW, ISS, API = 1_800_000_000.0, "https://id.example.com", "https://api.example.com"
MINUTES = timedelta(minutes=5)
SIGNER, READER, SHARED = JWK.generate("ES256"), JWK.generate("ECDH-ES+A128KW"), JWK.generate("A256GCM")
SAID = {"issuer": ISS, "audience": API}


def nested(**changed: object) -> str:
    how = {"signed_with": SIGNER, "lifetime": MINUTES, "now": NOW, **SAID, **changed}
    return jwt.encrypt({"sub": "alice"}, READER.public(), **how)  # type: ignore[arg-type]


@dataclass
class Claims:
    sub: str
    exp: int


@pytest.mark.rfc("7519", "11.2")
@pytest.mark.rfc("7519", "5.2")
def test_a_signed_token_inside_an_encrypted_one_is_read_by_its_reader() -> None:
    token = nested()
    assert "alice" not in token
    claims = jwt.decrypt(token, READER, signed_by=SIGNER.public(), now=NOW, **SAID)
    assert claims["sub"] == "alice"
    whole = jwt.decrypt(token, READER, signed_by=JWKSet([SIGNER.public()]), now=NOW, into=Claims, **SAID)
    assert whole == Claims("alice", int(NOW) + 300)


@pytest.mark.threat("JWT-all-ops", off="admit.jose.jws:check_signature")
@pytest.mark.rfc("8725", "3.3")
def test_the_signature_inside_is_checked() -> None:
    token = nested(signed_with=JWK.load(JWK.generate("ES256").to_dict(private=True), kid=None))
    stranger = JWK.generate("ES256").public()
    with pytest.raises(SignatureError):
        jwt.decrypt(token, READER, signed_by=stranger, now=NOW, **SAID)


@pytest.mark.threat("JWT-all-ops", off="admit.jose.encrypted_claims:check_shared")
@pytest.mark.rfc("8725", "3.3")
def test_claims_that_anybody_could_have_encrypted_are_not_believed() -> None:
    payload = json.dumps({"sub": "root", "iss": ISS, "aud": API, "exp": int(NOW) + 60}).encode()
    forged = jwe.encrypt(payload, READER.public(), typ="JWT")
    with pytest.raises((ConfigError, TokenError)):
        jwt.decrypt(forged, READER, now=NOW, **SAID)


@pytest.mark.rfc("8725", "3.3")
@pytest.mark.rfc("7519", "7.2")
def test_raw_claims_are_no_signed_token() -> None:
    payload = json.dumps({"sub": "root", "iss": ISS, "aud": API, "exp": int(NOW) + 60}).encode()
    for cty in (None, "JWT", "json"):
        with pytest.raises(MalformedTokenError):
            jwt.decrypt(
                jwe.encrypt(payload, READER.public(), typ="JWT", cty=cty),
                READER, signed_by=SIGNER.public(), now=NOW, **SAID,
            )  # fmt: skip


def test_under_a_shared_key_the_claims_may_stand_as_they_are() -> None:
    token = jwt.encrypt({"sub": "alice"}, SHARED, lifetime=MINUTES, now=NOW, **SAID)
    assert jwt.decrypt(token, SHARED, now=NOW, **SAID)["sub"] == "alice"
    with pytest.raises(ConfigError):
        jwt.encrypt({"sub": "alice"}, READER.public(), lifetime=MINUTES, now=NOW, **SAID)
    with pytest.raises(DecryptionError):
        jwt.decrypt(token, JWK.generate("A256GCM"), now=NOW, **SAID)
    # A token inside is not read where nobody is named who may have signed it.
    signed = jwt.encrypt({"sub": "a"}, SHARED, signed_with=SIGNER, lifetime=MINUTES, now=NOW, **SAID)
    with pytest.raises(TokenTypeError):
        jwt.decrypt(signed, SHARED, now=NOW, **SAID)


def test_only_one_layer_is_opened() -> None:
    inner = nested()
    twice = jwe.encrypt(inner.encode(), READER.public(), typ="JWT", cty="JWT")
    with pytest.raises(MalformedTokenError):
        jwt.decrypt(twice, READER, signed_by=SIGNER.public(), now=NOW, **SAID)


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.parametrize("outer", [None, "JWT", "at+jwt", "application/at+jwt"])
def test_the_kind_is_named_inside_and_may_be_outside(outer: str | None) -> None:
    def wrapped(kind: str) -> str:
        inner = jwt.sign({"sub": "alice"}, SIGNER, lifetime=MINUTES, typ=kind, now=NOW, **SAID)
        return jwe.encrypt(inner.encode(), READER.public(), typ=outer, cty="JWT")

    how = {"signed_by": SIGNER.public(), "typ": "at+jwt", "now": NOW, **SAID}
    assert jwt.decrypt(wrapped("at+jwt"), READER, **how)["sub"] == "alice"
    for kind in ("JWT", "logout+jwt"):
        with pytest.raises(TokenTypeError):
            jwt.decrypt(wrapped(kind), READER, **how)


def test_an_encryption_that_names_another_kind_is_refused_whatever_is_inside() -> None:
    inner = jwt.sign({}, SIGNER, lifetime=MINUTES, typ="at+jwt", now=NOW, **SAID)
    token = jwe.encrypt(inner.encode(), READER.public(), typ="logout+jwt", cty="JWT")
    with pytest.raises(TokenTypeError):
        jwt.decrypt(token, READER, signed_by=SIGNER.public(), typ="at+jwt", now=NOW, **SAID)


def test_claims_and_kind_are_held_as_those_of_a_signed_token() -> None:
    with pytest.raises(ExpiredTokenError):
        jwt.decrypt(nested(), READER, signed_by=SIGNER.public(), now=NOW + 400, **SAID)
    with pytest.raises(AudienceError):
        jwt.decrypt(nested(), READER, signed_by=SIGNER.public(), now=NOW, issuer=ISS, audience="other")
    with pytest.raises(TokenTypeError):
        jwt.decrypt(nested(typ="at+jwt"), READER, signed_by=SIGNER.public(), now=NOW, **SAID)
    assert jwt.decrypt(nested(typ="at+jwt"), READER, signed_by=SIGNER.public(), typ="at+jwt", now=NOW, **SAID)
    with pytest.raises(TokenError):
        jwt.decrypt(jws.sign(b"{}", SIGNER), READER, signed_by=SIGNER.public(), now=NOW, **SAID)
    with pytest.raises(ConfigError):
        jwt.decrypt(nested(), READER, signed_by=SIGNER.public(), issuer=ISS, audience=["x"])  # type: ignore[arg-type]


@pytest.mark.rfc("7520", "6")
def test_the_nested_example_of_the_cookbook_is_read() -> None:
    example = json.loads((Path(__file__).parents[2] / "vectors/rfc7520/nested.json").read_text("utf-8"))
    reader = JWK.load(example["encrypt"]["input"]["key"], alg="RSA-OAEP")
    signer = JWK.load(example["sign"]["input"]["key"], alg="PS256").public()
    outer = example["encrypt"]["output"]["compact"]
    assert jwe.decrypt(outer, reader).header["cty"] == "JWT"
    claims = jwt.decrypt(
        outer, reader, signed_by=signer, issuer="hobbiton.example", now=1_300_819_000,
        audience=jwt.Waive.AUDIENCE,
    )  # fmt: skip
    assert claims["http://example.com/is_root"] is True


@pytest.mark.rfc("7519", "5.3")
def test_claims_that_the_header_repeats_are_those_inside() -> None:
    signed = jwt.sign({"sub": "alice"}, SIGNER, issuer=ISS, audience=API, lifetime=MINUTES, now=NOW)
    bare = json.dumps({"iss": ISS, "aud": [API, "b"], "exp": int(NOW) + 60}).encode()

    def read(header: dict[str, object], *, shared: bool) -> object:
        if shared:
            return jwt.decrypt(jwe.encrypt(bare, SHARED, header=header), SHARED, now=NOW, **SAID)
        token = jwe.encrypt(signed.encode(), READER.public(), cty="JWT", header=header)
        return jwt.decrypt(token, READER, signed_by=SIGNER.public(), now=NOW, **SAID)

    assert read({"iss": ISS, "sub": "alice", "aud": API, "name": "anything"}, shared=False)
    assert read({"iss": ISS, "aud": [API, "b"]}, shared=True)
    for name, odd in (
        ("iss", ISS + "/"),
        ("sub", "bob"),
        ("sub", None),
        ("aud", [API]),
        ("aud", None),
        ("iss", 1),
    ):
        with pytest.raises(ClaimError, match="of the header") as caught:
            read({name: odd}, shared=False)
        assert caught.value.claim == name
    for name, odd in (("sub", "alice"), ("sub", None), ("aud", API), ("aud", ["b", API])):
        with pytest.raises(ClaimError, match="of the header"):
            read({name: odd}, shared=True)
