"""Compact JWS: sign, parse, verify."""

import copy
import dataclasses
import json
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from admit import (
    JWK,
    AlgorithmError,
    ConfigError,
    CriticalHeaderError,
    InvalidKeyError,
    MalformedTokenError,
    SignatureError,
)
from admit.jose import JWS_ALGS, VerifiedJws, base64url, jws, peek_unverified_claims, peek_unverified_header
from tests.unit.jose.keys import KEYS, verifying


def raw_token(header: bytes, payload: bytes, key: JWK) -> str:
    """A token with any octets as header, truly signed."""
    signing_input = base64url.encode(header) + b"." + base64url.encode(payload)
    assert key.signer is not None
    return (signing_input + b"." + base64url.encode(key.signer(signing_input))).decode()


@pytest.mark.rfc("7515", "5.1")
@pytest.mark.rfc("7515", "5.2")
@pytest.mark.rfc("7515", "5")
@pytest.mark.parametrize("alg", JWS_ALGS)
def test_what_was_signed_verifies_and_another_key_or_octet_does_not(alg: str) -> None:
    token = jws.sign(b"\x00payload\xff", KEYS[alg], typ="example")
    verified = jws.verify(token, verifying(alg))
    assert verified.payload == b"\x00payload\xff"
    assert dict(verified.header) == {"alg": alg, "typ": "example", "kid": KEYS[alg].kid}
    assert jws.verify(token.encode(), verifying(alg)) == verified
    assert jws.verify(jws.parse(token), verifying(alg)) == verified
    head, body, tail = token.split(".")
    flipped = base64url.encode(b"\x00payload\xfe").decode()
    signature = base64url.decode(tail.encode())
    with pytest.raises(SignatureError):
        jws.verify(f"{head}.{flipped}.{tail}", verifying(alg))
    for odd in (b"", signature[:-1], signature + b"\0", b"\0" + signature, bytes(len(signature))):
        with pytest.raises(SignatureError):
            jws.verify(f"{head}.{body}.{base64url.encode(odd).decode()}", verifying(alg))
    with pytest.raises(SignatureError):
        jws.verify(token, JWK.generate(alg))


@pytest.mark.parametrize("alg", JWS_ALGS)
def test_the_size_is_known_before_signing(alg: str) -> None:
    for octets in range(7):
        token = jws.sign(bytes(octets), KEYS[alg], typ="at+jwt")
        assert jws.size(octets, KEYS[alg], typ="at+jwt") == len(token)


@pytest.mark.rfc("7515", "4.2")
def test_a_header_may_add_members_and_repeat_none() -> None:
    token = jws.sign(b"{}", KEYS["ES256"], typ="dpop+jwt", header={"jwk": {"kty": "EC"}})
    assert peek_unverified_header(token)["jwk"] == {"kty": "EC"}
    for name in ("alg", "kid", "typ", "crit", "b64"):
        with pytest.raises(MalformedTokenError):
            jws.sign(b"{}", KEYS["ES256"], header={name: "x"})
    with pytest.raises(MalformedTokenError):
        jws.sign(b"{}", KEYS["ES256"], header={"x": {1}})


def test_a_token_over_the_bound_is_neither_made_nor_read() -> None:
    with pytest.raises(MalformedTokenError):
        jws.sign(bytes(jws.MAX_TOKEN), KEYS["HS256"])
    with pytest.raises(MalformedTokenError, match="too large"):
        jws.parse(b"a" * (jws.MAX_TOKEN + 1))


def test_a_token_of_just_the_bound_is_made_and_read() -> None:
    token = jws.sign(b"payload", KEYS["HS256"])
    assert jws.sign(b"payload", KEYS["HS256"], max_size=len(token)) == token
    assert jws.parse(token, max_size=len(token)).payload_bytes == b"payload"
    with pytest.raises(MalformedTokenError, match="too large"):
        jws.parse(token, max_size=len(token) - 1)
    with pytest.raises(MalformedTokenError, match="too large"):
        jws.sign(b"payload", KEYS["HS256"], max_size=len(token) - 1)


@pytest.mark.rfc("7515", "3.4")
@pytest.mark.rfc("7518", "3.4")
def test_ecdsa_signatures_have_raw_form_and_range() -> None:
    key, token = KEYS["ES256"], jws.sign(b"x", KEYS["ES256"])
    data, _, tail = token.encode().rpartition(b".")
    good = base64url.decode(tail)
    assert len(good) == 64
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    high = order.to_bytes(32, "big")
    der = key._material.private.sign(data, ec.ECDSA(hashes.SHA256()))
    odd = [
        der,
        bytes(64),
        good[:32] + bytes(32),
        bytes(32) + good[32:],
        good + b"\0",
        b"\0" + good,
        good[:-1],
        good[:32] + high,
        high + good[32:],
        b"\xff" * 64,
        b"",
    ]
    for signature in odd:
        with pytest.raises(SignatureError):
            jws.verify(data + b"." + base64url.encode(signature), key)


@pytest.mark.rfc("7515", "4.3")
@pytest.mark.rfc("7515", "4")
def test_unknown_header_members_are_ignored() -> None:
    token = raw_token(b'{"alg":"ES256","x5t":"abc","colour":{"red":1}}', b"x", KEYS["ES256"])
    assert jws.verify(token, verifying("ES256")).payload == b"x"


@pytest.mark.rfc("7515", "4")
@pytest.mark.rfc("7515", "4.1.1")
@pytest.mark.rfc("7515", "4.1.4")
@pytest.mark.rfc("7515", "4.1.9")
@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b'{"alg":1}',
        b'{"alg":null}',
        b'{"alg":["ES256"]}',
        b'{"alg":"ES256","alg":"ES256"}',
        b'{"alg":"ES256","kid":1}',
        b'{"alg":"ES256","kid":null}',
        b'{"alg":"ES256","kid":"' + b"k" * 129 + b'"}',
        b'{"alg":"ES256","typ":1}',
        b'{"alg":"ES256","typ":null}',
        b'["alg"]',
        b"",
        b'\xef\xbb\xbf{"alg":"ES256"}',
    ],
    ids=lambda header: repr(header[:40]),
)
def test_a_header_that_breaks_a_rule_is_refused_though_the_signature_holds(header: bytes) -> None:
    with pytest.raises(MalformedTokenError):
        jws.verify(raw_token(header, b"x", KEYS["ES256"]), verifying("ES256"))


@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.rfc("7797", "6")
@pytest.mark.parametrize(
    "member",
    [
        b'"crit":["exp"]',
        b'"crit":[]',
        b'"crit":["b64"],"b64":false',
        b'"crit":["exp","exp"]',
        b'"crit":"exp"',
        b'"crit":null',
        b'"b64":false',
        b'"b64":true',
    ],
)
def test_crit_and_b64_are_refused_though_the_signature_holds(member: bytes) -> None:
    with pytest.raises(CriticalHeaderError):
        jws.verify(raw_token(b'{"alg":"ES256",' + member + b"}", b"x", KEYS["ES256"]), verifying("ES256"))


@pytest.mark.rfc("7515", "5.3")
@pytest.mark.rfc("7515", "4.1.1")
def test_the_keys_algorithm_is_compared_exactly() -> None:
    for name in ("EdDSA", "es256", "ES256 ", "ES256\\u0000", "none", ""):
        header = b'{"alg":"%s"}' % name.encode()
        with pytest.raises(AlgorithmError):
            jws.verify(raw_token(header, b"x", KEYS["ES256"]), verifying("ES256"))


def test_headers_are_read_once_and_never_mixed_up() -> None:
    for kid in ("a", "b"):
        key = JWK.load({**KEYS["ES256"].to_dict(private=True), "kid": kid})
        token = jws.sign(b"x", key)
        for _ in range(3):
            assert jws.verify(token, key).header["kid"] == kid
    assert jws.sign(b"x", KEYS["ES256"], typ="a") != jws.sign(b"x", KEYS["ES256"], typ="b")
    many = [jws.verify(jws.sign(b"x", KEYS["HS256"], typ=f"t{n}"), KEYS["HS256"]) for n in range(600)]
    assert [one.header["typ"] for one in many] == [f"t{n}" for n in range(600)]


def test_a_remembered_header_cannot_be_changed_by_who_reads_it() -> None:
    token = jws.sign(b"x", KEYS["HS256"], typ="shared")
    jws.verify(token, KEYS["HS256"])
    with pytest.raises(TypeError):
        jws.verify(token, KEYS["HS256"]).header["alg"] = "none"  # type: ignore[index]  # wrong on purpose


def test_peeking_verifies_nothing_and_keeps_the_rules_of_form() -> None:
    token = jws.sign(b'{"iss":"a"}', KEYS["ES256"])[:-4] + "AAAA"
    assert peek_unverified_claims(token) == {"iss": "a"}
    for peek in (peek_unverified_claims, peek_unverified_header):
        with pytest.raises(MalformedTokenError):
            peek(token + "=")
    with pytest.raises(MalformedTokenError):
        peek_unverified_claims(jws.sign(b"[]", KEYS["ES256"]))


def test_only_verification_makes_a_verified_value() -> None:
    with pytest.raises(SignatureError):
        VerifiedJws({}, b"", None)
    verified = jws.verify(jws.sign(b"x", KEYS["HS256"]), KEYS["HS256"])
    assert copy.copy(verified) == verified
    for changed in ({"payload": b"y"}, {"header": {}}):
        with pytest.raises((TypeError, ValueError)):
            dataclasses.replace(verified, **changed)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(SignatureError):
            dataclasses.replace(verified, proof=object(), **changed)  # type: ignore[arg-type]  # wrong on purpose


def test_what_is_verified_is_what_was_parsed() -> None:
    parsed = jws.parse(jws.sign(b"x", KEYS["HS256"]))
    assert jws.verify(parsed, KEYS["HS256"]).payload == b"x"
    for changed in ({"payload_bytes": b"y"}, {"header": {"alg": "HS256", "kid": "other"}}):
        with pytest.raises((TypeError, ValueError)):
            dataclasses.replace(parsed, **changed)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(MalformedTokenError):
            dataclasses.replace(parsed, proof=object(), **changed)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(MalformedTokenError):
        jws.UnverifiedJws({"alg": "HS256"}, b"y", parsed.signing_input, parsed.signature, None)


def test_a_header_is_the_same_kind_of_value_whether_it_is_read_or_known() -> None:
    key = JWK.generate("HS256")  # whose header nobody has seen
    token = jws.sign(b"{}", key)
    for _ in "ab":
        found = [
            jws.verify(token, key).header,
            jws.parse(token).header,
            jws.verify(jws.parse(token), key).header,
        ]
        assert [one.__class__ for one in found] == [MappingProxyType] * 3
        peeked = peek_unverified_header(token)
        assert json.loads(json.dumps(peeked)) == found[0] == {"alg": "HS256", "kid": key.kid}
        peeked["alg"] = "none"  # its own, and nobody else's
    assert jws.verify(token, key).header["alg"] == "HS256"


@pytest.mark.rfc("7515", "7.1")
@pytest.mark.parametrize("token", [None, 7, "é.é.é", "\ud800", [], b"\xff.\xff.\xff", "", "..", "...."])
def test_what_is_no_token_is_refused(token: object) -> None:
    with pytest.raises(MalformedTokenError):
        jws.verify(token, KEYS["HS256"])  # type: ignore[arg-type]  # wrong on purpose


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        jws.verify(jws.sign(b"x", KEYS["HS256"]), b"key")  # type: ignore[arg-type]  # wrong on purpose


def padded_header(size: int) -> bytes:
    return b'{"alg":"HS256","x":"%s"}' % (b"x" * (size - 22))


@pytest.mark.threat("INF-size", off="admit.jose.jws:read_header")
def test_a_header_over_its_bound_is_not_read_though_its_signature_holds() -> None:
    key = KEYS["HS256"]
    assert len(padded_header(8_192)) == 8_192
    assert jws.verify(raw_token(padded_header(8_192), b"{}", key), key).payload == b"{}"
    with pytest.raises(MalformedTokenError, match="too large"):
        jws.verify(raw_token(padded_header(8_193), b"{}", key), key)


def test_a_header_that_nobody_would_read_is_not_written() -> None:
    key = KEYS["HS256"]
    fits = jws.sign(b"{}", key, header={"x": "x" * 8_100})
    assert jws.verify(fits, key).payload == b"{}"
    with pytest.raises(MalformedTokenError, match="too large"):
        jws.sign(b"{}", key, header={"x": "x" * 8_200})


@pytest.mark.parametrize("bound", ["5", None, 5.0, True, -1])
def test_a_bound_that_is_no_number_of_octets_is_refused(bound: Any) -> None:
    key = KEYS["HS256"]
    with pytest.raises(ConfigError):
        jws.sign(b"{}", key, max_size=bound)
    with pytest.raises(ConfigError):
        jws.parse(jws.sign(b"{}", key, max_size=1_000), max_size=bound)
