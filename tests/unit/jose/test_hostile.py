"""Tokens and keys as an attacker, or a careless peer, writes them; beside what must not be taken, what must.

Every token here is truly signed, so that what refuses it is the rule and not the signature.
"""

import base64
import json
import time
import zlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from admit import JWK, AdmitError, ConfigError, InvalidKeyError, JWKSet, MalformedTokenError, Waive, jwt
from admit.jose import base64url, jwe, jwe_json, jws, jws_detached, jws_json
from tests.unit.jose.keys import API, ISS, KEYS, NOW

SECRET = bytes(range(101, 133))
KEY = JWK.secret(SECRET, "HS256")
SHARED = JWK.secret(SECRET, "A256GCM")
CLAIMS = {"iss": ISS, "aud": API, "exp": int(NOW) + 300, "sub": "alice"}
AHEAD = int(NOW) + 31
NOTHING = object()


def token(header: bytes | dict[str, Any], claims: bytes | dict[str, Any] = CLAIMS) -> str:
    """A truly signed token of these very octets."""
    parts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, claims)]
    data = b".".join(map(base64url.encode, parts))
    assert KEY.signer is not None
    return (data + b"." + base64url.encode(KEY.signer(data))).decode()


def taken(text: Any, key: Any = KEY, **more: Any) -> bool:
    try:
        jwt.verify(text, key, **{"issuer": ISS, "audience": API, "now": NOW, **more})
    except AdmitError:
        return False
    return True


def loads(members: Any, **more: Any) -> bool:
    try:
        JWK.load(members, **more)
    except InvalidKeyError:
        return False
    return True


GOOD = token({"alg": "HS256"})
HEADERS_TAKEN = [
    b' {"alg" : "HS256" }\n', b'{"typ":"JWT",\r\n "alg":"HS256"}', b'{"\\u0061lg":"HS256"}', b'{"alg":"HS256","x":-0}',
    b'{"alg":"HS256","x":1.0}', b'{"alg":"HS256","x":1E2}', b'{"alg":"HS256","x":"\\ud83d\\ude00"}',
    b'{"alg":"HS256","kid":""}', b'{"alg":"HS256","kid":"../../dev/null"}', b'{"alg":"HS256","typ":"jwt"}',
    b'{"alg":"HS256","typ":"APPLICATION/jwt"}', b'{"alg":"HS256","jku":"https://evil.example"}',
    b'{"alg":"HS256","x5u":"https://evil.example"}', b'{"alg":"HS256","x5c":["AAAA"]}',
    b'{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}',
]  # fmt: skip
HEADERS_REFUSED = [
    b"", b"null", b'"HS256"', b'["HS256"]', b"{}", b'{"alg":"HS256","alg":"HS256"}', b'{"alg":"none","alg":"HS256"}',
    b'{"alg":"HS256","\\u0061lg":"HS256"}', b'{"alg":"HS256","x":{"a":1,"a":1}}', b'\xef\xbb\xbf{"alg":"HS256"}',
    b'{"alg":"HS256"}x', b'{"alg":"HS256"}{}', b'{"alg":"HS256"}\0', b'{"alg":"HS256",}', b"{'alg':'HS256'}",
    b'{"alg":"HS256","x":NaN}', b'{"alg":"HS256","x":-Infinity}', b'{"alg":"HS256","x":1e400}',
    b'{"alg":"HS256","x":' + b"9" * 400 + b"}", b'{"alg":"HS256","x":01}', b'{"alg":"HS256","x":"\\ud800"}',
    b'{"alg":"HS256","x":"\xed\xa0\x80"}', b'{"alg":"HS256","x":"\xff"}', b'{"alg":"HS256","x":"\xc0\x80"}',
    b'{"alg":"HS256","x":"a\nb"}', b'{"alg":"HS256"/**/}', b'\x0c{"alg":"HS256"}',
    b'{"alg":"HS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}", '{"alg":"HS256"}'.encode("utf-16-le"),
    *(json.dumps({"alg": odd}).encode() for odd in (
        "hs256", "none", "nOnE", "", "HS256 ", "HS384", "RS256", "HS256\0", 1, None, ["HS256"], True)),
    *(json.dumps({"alg": "HS256", **odd}).encode() for odd in (
        {"crit": []}, {"crit": None}, {"crit": ["exp"], "exp": 1}, {"crit": ["alg"]}, {"crit": "b64", "b64": True},
        {"crit": ["b64"], "b64": True}, {"b64": False}, {"b64": True}, {"crit": ["b64"], "b64": False},
        {"kid": 1}, {"kid": None}, {"kid": ["a"]}, {"kid": "a" * 129}, {"kid": "a" * 5000}, {"typ": 1},
        {"typ": None}, {"typ": ""},
        {"typ": "at+jwt"}, {"typ": "JWT "}, {"typ": "\u212aWT"}, {"typ": "text/jwt"}, {"typ": ["JWT"]},
        {"typ": "application/application/jwt"})),
]  # fmt: skip


@pytest.mark.rfc("7515", "4")
@pytest.mark.parametrize("header", HEADERS_TAKEN)
def test_a_header_that_is_odd_and_allowed_is_taken(header: bytes) -> None:
    assert taken(token(header))


@pytest.mark.rfc("7515", "4.1.4")
def test_a_key_id_of_just_the_bound_is_taken() -> None:
    assert taken(token({"alg": "HS256", "kid": "a" * 128}))


@pytest.mark.rfc("7515", "4")
@pytest.mark.parametrize("header", HEADERS_REFUSED)
def test_a_header_that_could_be_read_two_ways_is_refused(header: bytes) -> None:
    assert not taken(token(header))


@pytest.mark.rfc("7515", "7.1")
def test_every_other_spelling_of_a_token_is_refused() -> None:
    head, body, tail = GOOD.split(".")
    assert taken(GOOD)
    for odd in (
        GOOD + "=", GOOD + "\n", GOOD + "\r", " " + GOOD, GOOD + "\0", GOOD + ".", "." + GOOD, "\ufeff" + GOOD,
        GOOD + "é",
        f"{head}..{body}.{tail}", f"{head}.{body}.", f"{head}.{body}", f"{head}=.{body}.{tail}",
        f"{head}.{body}\n.{tail}",
        f"{head}.{body}.{tail[:5]}+{tail[6:]}", f"{head}.{body}.{tail}A", "Bearer " + GOOD, "", "..", "." * 16_000,
        GOOD.encode("utf-16"), bytearray(GOOD.encode()), memoryview(GOOD.encode()), None, 1, [GOOD], {"token": GOOD},
    ):  # fmt: skip
        assert not taken(odd)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = last.index(tail[-1])
    assert not any(taken(GOOD[:-1] + last[place ^ spare]) for spare in (1, 2, 3))


@pytest.mark.rfc("7519", "4.1")
@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("exp", [NOW + 0.5, NOW - 29, 1e300, 2**53], [str(AHEAD), True, None, [AHEAD], {}, -1, NOW - 30, 2**63,
         NOTHING]),
        ("nbf", [NOW + 30, 0, NOW - 0.5, NOTHING], [str(NOW), False, None, [1], {}, -5, AHEAD]),
        ("iat", [NOW + 30, 0, NOTHING], [str(NOW), False, None, [1], {}, -5, AHEAD]),
        ("iss", [ISS], [[ISS], None, 1, True, "", ISS + "/", " " + ISS, ISS.upper(), {ISS: 1}, NOTHING]),
        ("aud", [[API], ["b", API], [API, API]],
         [[], None, 1, True, "", API + "/", API[:-1], {API: 1}, [1], [API, 1], [[API]], [API, None], NOTHING]),
        ("sub", ["", NOTHING], [1, None, True, ["s"], {}]),
        ("jti", ["", NOTHING], [1, None, True, ["s"], {}]),
    ],
)  # fmt: skip
def test_a_registered_claim_of_another_type_or_value_is_refused(
    name: str, good: list[Any], bad: list[Any]
) -> None:
    def with_claim(value: Any) -> str:
        claims = CLAIMS | {name: value}
        return token({"alg": "HS256"}, {n: v for n, v in claims.items() if v is not NOTHING})

    assert [value for value in good if not taken(with_claim(value))] == []
    assert [value for value in bad if taken(with_claim(value))] == []


def test_a_payload_is_one_strict_object() -> None:
    start = json.dumps(CLAIMS)[:-1].encode()
    assert taken(token({"alg": "HS256"}, json.dumps(CLAIMS, indent=2).encode()))
    assert taken(token({"alg": "HS256"}, start + b',"x":' + b"[" * 31 + b"]" * 31 + b"}"))
    for odd in (
        b"[]", b"1", b"null", b"", b"\xef\xbb\xbf" + start + b"}", start + b',"exp":9999999999}', start + b',"x":NaN}',
        start + b',"x":1e999}', start + b',"x":"\\udfff"}', start + b"}\0", start + b',"x":"\xc3\x28"}',
        start + b',"x":' + b"[" * 32 + b"]" * 32 + b"}", start + b',"x":' + b'{"a":' * 1500 + b"1" + b"}" * 1501,
        start + b',"x":' + b"1" * 4000 + b"}",
    ):  # fmt: skip
        assert not taken(token({"alg": "HS256"}, odd))


RSA = rsa.generate_private_key(65537, 2048)
PEM = RSA.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
DER = RSA.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.parametrize(
    "secret",
    [PEM, PEM.strip(), PEM.decode().encode("utf-16"), base64.b64encode(PEM), PEM.hex().encode(), DER,
    base64.b64encode(DER),
     DER.hex().encode(), b"\xef\xbb\xbf" + PEM, b"".join(PEM.splitlines()[1:-1]),
     RSA.public_key().public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH),
     bytes(32), b"a" * 32, b"abcdefgh" * 4, b"your-256-bit-secret-of-this-page", SECRET[:31], b""],
    ids=range(17),
)  # fmt: skip
def test_a_public_key_or_a_pattern_in_any_dress_is_no_secret(secret: bytes) -> None:
    assert JWK.secret(SECRET, "HS256").alg == "HS256"
    with pytest.raises(InvalidKeyError):
        JWK.secret(secret, "HS256")


def number(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


@pytest.mark.rfc("7518", "6.3.2")
def test_a_private_exponent_that_belongs_to_nothing_is_refused_before_its_primes_are_looked_for() -> None:
    own = RSA.private_numbers()
    members = {"kty": "RSA", "alg": "RS256", "n": number(own.public_numbers.n), "e": "AQAB"}
    assert JWK.load(members | {"d": number(own.d)}).is_private
    large = number(2**4095 + 2**200 + 1)
    started = time.process_time()
    for odd in (
        members | {"d": number(own.d + 2)}, members | {"d": number(own.d + own.public_numbers.n)},
        members | {"d": "Aw"},
        members | {"n": large, "d": number(2**4094 + 12345)},
    ):  # fmt: skip
        assert not loads(odd)
    assert time.process_time() - started < 20


def test_a_key_id_that_no_token_could_carry_is_refused() -> None:
    members = SHARED.to_dict(private=True)
    assert loads(members | {"kid": "schlüssel-1"})
    assert loads(members | {"kid": "a" * 128})
    assert not any(loads(members | {"kid": odd}) for odd in ("\ud800", "", "a" * 129, 1, None, ["a"]))


@pytest.mark.rfc("7468", "2")
def test_a_pem_text_may_be_explained_before_its_block() -> None:
    text = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
        ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    assert loads(b"Subject: CN=issuer\n" + text)
    assert not loads(b"Subject: CN=issuer\n" + text.replace(b"END", b"EMD"))
    assert not loads(text + text)
    assert not loads(b'{"kty":"' + text.replace(b"\n", b"\\n") + b'"}')


@pytest.mark.rfc("7517", "4.2")
@pytest.mark.parametrize(
    "odd",
    [{"use": "enc"}, {"use": "x"}, {"use": None}, {"key_ops": ["encrypt"]}, {"key_ops": []}, {"key_ops": "sign"},
     {"key_ops": ["sign", "sign"]}, {"key_ops": ["sign", "encrypt"]}, {"key_ops": ["sign", "foo"]}, {"alg": "none"},
     {"alg": None}, {"alg": 1}, {"alg": "RS256"}, {"alg": "HS512"}, {"kty": "OCT"}, {"kty": ["oct"]}, {"kty": None},
     {"k": 1}, {"k": None}, {"d": "AQAB"}, {"k": "A" * 43}],
)  # fmt: skip
def test_a_key_is_refused_for_what_its_members_say(odd: dict[str, Any]) -> None:
    members = KEY.to_dict(private=True)
    assert loads(members | {"use": "sig", "key_ops": ["sign", "verify"], "unknown": 1})
    assert not loads(members | odd)


def encrypted(header: dict[str, Any], plaintext: bytes) -> str:
    """A truly encrypted token of this very header."""
    row = jwe.content_alg(SHARED, "A256GCM")
    head, iv = base64url.encode(json.dumps({"alg": "dir", "enc": "A256GCM"} | header).encode()), bytes(12)
    ciphertext, tag = row.encrypt(SECRET, iv, plaintext, head)
    return b".".join([head, b"", *map(base64url.encode, (iv, ciphertext, tag))]).decode()


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


@pytest.mark.rfc("7516", "4.1.3")
def test_compressed_content_is_one_bounded_whole_stream() -> None:
    for plain in (b"", b"x" * 1000, bytes(jwe.MAX_PLAINTEXT)):
        assert jwe.decrypt(encrypted({"zip": "DEF"}, deflated(plain)), SHARED).plaintext == plain
    for odd in (
        deflated(bytes(jwe.MAX_PLAINTEXT + 1)), deflated(bytes(10_000_000)), deflated(b"x" * 99)[:-1],
        deflated(b"x") + b"x",
        deflated(b"x") + deflated(b"y"), zlib.compress(b"x"), b"",
    ):  # fmt: skip
        with pytest.raises(AdmitError):
            jwe.decrypt(encrypted({"zip": "DEF"}, odd), SHARED)
    for name in ("def", "GZ", None, ["DEF"], ""):
        with pytest.raises(AdmitError):
            jwe.decrypt(encrypted({"zip": name}, deflated(b"x")), SHARED)


@pytest.mark.rfc("7518", "4.8.1.2")
@pytest.mark.threat("JWT-p2c", off="admit.jose.jwe_json:check_work")
def test_many_recipients_do_not_multiply_the_work_that_a_password_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("admit.jose.key_management.ITERATIONS", {"SHA256": 1_000})
    monkeypatch.setattr("admit.jose.jwe_json.MAX_ITERATIONS", 1_750)
    key = JWK.password(b"correct horse", "PBES2-HS256+A128KW")
    sent = jwe_json.encrypt_json(b"x", [key])
    assert jwe_json.decrypt_json(sent, key).plaintext == b"x"
    entry = sent["recipients"][0]
    dear = {"header": entry["header"] | {"p2c": 1_500}, "encrypted_key": "A" * 32}
    assert jwe_json.decrypt_json(sent | {"recipients": [dear, entry]}, key).plaintext == b"x"
    with pytest.raises(MalformedTokenError, match="iterations"):
        jwe_json.decrypt_json(sent | {"recipients": [dear, dear, entry]}, key)


@pytest.mark.parametrize("odd", ["text", 1, None, [], {}, object()], ids=lambda odd: type(odd).__name__)
def test_whatever_a_program_hands_over_is_refused_with_an_admit_error(odd: Any) -> None:
    detached = jws_detached.sign_detached(b"x", KEY)
    flat = {name: value for name, value in jws_json.sign_json(b"x", KEY).items() if name != "payload"}
    minute = timedelta(minutes=1)
    assert jws_json.verify_json(flat, KEY, payload=b"x").payload == b"x"
    calls: list[Any] = [
        lambda: jws.sign(odd, KEY), lambda: jws.sign(b"x", odd), lambda: jws.sign(b"x", KEY, header=odd or [odd]),
        lambda: jws.verify(odd, KEY), lambda: jws.verify(GOOD, odd), lambda: jws_detached.sign_detached(odd, KEY),
        lambda: jws_detached.sign_detached(b"x", odd), lambda: jws_detached.verify_detached(detached, odd, KEY),
        lambda: jws_detached.verify_detached(detached, b"x", odd), lambda: jws_json.sign_json(odd, KEY),
        lambda: jws_json.sign_json(b"x", [odd]), lambda: jws_json.verify_json(odd, KEY),
        lambda: jws_json.verify_json(flat, KEY, payload=odd), lambda: jws_json.verify_json(flat, odd, payload=b"x"),
        lambda: jwe.encrypt(odd, SHARED), lambda: jwe.encrypt(b"x", odd), lambda: jwe.decrypt(odd, SHARED),
        lambda: jwe.decrypt(encrypted({}, b"x"), odd), lambda: jwe_json.encrypt_json(odd, SHARED),
        lambda: jwe_json.encrypt_json(b"x", [odd]), lambda: jwe_json.decrypt_json(odd, SHARED),
        lambda: base64url.decode(odd), lambda: JWK.load(odd), lambda: JWKSet.load(odd),
        lambda: JWKSet.load_foreign(odd),
        lambda: JWK.generate(odd), lambda: JWK.secret(odd, "HS256"), lambda: JWK.secret(SECRET, odd),
        lambda: jwt.sign({}, odd, issuer=ISS, audience=API, lifetime=minute),
        lambda: jwt.sign({"sub": odd} if odd == "text" else odd, odd, issuer=ISS, audience=API, lifetime=minute),
        lambda: jwt.peek_unverified_header(odd), lambda: jwt.peek_unverified_claims(odd),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(AdmitError):
            call()


@pytest.mark.parametrize("odd", ["1", [], object(), (NOW,)], ids=lambda odd: type(odd).__name__)
def test_a_time_that_is_no_number_is_refused(odd: Any) -> None:
    assert taken(GOOD, now=int(NOW))
    with pytest.raises(ConfigError):
        jwt.verify(GOOD, KEY, issuer=ISS, audience=API, now=odd)


def test_a_key_never_does_the_work_of_another_kind() -> None:
    assert jws.verify(GOOD, KEY).payload
    assert jwe.decrypt(encrypted({}, b"x"), SHARED).plaintext == b"x"
    for call in (
        lambda: jwe.encrypt(b"x", KEY), lambda: jwe.decrypt(encrypted({}, b"x"), KEY), lambda: jws.sign(b"x", SHARED),
        lambda: jws.verify(GOOD, SHARED), lambda: jws.verify(GOOD, KEYS["RS256"]), lambda: jws.sign(b"x",
        KEYS["RS256"].public()),
    ):  # fmt: skip
        with pytest.raises(AdmitError):
            call()


def test_a_waiver_of_one_check_waives_no_other() -> None:
    assert taken(token({"alg": "HS256", "typ": "x"}), typ=Waive.TYP)
    assert not taken(token({"alg": "HS256", "typ": "x"}), typ=Waive.TYP, audience="other")
    assert not taken(token({"alg": "HS256", "typ": "x"}), audience=Waive.AUDIENCE)
    assert not taken(token({"alg": "HS256"}, CLAIMS | {"aud": 1}), audience=Waive.AUDIENCE)
    assert not taken(token({"alg": "HS256"}, CLAIMS | {"exp": "1"}), accept_expired=Waive.EXPIRY)
    assert not taken(token({"alg": "HS256"}, CLAIMS | {"iss": ["x"]}), issuer=Waive.ISSUER)


@pytest.mark.rfc("7515", "4.1.4")
def test_the_only_key_of_its_algorithm_is_found_without_a_name_and_two_are_not() -> None:
    other = JWK.secret(SECRET[::-1], "HS256")
    assert taken(GOOD, JWKSet([KEY]))
    assert taken(GOOD, JWKSet([KEY, KEYS["HS512"]]))
    assert not taken(GOOD, JWKSet([KEY, other]))
    assert not taken(token({"alg": "HS256", "kid": "x"}), JWKSet([KEY]))
    assert not taken(GOOD, JWKSet([]))


def test_a_key_is_octets_or_text_of_bounded_size_and_a_number_is_no_length() -> None:
    assert loads(bytearray(PEM), alg="RS256")
    assert loads(memoryview(DER), alg="RS256")
    for odd in (10**12, [48, 130], PEM + b" " * 70_000, b"0" + bytes(70_000), b"x" * 70_000 + PEM):
        assert not loads(odd, alg="RS256")
    with pytest.raises(InvalidKeyError):
        JWKSet.load_foreign(10**12)  # type: ignore[arg-type]  # what the test is about
