"""Clauses of the JOSE documents that no other test stands for, one by one; each with what breaks it."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from admit import (
    JWK,
    AlgorithmError,
    CriticalHeaderError,
    InvalidKeyError,
    MalformedTokenError,
    SignatureError,
    jwt,
)
from admit.errors import DecryptionError
from admit.jose import base64url, jwe, jws
from admit.jose.content import CONTENT_ALGS
from tests.unit.jose.keys import API, ISS, KEYS, LIFETIME, NOW, verifying

PASSWORD = JWK.password(b"correct horse", "PBES2-HS256+A128KW")


def text(octets: bytes) -> str:
    return base64url.encode(octets).decode()


def octets(member: str) -> bytes:
    return base64url.decode(member.encode())


@pytest.mark.rfc("7518", "3.5")
@pytest.mark.parametrize(("alg", "kind"), [("PS256", hashes.SHA256()), ("PS512", hashes.SHA512())])
def test_the_salt_of_pss_is_as_long_as_the_hash(alg: str, kind: hashes.HashAlgorithm) -> None:
    data = f"{text(json.dumps({'alg': alg}).encode())}.{text(b'x')}"

    def signed(salt: int) -> str:
        scheme = padding.PSS(padding.MGF1(kind), salt)
        return f"{data}.{text(KEYS[alg]._material.private.sign(data.encode(), scheme, kind))}"

    assert jws.verify(signed(kind.digest_size), verifying(alg)).payload == b"x"
    for salt in (0, kind.digest_size - 1, kind.digest_size + 1, 100):
        with pytest.raises(SignatureError):
            jws.verify(signed(salt), verifying(alg))


@pytest.mark.rfc("7518", "4.6.2")
@pytest.mark.rfc("7518", "4.6.1.2")
@pytest.mark.rfc("7518", "4.6.1.3")
@pytest.mark.rfc("7518", "C")
def test_the_agreement_of_appendix_c_comes_to_its_key_and_depends_on_both_parties() -> None:
    bob = JWK.load(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
        },
        alg="ECDH-ES",
    )
    header: dict[str, Any] = {
        "alg": "ECDH-ES",
        "enc": "A128GCM",
        "apu": text(b"Alice"),
        "apv": text(b"Bob"),
        "epk": {
            "kty": "EC",
            "crv": "P-256",
            "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        },
    }
    row = CONTENT_ALGS["A128GCM"]
    assert bob.unwrapper is not None
    agreed = octets("VqqN6vgjbSBcIijNcacQGg")
    assert bob.unwrapper(row, b"", header) == agreed
    for change in ({"apu": text(b"Alicf")}, {"apv": text(b"Bo")}, {"apu": ""}):
        assert bob.unwrapper(row, b"", header | change) != agreed


@pytest.mark.rfc("7516", "5.2")
@pytest.mark.rfc("7518", "4.5")
@pytest.mark.rfc("7518", "4.6")
@pytest.mark.parametrize("key", [JWK.generate("A128GCM"), JWK.generate("ECDH-ES")], ids=lambda key: key.alg)
def test_a_key_that_is_not_sent_is_not_there(key: JWK) -> None:
    head, nothing, *rest = jwe.encrypt(b"x", key, enc="A256GCM" if key.alg == "ECDH-ES" else "A128GCM").split(
        "."
    )
    assert nothing == ""
    assert jwe.decrypt(".".join((head, "", *rest)), key).plaintext == b"x"
    with pytest.raises(DecryptionError):
        jwe.decrypt(".".join((head, text(bytes(24)), *rest)), key)


def sealed(wrapped: bytes, cek: bytes, header: dict[str, Any], *, iv: bytes = bytes(12)) -> str:
    """A truly encrypted token whose key was wrapped by hand."""
    head = base64url.encode(json.dumps({"enc": "A128GCM", **header}).encode())
    both = AESGCM(cek).encrypt(iv, b"x", head)
    return ".".join((head.decode(), *map(text, (wrapped, iv, both[:-16], both[-16:]))))


@pytest.mark.rfc("7518", "4.7.1.1")
@pytest.mark.rfc("7518", "4.7.1.2")
def test_iv_and_tag_of_a_wrapped_key_have_their_one_size() -> None:
    key, cek = JWK.generate("A128GCMKW"), bytes(range(16))

    def made(iv: bytes, tag: int = 16) -> str:
        both = AESGCM(octets(key.to_dict(private=True)["k"])).encrypt(iv, cek, None)
        return sealed(both[:16], cek, {"alg": key.alg, "iv": text(iv), "tag": text(both[16 : 16 + tag])})

    assert jwe.decrypt(made(bytes(12)), key).plaintext == b"x"
    for odd in (made(bytes(11)), made(bytes(16)), made(bytes(13)), made(bytes(12), 12), made(bytes(12), 15)):
        with pytest.raises(DecryptionError):
            jwe.decrypt(odd, key)


@pytest.mark.rfc("7518", "4.8.1.1")
def test_a_salt_of_less_than_eight_octets_is_refused() -> None:
    cek = bytes(range(16))

    def made(salt: bytes) -> str:
        whole = b"PBES2-HS256+A128KW\x00" + salt
        derived = PBKDF2HMAC(hashes.SHA256(), 16, whole, 1_000).derive(b"correct horse")
        header = {"alg": PASSWORD.alg, "p2s": text(salt), "p2c": 1_000}
        return sealed(aes_key_wrap(derived, cek), cek, header)

    assert jwe.decrypt(made(b"12345678"), PASSWORD).plaintext == b"x"
    for salt in (b"1234567", b""):
        with pytest.raises(DecryptionError):
            jwe.decrypt(made(salt), PASSWORD)


@pytest.mark.rfc("7518", "5.3")
def test_the_iv_of_gcm_has_twelve_octets() -> None:
    key, cek = JWK.generate("A128KW"), bytes(range(16))
    wrapped = aes_key_wrap(octets(key.to_dict(private=True)["k"]), cek)
    assert jwe.decrypt(sealed(wrapped, cek, {"alg": key.alg}), key).plaintext == b"x"
    for size in (8, 11, 13, 16):
        with pytest.raises(DecryptionError):
            jwe.decrypt(sealed(wrapped, cek, {"alg": key.alg}, iv=bytes(size)), key)


@pytest.mark.rfc("7518", "5.2.2.2")
@pytest.mark.rfc("7518", "5.3")
@pytest.mark.parametrize("enc", CONTENT_ALGS)
def test_iv_and_tag_of_a_content_have_their_one_size(enc: str) -> None:
    key = JWK.generate("A128KW")
    head, wrapped, iv, content, tag = jwe.encrypt(b"x" * 32, key, enc=enc).split(".")
    row = CONTENT_ALGS[enc]
    assert (len(octets(iv)), len(octets(tag))) == (row.iv_size, row.tag_size)
    assert jwe.decrypt(".".join((head, wrapped, iv, content, tag)), key).plaintext == b"x" * 32
    for wrong in (octets(tag)[:-1], octets(tag)[:12], octets(tag) + b"\x00", b""):
        with pytest.raises(DecryptionError):
            jwe.decrypt(".".join((head, wrapped, iv, content, text(wrong))), key)
    for wrong in (octets(iv)[:-1], octets(iv) + b"\x00", b""):
        with pytest.raises(DecryptionError):
            jwe.decrypt(".".join((head, wrapped, text(wrong), content, tag)), key)


@pytest.mark.rfc("7518", "6.2.1.2")
@pytest.mark.rfc("7518", "6.2.1.3")
@pytest.mark.rfc("7518", "6.2.2.1")
@pytest.mark.parametrize("member", ["x", "y", "d"])
def test_a_coordinate_has_the_length_of_its_curve(member: str) -> None:
    """Half of the numbers of P-521 begin with an octet of zero, which may not be left out."""
    found = (JWK.generate("ES512").to_dict(private=True) for _ in range(1_000))
    members = next(one for one in found if octets(one[member])[0] == 0)
    assert JWK.load(members).alg == "ES512"
    for odd in (octets(members[member])[1:], b"\x00" + octets(members[member])):
        with pytest.raises(InvalidKeyError):
            JWK.load(members | {member: text(odd)})


@pytest.mark.rfc("8037", "2")
@pytest.mark.parametrize("alg", ["Ed25519", "Ed448"])
def test_an_okp_key_is_its_curve_and_octets_of_its_length(alg: str) -> None:
    members = KEYS[alg].to_dict(private=True)
    assert JWK.load(members) == KEYS[alg]
    for odd in (
        {"crv": "Ed25519" if alg == "Ed448" else "Ed448"},
        {"crv": "X25519"},
        {"x": text(octets(members["x"])[:-1])},
        {"d": text(octets(members["d"]) + b"\x00")},
        {"kty": "EC"},
    ):
        with pytest.raises(InvalidKeyError):
            JWK.load(members | odd)


@pytest.mark.rfc("8812", "3.1")
@pytest.mark.rfc("8812", "3.2")
def test_es256k_is_for_secp256k1_and_nothing_else_is() -> None:
    key = KEYS["ES256K"]
    assert key.to_dict()["crv"] == "secp256k1"
    assert jws.verify(jws.sign(b"x", key), key.public()).payload == b"x"
    for members, alg in (
        (key.to_dict(), "ES256"),
        (KEYS["ES256"].to_dict(), "ES256K"),
        (key.to_dict(), "ECDH-ES"),
    ):
        with pytest.raises(InvalidKeyError):
            JWK.load(members | {"alg": alg})


@pytest.mark.rfc("9864", "2.2")
@pytest.mark.rfc("9864", "4.1")
def test_a_name_that_says_the_curve_and_the_older_one_are_not_taken_for_each_other() -> None:
    key = KEYS["Ed25519"]
    older = JWK.load(key.to_dict(private=True) | {"alg": "EdDSA"})
    for signing, reading in ((key, older), (older, key)):
        assert jws.verify(jws.sign(b"x", signing), signing.public())
        with pytest.raises(AlgorithmError):
            jws.verify(jws.sign(b"x", signing), reading.public())
    with pytest.raises(InvalidKeyError):
        JWK.load(key.to_dict() | {"alg": "Ed448"})


@pytest.mark.rfc("9964", "4")
@pytest.mark.parametrize(("alg", "size"), [("ML-DSA-44", 2420), ("ML-DSA-65", 3309), ("ML-DSA-87", 4627)])
def test_an_ml_dsa_signature_has_its_size_and_its_key_no_other_algorithm(alg: str, size: int) -> None:
    token = jws.sign(b"x", KEYS[alg])
    head, body, tail = token.split(".")
    assert len(octets(tail)) == size
    assert jws.verify(token, verifying(alg)).payload == b"x"
    with pytest.raises(SignatureError):
        jws.verify(f"{head}.{body}.{text(octets(tail)[:-1])}", verifying(alg))
    other = "ML-DSA-44" if alg != "ML-DSA-44" else "ML-DSA-65"
    with pytest.raises(InvalidKeyError):
        JWK.load(KEYS[alg].to_dict() | {"alg": other})
    with pytest.raises(InvalidKeyError):
        JWK.load({name: value for name, value in KEYS[alg].to_dict().items() if name != "alg"})


@pytest.mark.rfc("7638", "3.2")
@pytest.mark.rfc("9278", "3")
@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "RS256", "ML-DSA-44"])
def test_a_thumbprint_is_of_the_required_members_alone(alg: str) -> None:
    key = KEYS[alg]
    dressed = JWK.load(key.to_dict(private=True) | {"kid": "other", "use": "sig", "x5t": "AAAA"})
    assert dressed.thumbprint() == key.thumbprint() == key.public().thumbprint()
    assert dressed.thumbprint_uri() == f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{key.thumbprint()}"
    assert JWK.generate("ES256").thumbprint() != key.thumbprint()
    with pytest.raises(InvalidKeyError):
        KEYS["HS256"].thumbprint_uri()


@pytest.mark.rfc("7517", "4.6")
@pytest.mark.rfc("7517", "4.8")
def test_an_address_or_a_digest_of_a_certificate_in_a_key_is_carried_and_not_used() -> None:
    members = KEYS["ES256"].public().to_dict()
    assert JWK.load(members | {"x5u": "http://127.0.0.1:1/", "x5t": "AAAA"}) == KEYS["ES256"].public()
    with pytest.raises(InvalidKeyError):
        JWK.load({"kty": "EC", "x5u": "http://127.0.0.1:1/"})


@pytest.mark.rfc("7519", "4")
def test_claims_that_nobody_knows_are_carried_and_doubled_ones_refused() -> None:
    token = jwt.sign(
        {"colour": {"red": 1}}, KEYS["ES256"], issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW
    )
    said = {"issuer": ISS, "audience": API, "now": NOW}
    claims = jwt.verify(token, verifying("ES256"), **said)
    assert claims["colour"] == {"red": 1}
    doubled = json.dumps(claims).encode()[:-1] + b',"colour":1}'
    with pytest.raises(MalformedTokenError):
        jwt.verify(jws.sign(doubled, KEYS["ES256"]), verifying("ES256"), **said)


@pytest.mark.rfc("7516", "4")
@pytest.mark.rfc("7516", "4.3")
def test_header_members_that_nobody_knows_are_ignored_and_doubled_ones_refused_in_encryption_too() -> None:
    key = JWK.generate("A256GCM")
    row = CONTENT_ALGS["A256GCM"]

    def whole(head: bytes) -> str:
        cek = octets(key.to_dict(private=True)["k"])
        ciphertext, tag = row.encrypt(cek, bytes(12), b"x", base64url.encode(head))
        return ".".join((text(head), "", text(bytes(12)), text(ciphertext), text(tag)))

    assert jwe.decrypt(whole(b'{"alg":"dir","enc":"A256GCM","colour":1}'), key).plaintext == b"x"
    with pytest.raises(MalformedTokenError):
        jwe.decrypt(whole(b'{"alg":"dir","enc":"A256GCM","colour":1,"colour":2}'), key)
    with pytest.raises(CriticalHeaderError):
        jwe.decrypt(whole(b'{"alg":"dir","enc":"A256GCM","crit":["colour"],"colour":1}'), key)


@pytest.mark.rfc("7518", "4.3")
def test_oaep_uses_the_hash_of_its_name_for_both_of_its_parts() -> None:
    members = KEYS["RS256"].to_dict(private=True)
    kinds = {"RSA-OAEP": hashes.SHA1(), "RSA-OAEP-256": hashes.SHA256()}
    keys = {alg: JWK.load(members | {"alg": alg}) for alg in kinds}
    cek = bytes(range(16))
    for outer, whole in kinds.items():
        for inner, mask in kinds.items():
            scheme = padding.OAEP(padding.MGF1(mask), whole, None)
            wrapped = KEYS["RS256"]._material.public.encrypt(cek, scheme)
            for alg, key in keys.items():
                token = sealed(wrapped, cek, {"alg": alg})
                if alg == outer == inner:
                    assert jwe.decrypt(token, key).plaintext == b"x"
                else:
                    with pytest.raises(DecryptionError):
                        jwe.decrypt(token, key)


@pytest.mark.rfc("7516", "4.1.4")
@pytest.mark.rfc("7516", "4.1.5")
@pytest.mark.rfc("7516", "4.1.7")
@pytest.mark.rfc("7516", "4.1.8")
def test_a_key_or_an_address_in_an_encrypted_token_is_not_used() -> None:
    trusted, own = JWK.generate("ECDH-ES"), JWK.generate("ECDH-ES")
    header = {
        "jwk": own.to_dict(private=True),
        "jku": "http://127.0.0.1:1/",
        "x5u": "http://127.0.0.1:1/",
        "x5c": ["AAAA"],
    }
    assert jwe.decrypt(jwe.encrypt(b"x", trusted.public(), header=header), trusted).plaintext == b"x"
    with pytest.raises(DecryptionError):
        jwe.decrypt(jwe.encrypt(b"x", own.public(), header=header), trusted)


@pytest.mark.rfc("7519", "5.2")
@pytest.mark.rfc("7515", "4.1.10")
def test_the_kind_of_the_content_is_compared_as_a_media_type() -> None:
    reader, signer = JWK.generate("ECDH-ES"), KEYS["ES256"]
    inner = jwt.sign({}, signer, issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW)
    said = {"signed_by": signer.public(), "issuer": ISS, "audience": API, "now": NOW}
    for cty in ("JWT", "jwt", "application/jwt"):
        assert jwt.decrypt(jwe.encrypt(inner.encode(), reader.public(), cty=cty), reader, **said)
    for cty in ("json", "application/x/jwt", "JWT "):
        with pytest.raises(MalformedTokenError):
            jwt.decrypt(jwe.encrypt(inner.encode(), reader.public(), cty=cty), reader, **said)
