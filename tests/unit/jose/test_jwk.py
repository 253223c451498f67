"""A key has one algorithm, and only keys that can be trusted to work come in."""

import base64
import copy
import datetime
import json
import pickle

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from admit import JWK, InvalidKeyError
from admit.jose import JWS_ALGS, jws
from tests.unit.jose.keys import KEYS

ASYMMETRIC = [alg for alg, row in JWS_ALGS.items() if row.kty != "oct"]


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@pytest.mark.rfc("7638", "1")
@pytest.mark.rfc("7638", "7")
@pytest.mark.parametrize("alg", ["HS256", "A256KW", "A128GCM"])
def test_the_name_of_a_generated_secret_tells_nothing_of_it(alg: str) -> None:
    key = JWK.generate(alg)
    assert key.kid is not None
    assert len(base64.urlsafe_b64decode(key.kid + "==")) == 16
    assert key.kid not in key.thumbprint()
    assert JWK.load(key.to_private_bytes()) == key
    assert JWK.generate(alg).kid != key.kid


def test_rsa_keys_can_be_made_of_three_sizes() -> None:
    modulus = JWK.generate("PS256", bits=3072).to_dict()["n"]
    assert len(base64.urlsafe_b64decode(modulus)) * 8 == 3072
    for alg, bits in (("RS256", 1024), ("RS256", 2056), ("RS256", 8192), ("RS256", "3072"), ("RS256", [])):
        with pytest.raises(InvalidKeyError):
            JWK.generate(alg, bits=bits)  # type: ignore[arg-type]  # wrong on purpose
    for alg in ("ES256", "HS256", "EdDSA", "A256KW"):
        with pytest.raises(InvalidKeyError):
            JWK.generate(alg, bits=2048)


@pytest.mark.parametrize("crv", [[], {}, 5, "", "P-384"], ids=repr)
def test_a_curve_that_is_none_makes_no_key(crv: object) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.generate("ES256", crv=crv)  # type: ignore[arg-type]  # wrong on purpose
    assert JWK.generate("ES256", crv="P-256").alg == "ES256"


def test_a_password_is_written_nowhere() -> None:
    password = JWK.password(b"correct horse battery staple", "PBES2-HS256+A128KW")
    for refused in (password.to_private_bytes, lambda: password.to_dict(private=True), password.to_dict):
        with pytest.raises(InvalidKeyError):
            refused()


@pytest.mark.parametrize("alg", JWS_ALGS)
def test_a_generated_key_is_named_by_its_thumbprint_and_survives_a_round_trip(alg: str) -> None:
    key = KEYS[alg]
    assert key.alg == alg
    assert key.kid == key.thumbprint() or key.kty == "oct"
    again = JWK.load(key.to_private_bytes())
    assert again == key
    assert hash(again) == hash(key)
    assert jws.verify(jws.sign(b"x", again), key).payload == b"x"


def test_two_generated_keys_differ_and_a_kid_can_be_given() -> None:
    assert JWK.generate("ES256") != JWK.generate("ES256")
    assert JWK.generate("ES256", kid="mine").kid == "mine"
    with pytest.raises(InvalidKeyError):
        JWK.generate("ES256", kid="k" * 129)


@pytest.mark.parametrize("alg", ["none", "HS512x", "", "RS1", "es256", None, 7])
def test_an_algorithm_without_a_row_makes_no_key(alg: object) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.generate(alg)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_the_public_half_has_no_private_member_and_cannot_sign(alg: str) -> None:
    public = KEYS[alg].public()
    assert not public.is_private
    assert public.public() is public
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & public.to_dict().keys()
    assert JWK.load(json.dumps(public.to_dict())) == public
    assert public.thumbprint() == KEYS[alg].thumbprint()
    for refused in (lambda: jws.sign(b"x", public), public.to_private_bytes):
        with pytest.raises(InvalidKeyError):
            refused()


def test_a_symmetric_key_has_no_public_form() -> None:
    for refused in (KEYS["HS256"].public, KEYS["HS256"].to_dict):
        with pytest.raises(InvalidKeyError):
            refused()


@pytest.mark.parametrize("alg", JWS_ALGS)
def test_no_private_part_shows_in_repr_or_leaves_by_pickle(alg: str) -> None:
    key = KEYS[alg]
    secret = [v for k, v in key.to_dict(private=True).items() if k in {"k", "d", "p", "q", "dp", "dq", "qi"}]
    assert not any(value in repr(key) for value in secret)
    with pytest.raises(TypeError):
        pickle.dumps(key)
    assert copy.deepcopy(key) is key


def test_a_key_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        KEYS["ES256"].alg = "none"
    with pytest.raises(AttributeError):
        del KEYS["ES256"].kid
    assert not [
        name
        for name in dir(KEYS["ES256"])
        if isinstance(getattr(KEYS["ES256"], name), dict) and name[0] != "_"
    ]


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_pem_and_jwk_of_one_key_are_the_same_key(alg: str) -> None:
    found = KEYS[alg]._material
    private = found.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = found.public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert JWK.load(private, alg=alg, kid=KEYS[alg].kid) == KEYS[alg]
    assert JWK.load(public.decode(), alg=alg, kid=KEYS[alg].kid) == KEYS[alg].public()
    for text in (private + private, private[:-40], private.replace(b"PRIVATE", b"SECRET"), b"-----BEGIN "):
        with pytest.raises(InvalidKeyError):
            JWK.load(text, alg=alg)


def test_an_encrypted_pem_is_refused() -> None:
    text = KEYS["ES256"]._material.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    with pytest.raises(InvalidKeyError):
        JWK.load(text)


@pytest.mark.rfc("9864", "2.2")
@pytest.mark.rfc("7517", "4.4")
def test_the_algorithm_is_the_keys_own_or_that_of_its_curve_or_the_argument() -> None:
    rsa_key = KEYS["RS256"].public().to_dict()
    ec_key = KEYS["ES256"].public().to_dict()
    okp_key = KEYS["Ed25519"].public().to_dict()
    assert JWK.load(rsa_key).alg == "RS256"
    for members in (rsa_key, ec_key, okp_key):
        del members["alg"]
    assert JWK.load(ec_key).alg == "ES256"
    assert JWK.load(okp_key).alg == "EdDSA"
    assert JWK.load(okp_key, alg="Ed25519").alg == "Ed25519"
    assert JWK.load(rsa_key, alg="RS256").alg == "RS256"
    for members, alg in ((rsa_key, None), (rsa_key, "ES256"), (ec_key, "RS256"), (ec_key, "HS256")):
        with pytest.raises(InvalidKeyError):
            JWK.load(members, alg=alg)
    with pytest.raises(InvalidKeyError):
        JWK.load({**ec_key, "alg": "ES256"}, alg="RS256")
    with pytest.raises(InvalidKeyError):
        JWK.load({**ec_key, "kid": "a"}, kid="b")


@pytest.mark.rfc("7517", "4.2")
@pytest.mark.rfc("7517", "4.3")
def test_use_and_key_ops_are_obeyed() -> None:
    members = KEYS["ES256"].to_dict(private=True)
    assert JWK.load({**members, "use": "sig", "key_ops": ["sign", "verify"]}).use == "sig"
    only_sign = JWK.load({**members, "key_ops": ["sign"]})
    token = jws.sign(b"x", only_sign)
    with pytest.raises(InvalidKeyError):
        jws.verify(token, only_sign)
    assert jws.verify(token, only_sign.public()).payload == b"x"
    only_verify = JWK.load({**members, "key_ops": ["verify"]})
    assert jws.verify(token, only_verify).payload == b"x"
    with pytest.raises(InvalidKeyError):
        jws.sign(b"x", only_verify)


@pytest.mark.rfc("7517", "4.1")
@pytest.mark.rfc("7517", "4.2")
@pytest.mark.rfc("7517", "4.3")
@pytest.mark.rfc("7517", "4.4")
@pytest.mark.rfc("7517", "4.5")
@pytest.mark.rfc("7518", "6.2.1")
@pytest.mark.parametrize(
    "odd",
    [
        {"use": "enc"},
        {"use": 1},
        {"use": None},
        {"key_ops": []},
        {"key_ops": ["sign", "sign"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": ["sign", "deriveKey"]},
        {"key_ops": "sign"},
        {"key_ops": [1]},
        {"key_ops": ["fly"]},
        {"alg": 1},
        {"alg": None},
        {"alg": "none"},
        {"alg": "RSA1_5"},
        {"kid": 1},
        {"kid": ""},
        {"kid": "k" * 129},
        {"kty": "ec"},
        {"kty": None},
        {"kty": ["EC"]},
        {"crv": "P-384"},
        {"crv": []},
        {"x": ""},
        {"x": "AA"},
        {"x": 1},
        {"x": "A" * 43},
        {"k": "AAAA"},
        {"p": "AAAA"},
        {"x5c": []},
        {"x5c": "MIIB"},
        {"x5c": ["MIIB"]},
    ],
    ids=repr,
)
def test_a_key_with_an_odd_member_is_refused(odd: dict) -> None:
    members = KEYS["ES256"].public().to_dict()
    assert JWK.load(members)
    with pytest.raises(InvalidKeyError):
        JWK.load({**members, **odd})


@pytest.mark.rfc("7517", "4")
def test_unknown_members_are_ignored() -> None:
    members = KEYS["ES256"].public().to_dict()
    assert JWK.load({**members, "x5t": "abc", "colour": {"red": 1}}) == KEYS["ES256"].public()


@pytest.mark.rfc("7518", "6.2.2")
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_private_part_of_another_key_is_refused(alg: str) -> None:
    members = KEYS[alg].to_dict(private=True)
    with pytest.raises(InvalidKeyError):
        JWK.load({**members, "d": JWK.generate(alg).to_dict(private=True)["d"]})


@pytest.mark.rfc("7518", "6.3.2")
def test_rsa_private_members_are_checked_and_may_be_d_alone() -> None:
    members = KEYS["RS256"].to_dict(private=True)
    short = {name: value for name, value in members.items() if name not in {"p", "q", "dp", "dq", "qi"}}
    assert JWK.load(short) == KEYS["RS256"]
    huge = base64.urlsafe_b64encode(b"\xff" * 1024).decode().rstrip("=")
    with pytest.raises(InvalidKeyError, match="4096"):
        JWK.load({**short, "n": huge, "d": huge})  # at once: to see what is wrong with it would take seconds
    wrong = [
        {**short, "p": members["p"]},
        {name: value for name, value in members.items() if name != "d"},
        {**members, "oth": []},
        {**members, "d": members["p"]},
        {**short, "d": members["p"]},
        {**members, "p": members["q"]},
        {**members, "e": "Aw"},
        {**members, "n": "AA" + members["n"][:-2]},
    ]
    for odd in wrong:
        with pytest.raises(InvalidKeyError):
            JWK.load(odd)


@pytest.mark.rfc("7518", "6.3.1")
def test_rsa_numbers_have_one_spelling_and_sane_values() -> None:
    n = int.from_bytes(base64.urlsafe_b64decode(KEYS["RS256"].public().to_dict()["n"] + "=="), "big")
    wrong_n = [b"\0" + n.to_bytes(256, "big"), (n - 1).to_bytes(256, "big"), b"", b"\0", b"\xff" * 1025]
    for octets in wrong_n:
        with pytest.raises(InvalidKeyError):
            JWK.load({"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": b64(octets)})
    for octets in (b"\1", b"\2", b"", b"\0\1\0\1", b"\1\0\0\0\0\0\0\0\1"):
        with pytest.raises(InvalidKeyError):
            JWK.load({"kty": "RSA", "alg": "RS256", "n": b64(n.to_bytes(256, "big")), "e": b64(octets)})


@pytest.mark.threat("JWT-inputs")
@pytest.mark.rfc("7518", "6.2.1")
@pytest.mark.rfc("8725", "3.4")
def test_a_point_off_the_curve_is_refused() -> None:
    members = KEYS["ES256"].public().to_dict()
    with pytest.raises(InvalidKeyError):
        JWK.load({**members, "y": members["x"]})
    with pytest.raises(InvalidKeyError):
        JWK.load({**members, "x": b64(bytes(32)), "y": b64(bytes(32))})


@pytest.mark.rfc("8032", "5.1.3")
@pytest.mark.parametrize(
    "encoded",
    [
        "01" + "00" * 31,
        "01" + "00" * 30 + "80",
        "00" * 32,
        "00" * 31 + "80",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
        "ff" * 32,
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "02" + "00" * 31,
    ],
)
def test_an_ed25519_point_of_small_order_or_off_the_curve_is_refused(encoded: str) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({"kty": "OKP", "crv": "Ed25519", "x": b64(bytes.fromhex(encoded))})


def test_every_generated_ed25519_point_is_taken() -> None:
    for _ in range(20):
        public = JWK.generate("Ed25519").public()
        assert JWK.load(public.to_dict()) == public


@pytest.mark.rfc("8032", "5.2.3")
@pytest.mark.parametrize(
    "encoded",
    [
        "01" + "00" * 56,
        "00" * 57,
        "00" * 56 + "80",
        "fe" + "ff" * 27 + "fe" + "ff" * 27 + "00",
        "ff" * 28 + "fe" + "ff" * 27 + "00",
        "ff" * 57,
        "02" + "00" * 56,
        "05" + "00" * 55 + "01",
    ],
)
def test_an_ed448_point_of_small_order_or_off_the_curve_is_refused(encoded: str) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({"kty": "OKP", "crv": "Ed448", "x": b64(bytes.fromhex(encoded))})


def test_every_generated_ed448_point_is_taken() -> None:
    for _ in range(10):
        public = JWK.generate("Ed448").public()
        assert JWK.load(public.to_dict()) == public


@pytest.mark.rfc("9964", "3")
def test_an_ml_dsa_key_is_its_algorithm_and_its_seed() -> None:
    key = KEYS["ML-DSA-65"]
    members = key.to_dict(private=True)
    assert members["kty"] == "AKP"
    assert len(members["priv"]) == 43  # 32 octets
    for spoilt in (
        {name: value for name, value in members.items() if name != "alg"},
        members | {"alg": "ML-DSA-44"},
        members | {"alg": "ES256"},
        members | {"pub": JWK.generate("ML-DSA-65").to_dict()["pub"]},
    ):
        with pytest.raises(InvalidKeyError):
            JWK.load(spoilt)


@pytest.mark.parametrize("alg", [alg for alg in JWS_ALGS if JWS_ALGS[alg].kty not in ("oct",)])
def test_pem_keys_of_every_type_are_read(alg: str) -> None:
    key = KEYS[alg]
    text = key._material.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert JWK.load(text, alg=alg, kid=key.kid) == key
    public = key._material.public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert JWK.load(public, alg=alg, kid=key.kid) == key.public()


@pytest.mark.rfc("7517", "4.7")
def test_a_certificate_must_hold_the_key() -> None:
    private = KEYS["ES256"]._material.private
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, day, day + datetime.timedelta(days=1))
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    chain = [base64.b64encode(certificate).decode()]
    assert JWK.load({**KEYS["ES256"].public().to_dict(), "x5c": chain})
    with pytest.raises(InvalidKeyError, match="another key"):
        JWK.load({**JWK.generate("ES256").public().to_dict(), "x5c": chain})


@pytest.mark.parametrize(
    "data", [b"", "", b"{}", b"[]", "null", b"\xff", "\ud800", 7, None, b"ssh-rsa AAAA", {}]
)
def test_anything_else_is_no_key(data: object) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load(data, alg="ES256")  # type: ignore[arg-type]  # wrong on purpose


def test_key_types_without_a_row_are_refused() -> None:
    for private in (ec.generate_private_key(ec.BrainpoolP256R1()), rsa.generate_private_key(65537, 1024)):
        text = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for alg in (None, *JWS_ALGS):
            with pytest.raises(InvalidKeyError):
                JWK.load(text, alg=alg)


@pytest.mark.rfc("7518", "3.2")
@pytest.mark.rfc("7518", "6.4.1")
def test_a_secret_is_octets_of_the_hash_length_or_more() -> None:
    raw = bytes(range(7, 39))
    assert JWK.secret(raw, "HS256").kid is None
    assert JWK.secret(raw, "HS256").is_private
    for odd, alg in ((raw[:-1], "HS256"), (raw.decode(), "HS256"), (raw, "RS256"), (raw, "none")):
        with pytest.raises(InvalidKeyError):
            JWK.secret(odd, alg)  # type: ignore[arg-type]  # wrong on purpose
