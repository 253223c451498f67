"""Ledger: every operation on a token is checked; what is encrypted is not thereby believed (RFC 8725 §3.2 to §3.6)."""

import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from admit import (
    JWK,
    AdmitError,
    AlgorithmError,
    CriticalHeaderError,
    MalformedTokenError,
    SignatureError,
    TokenError,
    jwt,
)
from admit.jose import (
    base64url,
    decrypt_json,
    encrypt_json,
    jwe,
    jws,
    sign_json,
    verify_detached,
    verify_json,
)
from admit.jose.content import CONTENT_ALGS
from tests.plugins.patience import least_cpu
from tests.threats.forge import API, GOOD, ISS, KEYS, LIFETIME, NOW, forged, public, reads

READER, SHARED = JWK.generate("ECDH-ES+A128KW"), JWK.generate("A128KW")
OAEP = JWK.load(KEYS["RS256"].to_dict(private=True) | {"alg": "RSA-OAEP", "kid": "oaep"})
TOKEN = jws.sign(json.dumps(GOOD).encode(), KEYS["ES256"])
DATA, _, TAIL = TOKEN.rpartition(".")
PAIR = base64url.decode(TAIL.encode())
R, S = int.from_bytes(PAIR[:32], "big"), int.from_bytes(PAIR[32:], "big")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def with_signature(signature: bytes) -> str:
    return f"{DATA}.{base64url.encode(signature).decode()}"


def test_the_token_that_the_others_are_made_of_is_good() -> None:
    assert reads(TOKEN, public("ES256")) == GOOD
    assert reads(with_signature(PAIR), public("ES256")) == GOOD


@pytest.mark.rfc("7518", "3.4")
@pytest.mark.threat("JWT-all-ops", off="admit.jose.algorithms:read_ecdsa")
@pytest.mark.parametrize(
    "signature",
    [encode_dss_signature(R, S), PAIR + b"\x00", PAIR + PAIR],
    ids=["DER", "an octet more", "twice"],
)
def test_another_form_of_a_true_ecdsa_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureError):
        reads(with_signature(signature), public("ES256"))


@pytest.mark.threat("JWT-all-ops", off="admit.jose.jws:check_signature")
@pytest.mark.parametrize(
    "signature",
    [
        bytes(64),
        bytes(32) + PAIR[32:],
        PAIR[:32] + bytes(32),
        ORDER.to_bytes(32, "big") + PAIR[32:],
        b"\xff" * 64,
        PAIR[:-1],
        PAIR[1:],
        PAIR[:32],
        PAIR[32:] + PAIR[:32],
        b"",
    ],
    ids=["zeros", "r=0", "s=0", "r=n", "ones", "truncated", "behead", "half", "swapped", "empty"],
)
def test_a_signature_at_an_edge_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureError):
        reads(with_signature(signature), public("ES256"))


@pytest.mark.threat("JWT-alg-weak")
def test_no_nonce_of_a_signature_is_used_twice() -> None:
    """A repeated r would give the private key away."""
    made = [jws.sign(b"%d" % (n // 2), KEYS["ES256"]).rpartition(".")[2] for n in range(200)]
    first = {base64url.decode(one.encode())[:32] for one in made}
    assert len(first) in (100, 200)  # deterministic, or hedged


@pytest.mark.rfc("7518", "4.2")
@pytest.mark.rfc("8725", "3.2")
@pytest.mark.threat("JWT-alg-weak", off="admit.jose.header:check_alg")
@pytest.mark.parametrize("good", [True, False], ids=["good padding", "bad padding"])
def test_a_token_by_rsa1_5_is_refused_before_its_padding_is_looked_at(good: bool) -> None:
    row, cek = CONTENT_ALGS["A128GCM"], bytes(range(16))
    head = base64url.encode(b'{"alg":"RSA1_5","enc":"A128GCM"}')
    wrapped = OAEP._material.public.encrypt(cek, padding.PKCS1v15()) if good else bytes(255) + b"\x01"
    ciphertext, tag = row.encrypt(cek, bytes(12), b"text", head)
    parts = b".".join(base64url.encode(part) for part in (wrapped, bytes(12), ciphertext, tag))
    with pytest.raises(AlgorithmError) as refused:
        jwe.decrypt(head + b"." + parts, OAEP)
    assert refused.value.detail == "alg is not the key's"


def nested(inner: str) -> str:
    return jwe.encrypt(inner.encode(), READER.public(), typ="JWT", cty="JWT")


def opens(token: str) -> dict[str, Any]:
    return jwt.decrypt(token, READER, signed_by=public("ES256"), issuer=ISS, audience=API, now=NOW)


def test_a_signed_token_inside_an_encrypted_one_is_read() -> None:
    assert opens(nested(TOKEN)) == GOOD


@pytest.mark.rfc("8725", "3.3")
@pytest.mark.threat("JWT-all-ops", off=["admit.jose.header:check_alg", "admit.jose.jws:check_signature"])
@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "ES256"}, {"alg": "HS256"}], ids=str)
def test_a_token_inside_that_nobody_signed_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        opens(nested(forged(header, GOOD, b"")))


@pytest.mark.rfc("7519", "5.2")
@pytest.mark.threat("JWT-all-ops", off="admit.jose.encrypted_claims:check_nested")
@pytest.mark.parametrize("cty", [None, "json", "JWE", "JWT2"])
def test_what_does_not_say_that_a_token_is_inside_is_not_read_as_one(cty: str | None) -> None:
    with pytest.raises(MalformedTokenError):
        opens(jwe.encrypt(TOKEN.encode(), READER.public(), typ="JWT", cty=cty))


@pytest.mark.threat("JWT-all-ops", off="admit.jose.jws:split")
def test_an_encrypted_token_is_no_signed_one() -> None:
    token = jwt.encrypt({}, SHARED, issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW)
    assert jwt.decrypt(token, SHARED, issuer=ISS, audience=API, now=NOW)
    with pytest.raises(MalformedTokenError):
        reads(token, public("ES256"))


@pytest.mark.rfc("7516", "11.5")
@pytest.mark.threat("JWT-inputs")
@pytest.mark.parametrize("alg", ["RSA-OAEP-256", "ECDH-ES+A128KW", "A128KW", "A128GCMKW"])
def test_a_key_that_cannot_be_unwrapped_looks_like_a_content_that_cannot_be_opened(alg: str) -> None:
    """Who sends altered keys learns nothing of where they failed."""
    key = JWK.generate(alg)
    head, wrapped, iv, text, tag = jwe.encrypt(b"text", key, enc="A128CBC-HS256").split(".")
    other = jwe.encrypt(b"text", key, enc="A256GCM").split(".")[1]  # a true key of another size
    flipped = ("B" if wrapped[0] == "A" else "A") + wrapped[1:]
    told = set()
    for parts in (
        (head, flipped, iv, text, tag),
        (head, other, iv, text, tag),
        (head, "", iv, text, tag),
        (head, wrapped, iv, text, base64url.encode(bytes(16)).decode()),
        (head, wrapped, iv, base64url.encode(bytes(15)).decode(), tag),
        (head, wrapped, "", text, tag),
    ):
        with pytest.raises(AdmitError) as refused:
            jwe.decrypt(".".join(parts), key)
        told.add((type(refused.value), refused.value.detail))
    assert len(told) == 1
    assert jwe.decrypt(".".join((head, wrapped, iv, text, tag)), key).plaintext == b"text"


def sealed(header: dict[str, Any], content: bytes = b"text") -> str:
    """A truly encrypted token of any header, put together by hand."""
    row = CONTENT_ALGS["A128GCM"]
    assert SHARED.wrapper is not None
    wrapped = SHARED.wrapper(row, None, {})
    head = base64url.encode(json.dumps({"alg": "A128KW", "enc": row.name, **header}).encode())
    ciphertext, tag = row.encrypt(wrapped.cek, bytes(12), content, head)
    parts = (wrapped.encrypted_key, bytes(12), ciphertext, tag)
    return b".".join((head, *(base64url.encode(part) for part in parts))).decode()


def test_a_token_put_together_by_hand_is_read() -> None:
    assert jwe.decrypt(sealed({"x": 1}), SHARED).plaintext == b"text"


def signed_json(header: dict[str, Any]) -> dict[str, Any]:
    head, body, tail = jws_of(header).split(".")
    return {"protected": head, "payload": body, "signature": tail}


def jws_of(header: dict[str, Any]) -> str:
    data = b".".join(
        base64url.encode(part) for part in (json.dumps({"alg": "ES256", **header}).encode(), b"text")
    )
    signer = KEYS["ES256"].signer
    assert signer is not None
    return (data + b"." + base64url.encode(signer(data))).decode()


def detached(header: dict[str, Any]) -> str:
    head, _, tail = jws_of(header).split(".")
    return f"{head}..{tail}"


FORMS: dict[str, Callable[[dict[str, Any]], object]] = {
    "signed": lambda header: jws.verify(jws_of(header), public("ES256")),
    "signed, in JSON": lambda header: verify_json(signed_json(header), public("ES256")),
    "signed, detached": lambda header: verify_detached(detached(header), b"text", public("ES256")),
    "encrypted": lambda header: jwe.decrypt(sealed(header), SHARED),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_header_member_that_is_not_critical_is_ignored_in_every_form(form: str) -> None:
    assert FORMS[form]({"x": 1})


@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.rfc("7516", "4.1.13")
@pytest.mark.threat("JWT-crit", off=["admit.jose.header:check_crit", "admit.jose.header:check_b64"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("crit", [["x"], [], ["x", "x"], ["alg"], "x"], ids=repr)
def test_a_critical_header_is_never_ignored_in_any_form(form: str, crit: object) -> None:
    with pytest.raises(CriticalHeaderError):
        FORMS[form]({"crit": crit, "x": 1})


@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.threat("JWT-crit")
@pytest.mark.parametrize("crit", [["x"], ["b64"], []], ids=repr)
def test_a_crit_that_nobody_signed_is_refused(crit: list[str]) -> None:
    made = sign_json(b"text", KEYS["ES256"])
    assert verify_json(made | {"header": {"x": 1}}, public("ES256"))
    with pytest.raises(MalformedTokenError):
        verify_json(made | {"header": {"crit": crit, "x": 1}}, public("ES256"))
    closed = encrypt_json(b"text", SHARED, unprotected={"x": 1})
    assert decrypt_json(closed, SHARED)
    with pytest.raises(MalformedTokenError):
        decrypt_json(closed | {"unprotected": {"crit": crit, "x": 1}}, SHARED)


def deflated(plain: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(plain) + packer.flush()


@pytest.mark.rfc("7516", "4.1.3")
@pytest.mark.rfc("8725", "3.6")
@pytest.mark.threat("JWT-zip", off="admit.jose.jwe:inflate")
def test_a_hundred_megabytes_in_a_small_token_cost_next_to_nothing() -> None:
    bomb = sealed({"zip": "DEF"}, deflated(bytes(100_000_000)))

    def tried() -> None:
        with pytest.raises(TokenError):
            jwe.decrypt(bomb, SHARED)

    assert least_cpu(tried) < 0.05
    assert jwe.decrypt(sealed({"zip": "DEF"}, deflated(b"text")), SHARED).plaintext == b"text"


@pytest.mark.threat("JWT-zip")
def test_nothing_is_compressed_and_a_megabyte_is_not_looked_at() -> None:
    secret = "a" * 10_000
    token = jwt.encrypt({"sub": secret}, SHARED, issuer=ISS, audience=API, lifetime=LIFETIME)
    assert len(token) > len(secret)
    head = json.loads(base64url.decode(token.partition(".")[0].encode()))
    assert "zip" not in head
    long = sealed({"zip": "DEF"}) + "A" * 1_000_000

    def tried() -> None:
        with pytest.raises(MalformedTokenError):
            jwe.decrypt(long, SHARED)

    assert least_cpu(tried) < 0.05


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust")
def test_a_megabyte_of_kid_is_refused_by_its_size_alone() -> None:
    token = forged({"alg": "ES256", "kid": "k" * 1_000_000}, GOOD, b"\x01" * 64)

    def tried() -> None:
        with pytest.raises(MalformedTokenError):
            reads(token, public("ES256"))

    assert least_cpu(tried) < 0.005
