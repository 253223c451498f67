"""One's own key sets are read strictly, another's tolerantly."""

import hashlib
import json
from typing import Any

import pytest

from admit import JWK, AlgorithmError, ConfigError, InvalidKeyError, JWKSet, KeyNotFoundError
from admit.jose import base64url, jwe, jws
from tests.unit.jose.keys import KEYS

EC, RSA, OKP = (KEYS[alg].public() for alg in ("ES256", "RS256", "Ed25519"))


def published(*keys: dict | JWK) -> bytes:
    return json.dumps({"keys": [key.to_dict() if isinstance(key, JWK) else key for key in keys]}).encode()


def without(key: JWK, *names: str, **changed: object) -> dict:
    return {name: value for name, value in {**key.to_dict(), **changed}.items() if name not in names}


@pytest.mark.rfc("7515", "6")
@pytest.mark.rfc("7517", "4.5")
def test_a_set_finds_its_keys_by_kid_and_alg() -> None:
    keys = JWKSet([EC, RSA, OKP])
    assert [keys.find(key.kid, key.alg) for key in keys] == [EC, RSA, OKP]
    assert len(keys) == 3
    assert JWKSet.load(json.dumps(keys.to_dict())).find(EC.kid, "ES256") == EC
    with pytest.raises(KeyNotFoundError):
        keys.find("other", "ES256")
    with pytest.raises(AlgorithmError):
        keys.find(EC.kid, "RS256")


@pytest.mark.rfc("7515", "4.1.4")
def test_without_a_kid_the_only_key_of_the_algorithm_is_meant() -> None:
    assert JWKSet([EC, RSA]).find(None, "ES256") == EC
    for keys in (JWKSet([RSA]), JWKSet([EC, JWK.generate("ES256").public()]), JWKSet([])):
        with pytest.raises(KeyNotFoundError):
            keys.find(None, "ES256")


@pytest.mark.rfc("7517", "4.2")
@pytest.mark.rfc("7517", "4.3")
def test_a_token_that_names_a_key_for_something_else_names_none() -> None:
    signs, opens = KEYS["ES256"], JWK.generate("ECDH-ES", kid="x")
    only_signs = JWK.load({**JWK.generate("ES384").to_dict(private=True), "key_ops": ["sign"]})
    only_wraps = JWK.load({**JWK.generate("A256KW").to_dict(private=True), "key_ops": ["wrapKey"]})
    mixed = JWKSet([signs, opens, only_signs, only_wraps])
    assert jws.verify(jws.sign(b"x", signs), mixed).payload == b"x"
    assert jwe.decrypt(jwe.encrypt(b"x", opens), mixed).plaintext == b"x"
    forged = {"alg": "ECDH-ES", "kid": "x"}, {"alg": "ES256", "kid": signs.kid, "enc": "A256GCM"}
    signed, encrypted = (base64url.encode(json.dumps(header).encode()).decode() for header in forged)
    for token in (f"{signed}.e30.AA", jws.sign(b"x", only_signs)):
        with pytest.raises(KeyNotFoundError):
            jws.verify(token, mixed)
    for token in (f"{encrypted}....", jwe.encrypt(b"x", only_wraps)):
        with pytest.raises(KeyNotFoundError):
            jwe.decrypt(token, mixed)
    with pytest.raises(InvalidKeyError):  # the caller chose it, so this says something of the program
        jws.verify(jws.sign(b"x", only_signs), only_signs)


@pytest.mark.parametrize("kid", [None, "", "x" * 5000, "' OR 1=1 --", "../../dev/null", "\x00"])
def test_an_unknown_kid_finds_nothing(kid: str | None) -> None:
    with pytest.raises(KeyNotFoundError):
        JWKSet([EC, JWK.generate("ES256").public()]).find(kid, "ES256")


@pytest.mark.rfc("7517", "5.1")
@pytest.mark.rfc("7517", "4.5")
def test_own_sets_refuse_what_is_odd() -> None:
    other = JWK.generate("ES256", kid=RSA.kid)
    wrong = [[RSA, other.public()], [KEYS["ES256"], RSA], [KEYS["HS256"], RSA], [EC, EC], ["key"]]
    for keys in wrong:
        with pytest.raises(InvalidKeyError):
            JWKSet(keys)  # type: ignore[arg-type]  # wrong on purpose
    assert len(JWKSet([KEYS["ES256"], KEYS["HS256"]])) == 2
    texts = [
        published(),
        published(without(EC, "x")),
        published({"kty": "new"}),
        b'{"keys":[1]}',
        b'{"keys":{}}',
        b"{}",
        b"[]",
        b"\xff",
        published(*[EC] * 101),
    ]
    for text in texts:
        with pytest.raises(InvalidKeyError):
            JWKSet.load(text)


@pytest.mark.rfc("7517", "5")
def test_a_foreign_set_passes_over_what_it_cannot_use() -> None:
    odd = [
        {"kty": "new", "kid": "a"},
        without(EC, "x", kid="b"),
        without(EC, kid="c", use="enc"),
        without(EC, kid="d", alg="ES999"),
        without(EC, kid="e", key_ops=["sign"]),
        without(EC, kid=7),
        without(EC, kid="k" * 200),
        without(RSA, "alg", kid="f"),
        7,
        None,
        [],
    ]
    keys = JWKSet.load_foreign(published(*odd, EC))
    assert list(keys) == [EC]
    assert not keys.private_seen
    assert len(JWKSet.load_foreign(published(*odd))) == 0


def test_published_rsa_keys_without_alg_take_the_one_given() -> None:
    text = published(without(RSA, "alg"))
    assert len(JWKSet.load_foreign(text)) == 0
    assert JWKSet.load_foreign(text, rsa_alg="RS256").find(RSA.kid, "RS256").alg == "RS256"
    own = JWKSet.load_foreign(published(without(RSA, alg="PS256")), rsa_alg="RS256")
    assert [key.alg for key in own] == ["PS256"]
    assert len(JWKSet.load_foreign(published(without(RSA, alg="RSA-OAEP")), rsa_alg="RS256")) == 0


@pytest.mark.rfc("9864", "2.2")
def test_published_ed25519_keys_without_alg_take_the_name_given() -> None:
    ed448 = KEYS["Ed448"].public()
    text = published(without(OKP, "alg"), without(ed448, "alg"))
    token = jws.sign(b"x", KEYS["Ed25519"])
    assert {key.alg for key in JWKSet.load_foreign(text)} == {"EdDSA"}
    with pytest.raises(AlgorithmError):
        jws.verify(token, JWKSet.load_foreign(text))
    keys = JWKSet.load_foreign(text, okp_alg="Ed25519")
    assert jws.verify(token, keys).payload == b"x"
    assert [key.alg for key in keys] == ["Ed25519", "EdDSA"]
    own = JWKSet.load_foreign(published(without(OKP, alg="EdDSA")), okp_alg="Ed25519")
    assert [key.alg for key in own] == ["EdDSA"]
    for odd in ("ES256", "", None, []):
        with pytest.raises(ConfigError):
            JWKSet.load_foreign(text, okp_alg=odd)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("odd", [None, 5, [None], [[]], "key"], ids=repr)
def test_a_set_of_something_else_is_no_set(odd: object) -> None:
    with pytest.raises(InvalidKeyError):
        JWKSet(odd)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(("kid", "alg"), [([], "ES256"), ({}, "ES256"), (None, []), ("named", []), (7, 7)])
def test_what_is_no_name_finds_nothing(kid: object, alg: object) -> None:
    with pytest.raises(KeyNotFoundError):
        JWKSet([EC]).find(kid, alg)  # type: ignore[arg-type]  # wrong on purpose


ECDH, X25519 = (JWK.generate("ECDH-ES", crv=crv).public() for crv in ("P-256", "X25519"))
OAEP = JWK.load(without(RSA, alg="RSA-OAEP-256", kid="oaep"))


@pytest.mark.rfc("7517", "4.2")
def test_of_a_foreign_set_only_the_keys_for_encryption_are_taken_to_encrypt_with() -> None:
    text = published(EC, RSA, OKP, ECDH, X25519, OAEP, without(EC, "alg", kid="plain"))
    assert list(JWKSet.load_foreign(text, use="enc")) == [ECDH, X25519, OAEP]
    for key in JWKSet.load_foreign(text, use="enc"):
        assert jwe.encrypt(b"x", key)
    assert not {ECDH, X25519, OAEP} & set(JWKSet.load_foreign(text))
    with pytest.raises(ConfigError):
        JWKSet.load_foreign(text, use="both")  # type: ignore[arg-type]  # wrong on purpose


def test_published_keys_for_encryption_without_alg_take_the_ones_given() -> None:
    says = (
        without(ECDH, "alg", kid="a", use="enc"),
        without(ECDH, "alg", kid="b", key_ops=["deriveKey"]),
        without(X25519, "alg", kid="c"),
        without(RSA, "alg", kid="d", use="enc"),
    )
    silent = (
        without(ECDH, "alg", kid="e"),
        without(RSA, "alg", kid="f"),
        without(ECDH, "alg", kid="g", use="sig"),
        without(OKP, "alg", kid="h", use="enc"),
        without(ECDH, "alg", kid="i", key_ops=[["deriveKey"]]),
        without(ECDH, "alg", kid="j", key_ops=["verify"]),
        without(ECDH, "alg", kid="k", crv=["X25519"]),
    )
    found = JWKSet.load_foreign(published(*says, *silent), use="enc", rsa_alg="RSA-OAEP-256")
    assert [(key.kid, key.alg) for key in found] == [
        ("a", "ECDH-ES"), ("b", "ECDH-ES"), ("c", "ECDH-ES"), ("d", "RSA-OAEP-256"),
    ]  # fmt: skip
    other = JWKSet.load_foreign(published(*says, *silent), use="enc", ecdh_alg="ECDH-ES+A128KW")
    assert [key.alg for key in other] == ["ECDH-ES+A128KW"] * 3


def test_a_shared_key_in_a_foreign_set_is_never_encrypted_with() -> None:
    shared = JWK.generate("A256KW").to_dict(private=True)
    for leak in (shared, JWK.generate("ECDH-ES").to_dict(private=True)):
        keys = JWKSet.load_foreign(published(leak, ECDH), use="enc")
        assert keys.private_seen
        assert list(keys) == [ECDH]


def test_same_kid_is_told_apart_by_algorithm_or_dropped() -> None:
    both = JWKSet.load_foreign(published(without(EC, kid="1"), without(RSA, kid="1")))
    assert both.find("1", "ES256").alg == "ES256"
    assert both.find("1", "RS256").alg == "RS256"
    rival = JWK.generate("ES256").public()
    dropped = JWKSet.load_foreign(published(without(EC, kid="1"), without(rival, kid="1"), OKP))
    assert list(dropped) == [OKP]
    twice = JWKSet.load_foreign(published(EC, EC))
    assert list(twice) == [EC]


def test_private_members_in_a_foreign_set_are_never_taken_and_raise_the_alarm() -> None:
    secret = {"kty": "oct", "k": "A" * 43, "alg": "HS256", "kid": "s"}
    for leak in (KEYS["ES256"].to_dict(private=True), KEYS["RS256"].to_dict(private=True), secret):
        keys = JWKSet.load_foreign(published(leak, OKP))
        assert keys.private_seen
        assert list(keys) == [OKP]


def test_a_foreign_set_is_bounded() -> None:
    for text in (published(*[EC] * 101), published(EC) + b" " * 300_000, b"{}", b"[]", b"", b'{"keys":1}'):
        with pytest.raises(InvalidKeyError):
            JWKSet.load_foreign(text)


@pytest.mark.rfc("7515", "4.1.4")
def test_a_token_is_verified_by_the_key_that_its_kid_names() -> None:
    keys = JWKSet([EC, JWK.generate("ES256").public(), RSA])
    assert jws.verify(jws.sign(b"x", KEYS["ES256"]), keys).payload == b"x"
    with pytest.raises(KeyNotFoundError):
        jws.verify(jws.sign(b"x", JWK.generate("ES256")), keys)


def test_a_set_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        JWKSet([EC]).private_seen = True


@pytest.mark.parametrize(
    "terms",
    [
        {"rsa_alg": "RS25"}, {"rsa_alg": "rs256"}, {"rsa_alg": ""}, {"rsa_alg": []}, {"rsa_alg": "ES256"},
        {"rsa_alg": "RSA-OAEP"}, {"rsa_alg": "RS256", "use": "enc"}, {"ecdh_alg": "ES256", "use": "enc"},
        {"ecdh_alg": "ECDH", "use": "enc"}, {"ecdh_alg": None, "use": "enc"}, {"okp_alg": "EdDSA ", "use": "enc"},
    ],
    ids=str,
)  # fmt: skip
def test_an_algorithm_that_no_key_of_the_set_could_have_is_told(terms: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        JWKSet.load_foreign(published(EC), **terms)
    for good in ({"rsa_alg": "PS512"}, {"rsa_alg": "RSA-OAEP", "use": "enc", "ecdh_alg": "ECDH-ES+A256KW"}):
        JWKSet.load_foreign(published(EC), **good)  # type: ignore[arg-type]  # two sets of terms


def hmac_keys(count: int) -> list[JWK]:
    return [
        JWK.secret(hashlib.sha256(b"%d" % number).digest(), "HS256", kid=str(number))
        for number in range(1, count + 1)
    ]


def test_a_set_has_a_hundred_keys_and_not_one_more() -> None:
    assert len(JWKSet(hmac_keys(100))) == 100
    with pytest.raises(InvalidKeyError, match="too many"):
        JWKSet(hmac_keys(101))


def test_a_set_may_be_narrowed_to_some_algorithms() -> None:
    keys = JWKSet([EC, RSA, OKP])
    assert list(keys.only(frozenset({"ES256", "Ed25519"}))) == [EC, OKP]
    assert keys.only(frozenset({"ES256", "RS256", "Ed25519", "PS256"})) is keys
    narrowed = keys.only(frozenset({"ES256"}))
    assert narrowed.find(EC.kid, "ES256") == EC
    with pytest.raises(KeyNotFoundError):
        narrowed.find(RSA.kid, "RS256")
