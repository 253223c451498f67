"""Ledger: the key decides, and only keys worth the name decide (RFC 8725 §3.1, §3.2, §3.5, §3.8, §3.10)."""

import base64
import json
import secrets
import socket
from math import prod
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from admit import (
    JWK,
    AdmitError,
    AlgorithmError,
    InvalidKeyError,
    JWKSet,
    KeyNotFoundError,
    TokenError,
    TrustedIssuer,
    Waive,
    jwt,
)
from admit.jose import base64url, jws
from tests.threats.forge import API, GOOD, ISS, KEYS, NOW, forged, public, reads, spki

CHECK_ALG = "admit.jose.header:check_alg"
CHECK_HEADER = "admit.jose.header:check_header"
CHECK_SIGNATURE = "admit.jose.jws:check_signature"


@pytest.mark.rfc("7518", "3.6")
@pytest.mark.rfc("8725", "3.1")
@pytest.mark.threat("JWT-alg-none", off=[CHECK_ALG, CHECK_SIGNATURE])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", "", "none\x00", " none"])
def test_a_token_that_says_none_is_refused(name: str, key: str) -> None:
    for signature in (b"", b"\x00", b"none"):
        with pytest.raises(TokenError):
            reads(forged({"alg": name}, GOOD, signature), public(key))


@pytest.mark.threat("JWT-alg-none", off=[CHECK_HEADER, CHECK_ALG, CHECK_SIGNATURE])
@pytest.mark.parametrize("alg", [None, ["none"], {}, 0, False])
def test_an_alg_that_is_no_string_is_refused(alg: Any) -> None:
    with pytest.raises(TokenError):
        reads(forged({"alg": alg}, GOOD, b""), public("ES256"))


@pytest.mark.threat("JWT-alg-none")
def test_an_absent_alg_is_refused_and_none_makes_no_key() -> None:
    with pytest.raises(TokenError):
        reads(forged({}, GOOD, b""), public("ES256"))
    with pytest.raises(InvalidKeyError):
        JWK.generate("none")


@pytest.mark.threat("JWT-alg-none", off=CHECK_SIGNATURE)
@pytest.mark.parametrize("key", KEYS)
def test_an_empty_signature_is_refused(key: str) -> None:
    with pytest.raises(TokenError):
        reads(forged({"alg": key}, GOOD, b""), public(key))


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.threat("JWT-alg-key", off="admit.jose.jws:choose_key")
@pytest.mark.parametrize("key", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_is_no_hmac_secret(key: str) -> None:
    trusted = public(key)
    for secret in (spki(key, "PEM"), spki(key, "DER"), json.dumps(trusted.to_dict()).encode()):
        with pytest.raises(TokenError):
            reads(forged({"alg": "HS256"}, GOOD, secret=secret), trusted)


@pytest.mark.threat("JWT-alg-key", off="admit.jose.jws:choose_key")
def test_a_raw_point_is_no_hmac_secret() -> None:
    point = KEYS["ES256"]._material.public.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    with pytest.raises(TokenError):
        reads(forged({"alg": "HS256"}, GOOD, secret=point), public("ES256"))


def written(name: str) -> dict[str, bytes]:
    """A public key as it gets into a setting: through shells, YAML, environment variables and other tools."""
    pem, der, jwk = spki(name, "PEM"), spki(name, "DER"), json.dumps(public(name).to_dict()).encode()
    lines = pem.splitlines()[1:-1]
    ssh = KEYS[name]._material.public.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return {
        "SSH blob in base64": ssh.split()[1],
        "line of authorized_keys with options": b'no-pty,command="/bin/true" ' + ssh,
        "JWK with a byte order mark": b"\xef\xbb\xbf" + jwk,
        "JWK in base64": base64.b64encode(jwk),
        "JWK in base64url": base64.urlsafe_b64encode(jwk).rstrip(b"="),
        "JWK in hexadecimal": jwk.hex().encode(),
        "JWK in a JSON string": json.dumps(jwk.decode()).encode(),
        "JWK in an array": b"[" + jwk + b"]",
        "PEM in UTF-16": pem.decode().encode("utf-16"),
        "PEM in UTF-16 in base64": base64.b64encode(pem.decode().encode("utf-16")),
        "PEM in base64 behind a line break": base64.b64encode(b"\n" + pem),
        "PEM body in lines": b"\r\n".join(lines),
        "PEM body with escaped line breaks": b"\\n".join(lines),
        "PEM body in quotes": b'"' + b"".join(lines) + b'"',
        "DER in hexadecimal": der.hex().encode(),
        "DER in hexadecimal behind 0x": b"0x" + der.hex().encode(),
        "DER in hexadecimal with colons": der.hex(":").upper().encode(),
        "DER and a line break": der + b"\r\n",
    }


def looks_like_a_key() -> dict[str, bytes]:
    texts: dict[str, bytes] = {}
    for name in ("RS256", "ES256", "EdDSA"):
        key = KEYS[name]._material
        texts[f"{name} PEM"] = spki(name, "PEM")
        texts[f"{name} PEM with text around"] = b"# my key\n" + spki(name, "PEM") + b"\n"
        texts[f"{name} DER"] = spki(name, "DER")
        texts[f"{name} JWK"] = json.dumps(public(name).to_dict()).encode()
        texts[f"{name} JWKS"] = b" " + json.dumps({"keys": [public(name).to_dict()]}).encode()
        texts[f"{name} SSH"] = key.public.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        texts[f"{name} PKCS8"] = key.private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        body = b"".join(spki(name, "PEM").splitlines()[1:-1])
        texts[f"{name} PEM body"] = body
        texts |= {f"{name} {how}": text for how, text in written(name).items()}
    texts["raw point"] = KEYS["ES256"]._material.public.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    point = texts["raw point"]
    texts |= {
        "point in hexadecimal": point.hex().encode(),
        "point in base64": base64.b64encode(point),
        "coordinates of a point": point[1:],
    }
    texts["PKCS1 DER"] = KEYS["RS256"]._material.public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.PKCS1
    )
    return texts


LOOKALIKES = looks_like_a_key()


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.threat("JWT-alg-key", off="admit.jose.secret_check:check_no_public_key")
@pytest.mark.parametrize("form", LOOKALIKES)
def test_what_looks_like_another_kind_of_key_is_no_secret(form: str) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.secret(LOOKALIKES[form], "HS256")


def test_a_random_secret_passes_however_it_is_written() -> None:
    for size in (32, 33, 48, 64, 65, 97, 133, 300):
        raw = secrets.token_bytes(size)
        texts = (
            raw,
            raw + b"\n",
            raw.hex().encode(),
            base64.b64encode(raw),
            b'"' + base64.b64encode(raw) + b'"',
        )
        for text in texts:
            assert JWK.secret(text, "HS256").is_private


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.threat("JWT-alg-key", off=CHECK_ALG)
def test_another_algorithm_of_the_same_key_is_refused() -> None:
    private = KEYS["RS256"]._material.private
    data = forged({"alg": "PS256"}, GOOD, b"").encode().rpartition(b".")[0]
    signature = private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    with pytest.raises(AlgorithmError):
        reads((data + b"." + base64url.encode(signature)).decode(), public("RS256"))
    ed = KEYS["EdDSA"]
    token = jws.sign(json.dumps(GOOD).encode(), ed, typ="JWT")
    with pytest.raises(AlgorithmError):
        reads(token, JWK.load({**ed.public().to_dict(), "alg": "Ed25519"}))


@pytest.mark.rfc("8725", "3.2")
@pytest.mark.rfc("7518", "3.3")
@pytest.mark.threat(
    "JWT-alg-weak", off=["admit.jose.material.rsa:check_rsa_size", "admit.jose.binding:check_suits"]
)
def test_an_rsa_key_of_1024_bits_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    text = weak.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(InvalidKeyError):
        JWK.load(text, alg="RS256")


@pytest.mark.threat("JWT-alg-weak", off="admit.jose.material.rsa:check_rsa_origin")
def test_an_rsa_key_of_the_broken_generator_is_refused() -> None:
    primorial = prod(p for p in range(2, 168) if all(p % q for q in range(2, p)))
    p, q = (primorial * secrets.randbits(810) + pow(65537, secrets.randbits(64), primorial) for _ in range(2))
    n = p * q | 1
    while n.bit_length() < 2048:
        n *= 65537
    members = {"kty": "RSA", "alg": "RS256", "n": encoded(n), "e": "AQAB"}
    with pytest.raises(InvalidKeyError):
        JWK.load(members)
    assert JWK.load(public("RS256").to_dict())


def encoded(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


@pytest.mark.threat("JWT-alg-weak")
@pytest.mark.parametrize("alg", ["RSA1_5", "RS1", "HS1", "MD5", "RS256 ", "dir"])
def test_an_algorithm_of_the_past_has_no_row(alg: str) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({**public("RS256").to_dict(), "alg": alg})


@pytest.mark.threat("JWT-alg-weak", off="admit.jose.small_order:check_ed25519_point")
def test_an_ed25519_key_of_small_order_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(b"\x01" + bytes(31)).decode()})


@pytest.mark.threat("JWT-alg-weak", off="admit.jose.small_order:check_ed448_point")
def test_an_ed448_key_of_small_order_is_refused() -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({"kty": "OKP", "crv": "Ed448", "x": base64url.encode(b"\x01" + bytes(56)).decode()})


@pytest.mark.rfc("7517", "4.2")
@pytest.mark.threat("JWT-alg-weak", off="admit.jose.binding:check_purpose")
def test_an_encryption_key_verifies_no_signature() -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({**public("RS256").to_dict(), "use": "enc"})


@pytest.mark.rfc("7518", "3.2")
@pytest.mark.rfc("8725", "3.5")
@pytest.mark.threat(
    "JWT-entropy", off=["admit.jose.secret_check:check_entropy", "admit.jose.binding:check_suits"]
)
@pytest.mark.parametrize(
    "secret",
    [
        b"secret",
        b"",
        bytes(range(16)),
        bytes(range(31)),
        bytes(32),
        b"a" * 64,
        b"secret" * 8,
        b"0123456789abcdef" * 2,
        b"changeme-changeme-changeme-change!!",
        b"my-very-long-Password-for-signing-tokens",
        b"a-string-secret-at-least-256-bits-long",
        b"abab" * 10,
        b"aaaaaaabbbbbbbbccccccccdddddddde",
    ],
    ids=repr,
)
def test_a_guessable_secret_is_no_key(secret: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.secret(secret, "HS256")


@pytest.mark.threat(
    "JWT-entropy", off=["admit.jose.secret_check:check_entropy", "admit.jose.binding:check_suits"]
)
@pytest.mark.parametrize("secret", [b"secret", bytes(range(16)), b"a" * 64], ids=repr)
def test_an_api_does_not_start_with_a_guessable_secret(secret: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        TrustedIssuer(ISS, audience=API, secret=secret, revocation=Waive.REVOCATION)


@pytest.mark.threat("JWT-entropy")
def test_a_generated_secret_has_the_hash_length_and_passes_every_check() -> None:
    for _ in range(200):
        key = JWK.generate("HS256")
        raw = base64url.decode(key.to_dict(private=True)["k"].encode())
        assert len(raw) == 32
        assert JWK.secret(raw, "HS256", kid=key.kid) == key


@pytest.mark.rfc("7515", "4.1.3")
@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust", off="admit.jose.jws:choose_key")
def test_a_key_in_the_token_is_not_used() -> None:
    own = JWK.generate("ES256")
    token = jws.sign(json.dumps(GOOD).encode(), own, header={"jwk": own.public().to_dict()})
    with pytest.raises(TokenError):
        reads(token, public("ES256"))


@pytest.mark.threat("JWT-header-trust", off="admit.jose.header:check_kid")
@pytest.mark.parametrize("kid", ["k" * 129, "k" * 5000, 7, ["a"], {"a": 1}, None, True])
def test_a_kid_is_a_short_string(kid: Any) -> None:
    with pytest.raises(TokenError):
        reads(
            forged({"alg": "HS256", "kid": kid}, GOOD, secret=KEYS["HS256"]._material.private), KEYS["HS256"]
        )


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust", off=["admit.jose.jwks:JWKSet.find", CHECK_SIGNATURE])
@pytest.mark.parametrize(
    "kid", ["' OR '1'='1", "../../dev/null", "a\x00", "", "file:///dev/null", "http://127.0.0.1/"]
)
def test_a_kid_is_only_looked_up(kid: str) -> None:
    keys = JWKSet([public("ES256"), public("RS256")])
    with pytest.raises(KeyNotFoundError):
        reads(forged({"alg": "ES256", "kid": kid}, GOOD, b"\x01" * 64), keys)


@pytest.mark.rfc("7515", "4.1.2")
@pytest.mark.rfc("7515", "4.1.5")
@pytest.mark.rfc("7515", "4.1.6")
@pytest.mark.rfc("7515", "4.1.7")
@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust")
def test_a_url_in_the_token_is_never_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/jwks"
        for header in ({"jku": url}, {"x5u": url}, {"jku": url, "x5u": url, "x5c": ["AAAA"], "x5t": "a"}):
            token = jws.sign(json.dumps(GOOD).encode(), JWK.generate("ES256"), header=header)
            with pytest.raises(AdmitError):
                reads(token, JWKSet([public("ES256")]))
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.rfc("8725", "3.8")
@pytest.mark.threat("JWT-iss-sub", off=["admit.jose.jwks:JWKSet.find", CHECK_SIGNATURE])
def test_a_key_of_another_issuers_set_is_not_found() -> None:
    other = JWK.generate("ES256")
    token = jws.sign(json.dumps(GOOD).encode(), other)
    assert reads(token, JWKSet([other.public()]))
    with pytest.raises(TokenError):
        reads(token, JWKSet([public("ES256")]))


@pytest.mark.rfc("8725", "3.8")
@pytest.mark.rfc("7519", "4.1.1")
@pytest.mark.threat("JWT-iss-sub", off=["admit.jose.claims:check_types", "admit.jose.claims:check_issuer"])
@pytest.mark.parametrize(
    "iss", [..., None, "", ISS + "/", ISS.upper(), ISS + "/tenant-b", "https://evil.example"]
)
def test_a_good_signature_for_another_issuer_is_refused(iss: Any) -> None:
    claims = {name: value for name, value in {**GOOD, "iss": iss}.items() if value is not ...}
    off_types = jws.sign(json.dumps(claims).encode(), KEYS["ES256"])
    with pytest.raises(TokenError):
        jwt.verify(off_types, public("ES256"), issuer=ISS, audience=API, now=NOW)
