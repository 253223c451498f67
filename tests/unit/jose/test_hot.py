"""The short way says yes only where the rules one by one do, to the same claims, and writes the same octets."""

import json as stdlib_json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from admit import (
    JWK,
    AdmitError,
    AudienceError,
    ExpiredTokenError,
    InvalidKeyError,
    JWKSet,
    MalformedTokenError,
    SignatureError,
    jwt,
)
from admit.jose import base64url, claims, hot, jws
from admit.jose.claims import ClaimPolicy
from tests.unit.jose.keys import API, ISS, KEYS, LIFETIME, NOW, verifying

SECRET = KEYS["HS256"]
POLICY = ClaimPolicy(issuer=ISS, audience=API)
USUAL = {"sub": "alice", "scope": "orders:read", "sid": "k3Jx0pQ7"}
POLICIES = (
    POLICY,
    ClaimPolicy(issuer=ISS, audience=frozenset({API, "b"}), max_age=timedelta(minutes=1)),
    ClaimPolicy(issuer=ISS, audience=API, typ="at+jwt"),
    ClaimPolicy(issuer=ISS, audience=API, require=frozenset({"jti"})),
)
ODD_CLAIMS: dict[str, list[Any]] = {
    "iss": [ISS, ISS + "/", None, [ISS], 7],
    "aud": [API, [API], [API, "b"], ["b"], [], None, {API: 1}, API + "x"],
    "exp": [
        NOW + 300,
        int(NOW) + 300,
        int(NOW) - 30,
        int(NOW) - 31,
        "1800000300",
        True,
        None,
        2**63,
        -1,
        1e300,
    ],
    "iat": [int(NOW), NOW, int(NOW) - 61, int(NOW) - 91, int(NOW) + 30, int(NOW) + 31, -1, False, None],
    "nbf": [int(NOW), int(NOW) + 31, NOW, "x"],
    "sub": ["alice", 7, None, ["alice"]],
    "jti": ["j", 7, None],
    "deep": [
        {"a": [{"b": [1, {"c": [{}]}]}]},
        [[[[[]]]]],
        {"a": 2**64},
        {"a": [-(2**63) - 1]},
        1.5,
        "é\u2028",
    ],
}
TEXTS = "ABgwQ019-_+/=.~ \n\0é"


def outcome(verify: Callable[..., Any], token: Any, key: Any, policy: ClaimPolicy = POLICY) -> Any:
    """Claims, or what was said against them."""
    try:
        return verify(token, key, policy, NOW)
    except AdmitError as error:
        return type(error), str(error)


def truly_signed(payload: bytes, header: bytes | None = None) -> str:
    signer = SECRET.signer
    assert signer is not None
    head = jws.encoded_header(SECRET, "JWT") if header is None else base64url.encode(header)
    data = head + b"." + base64url.encode(payload)
    return (data + b"." + base64url.encode(signer(data))).decode()


def usual(**members: Any) -> dict[str, Any]:
    now = int(NOW)
    return {"iss": ISS, **USUAL, "aud": API, "iat": now, "exp": now + 300} | members


def written(members: dict[str, Any], rng: random.Random) -> bytes:
    """JSON in one of its spellings, now and then with a member twice."""
    compact = stdlib_json.dumps(members, separators=(",", ":"), ensure_ascii=rng.random() < 0.3).encode()
    if rng.random() < 0.1:
        return compact[:-1] + b',"sub":"mallory"}'
    return compact.replace(b",", b" ,") if rng.random() < 0.1 else compact


def test_the_usual_token_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for alg in ("HS256", "RS256", "ES256", "EdDSA"):
        key = JWK.load(
            KEYS[alg].to_private_bytes()
        )  # of its own: the shared one may have written many headers
        token = jwt.sign(USUAL, key, issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW)
        hot.verify(token, verifying(alg), POLICY, NOW)
        with monkeypatch.context() as without:
            for name in ("verify", "verify_claims", "sign_claims"):
                without.delattr(claims, name)
            assert hot.verify(token, verifying(alg), POLICY, NOW)["sub"] == "alice"
            assert jwt.sign(USUAL, key, issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (usual(exp=int(NOW) - 31), ExpiredTokenError),
        (usual(aud="https://other.example.com"), AudienceError),
        (b'{"sub":"a","sub":"b"}', MalformedTokenError),
    ],
)
def test_the_usual_token_with_one_thing_wrong_is_refused(changed: Any, said: type[AdmitError]) -> None:
    text = (
        changed if isinstance(changed, bytes) else stdlib_json.dumps(changed, separators=(",", ":")).encode()
    )
    hot.verify(
        truly_signed(written(usual(), random.Random(1))), SECRET, POLICY, NOW
    )  # its header is known now
    with pytest.raises(said):
        hot.verify(truly_signed(text), SECRET, POLICY, NOW)


@pytest.mark.parametrize("policy", POLICIES, ids=["plain", "max_age", "typ", "require"])
def test_both_ways_say_the_same_of_each_odd_claim_by_itself(policy: ClaimPolicy) -> None:
    compact = {"separators": (",", ":")}
    hot.verify(truly_signed(stdlib_json.dumps(usual(), **compact).encode()), SECRET, POLICY, NOW)  # type: ignore[arg-type]
    for name, values in ODD_CLAIMS.items():
        for value in values:
            token = truly_signed(stdlib_json.dumps(usual(**{name: value}), **compact).encode())  # type: ignore[arg-type]
            assert outcome(hot.verify, token, SECRET, policy) == outcome(claims.verify, token, SECRET, policy)


def test_both_ways_say_the_same_of_odd_claims(rng: random.Random, rounds: Callable[..., range]) -> None:
    taken = 0
    for _ in rounds(quick=200, test=2_000, soak=50_000):
        members = usual()
        for name in rng.sample(sorted(ODD_CLAIMS), rng.randrange(3)):
            members[name] = rng.choice(ODD_CLAIMS[name])
        token = truly_signed(written(members, rng))
        policy = rng.choice(POLICIES)
        said = outcome(claims.verify, token, SECRET, policy)
        assert outcome(hot.verify, token, SECRET, policy) == said
        taken += isinstance(said, dict)
    assert taken


def test_both_ways_say_the_same_of_odd_texts(rng: random.Random, rounds: Callable[..., range]) -> None:
    tokens = [truly_signed(written(usual(n="x" * n), random.Random(1))) for n in range(4)]
    keys = (SECRET, JWKSet([SECRET]), verifying("ES256"), KEYS["HS512"])
    hot.verify(tokens[0], SECRET, POLICY, NOW)
    for _ in rounds(quick=300, test=3_000, soak=100_000):
        token = rng.choice(tokens)
        for _ in range(rng.randrange(3)):
            at = rng.choice([rng.randrange(len(token)), len(token) - 1, token.rindex(".") - 1])
            token = token[:at] + rng.choice(["", rng.choice(TEXTS)]) + token[at + rng.randrange(2) :]
        key = rng.choice(keys)
        assert outcome(hot.verify, token, key) == outcome(claims.verify, token, key)


@pytest.mark.parametrize("token", ["", ".", "..", "...", "a", "é.é.é", "\ud800..", 7, None, b"\xff..", ["a"]])
def test_what_is_no_token_is_malformed(token: Any) -> None:
    with pytest.raises(MalformedTokenError):
        hot.verify(token, SECRET, POLICY, NOW)


def test_parts_that_are_missing_or_empty_are_malformed_under_a_known_header() -> None:
    token = truly_signed(written(usual(), random.Random(1)))
    hot.verify(token, SECRET, POLICY, NOW)
    head, body, tail = token.split(".")
    for text in (
        f"{head}..{tail}",
        f"{head}.{body}",
        f"{head}.{body}.{tail}.",
        f"{head}.{body}..{tail}",
        f"{head}..",
    ):
        with pytest.raises(AdmitError):
            hot.verify(text, SECRET, POLICY, NOW)
    with pytest.raises(SignatureError):
        hot.verify(f"{head}.{body}.", SECRET, POLICY, NOW)


def test_a_header_is_known_only_once_its_signature_held() -> None:
    header = b'{"alg":"HS256","kid":"never seen"}'
    genuine = truly_signed(written(usual(), random.Random(1)), header)
    forged = genuine[: genuine.rindex(".") + 1] + "A" * 43
    for _ in range(3):
        with pytest.raises(SignatureError):
            hot.verify(forged, SECRET, POLICY, NOW)
    assert base64url.encode(header) not in jws.known
    hot.verify(genuine, SECRET, POLICY, NOW)
    assert base64url.encode(header) in jws.known


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b'{"alg":"HS256","kid":"in this order"}', True),
        (b'{"kid":"or in this one","alg":"HS256"}', True),
        (b'{"alg": "HS256","kid":"spaced"}', False),
        (b'{"alg":"HS256","kid":"one more","zzz":"1"}', False),
        (b'{"alg":"HS256","kid":1}', False),
        (b'{"alg":"HS256","kid":"%s"}' % (b"k" * 360), True),
        (b'{"alg":"HS256","kid":"%s"}' % (b"k" * 361), False),
    ],
    ids=["plain", "another order", "another spelling", "another member", "no string", "512 octets", "longer"],
)
def test_only_short_plain_headers_are_kept(header: bytes, kept: bool) -> None:
    spelt = base64url.encode(header)
    jws.remember(stdlib_json.loads(header), spelt + b".")
    assert (spelt in jws.known) is kept


def test_the_known_headers_are_few_however_many_keys_sign() -> None:
    for number in range(600):
        header = b'{"alg":"HS256","kid":"%d"}' % number
        hot.verify(truly_signed(written(usual(), random.Random(1)), header), SECRET, POLICY, NOW)
        assert len(jws.known) <= 256


def test_both_ways_write_the_same_token(rng: random.Random, rounds: Callable[..., range]) -> None:
    values = [
        "a",
        "é\u2028",
        "?>~" * 5,
        7,
        2**63 - 1,
        2**63,
        True,
        None,
        1.5,
        float("nan"),
        [1],
        {"a": "b"},
        "\ud800",
        b"b",
    ]
    names: list[Any] = ["sub", "scope", "x", "nbf", "jti", "iss", "aud", "exp", 7, "é"]
    for _ in rounds(quick=300, test=3_000, soak=50_000):
        given: Any = {rng.choice(names): rng.choice(values) for _ in range(rng.randrange(4))}
        arguments: dict[str, Any] = {
            "issuer": rng.choice([ISS, ISS, ISS, ""]),
            "audience": rng.choice([API, API, frozenset({API, "b"}), "", [API]]),
            "lifetime": rng.choice([LIFETIME, LIFETIME, timedelta(0), timedelta.max]),
            "typ": rng.choice(["JWT", "JWT", "at+jwt", "", None]),
            "now": rng.choice([NOW, NOW, int(NOW), float("inf"), float("nan"), -1.0, 1e18, 1e300]),
            "jti": rng.choice([None, None, "j", 7]),
        }

        def told(sign: Callable[..., str], given: Any = given, arguments: Any = arguments) -> Any:
            try:
                return sign(given, SECRET, **arguments)
            except AdmitError as error:
                return type(error)

        short, long = told(hot.sign), told(claims.sign_claims)
        # Of two faults one or the other is named first.
        assert short == long or (isinstance(short, type) and isinstance(long, type))


def test_a_key_that_may_not_sign_does_not_sign_the_short_way() -> None:
    public = KEYS["ES256"].public()
    hot.verify(
        jwt.sign(USUAL, KEYS["ES256"], issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW),
        public,
        POLICY,
        NOW,
    )
    with pytest.raises(InvalidKeyError):
        jwt.sign(USUAL, public, issuer=ISS, audience=API, lifetime=LIFETIME)
