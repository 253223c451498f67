"""Whatever comes in: a value or an AdmitError, and no changed octet verifies."""

import contextlib
import json as stdlib_json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admit import JWK, AdmitError, JWKSet, Waive, jwt
from admit.jose import JWS_ALGS, base64url, jws
from tests.unit.jose.keys import API, ISS, KEYS, LIFETIME, NOW, verifying

TOKENS = {
    alg: jwt.sign({"sub": "a"}, KEYS[alg], issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW)
    for alg in JWS_ALGS
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["ES256", "HS256", "none", ISS, API, "JWT", NOW, "1e400", "NaN"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc"]),
    VALUES,
    max_size=5,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "x"]), VALUES, max_size=8
)
MEMBERS = st.sampled_from(
    ["kty", "crv", "x", "y", "d", "n", "e", "k", "p", "q", "alg", "use", "key_ops", "kid", "x5c", "oth"]
)
KEYISH = st.dictionaries(
    MEMBERS,
    VALUES | st.sampled_from(["EC", "OKP", "RSA", "oct", "P-256", "Ed25519", "AQAB", "A" * 43]),
    max_size=8,
)


def signed(header: dict[str, Any], claims: Any) -> bytes:
    """A truly signed token of any header and claims."""
    texts = [stdlib_json.dumps(part).encode("utf-8", "surrogatepass") for part in (header, claims)]
    data = b".".join(map(base64url.encode, texts))
    signer = KEYS["HS256"].signer
    assert signer is not None
    return data + b"." + base64url.encode(signer(data))


@given(st.binary(max_size=400) | st.text(max_size=200) | st.text("eyJhbGciOiJ9._-=", max_size=80))
def test_any_token_is_refused_with_an_admit_error(token: Any) -> None:
    with pytest.raises(AdmitError):
        jwt.verify(token, KEYS["HS256"], issuer=ISS, audience=API)


@given(HEADERS, CLAIMS | VALUES)
def test_any_signed_content_gives_claims_or_an_admit_error(header: dict[str, Any], claims: Any) -> None:
    with contextlib.suppress(AdmitError):
        got = jwt.verify(
            signed({"alg": "HS256", **header}, claims), KEYS["HS256"], issuer=ISS, audience=API, now=NOW
        )
        assert got["iss"] == ISS
        assert got["exp"] > NOW - 30
    with contextlib.suppress(AdmitError):
        jwt.verify(
            signed({**header, "alg": "HS256"}, claims),
            KEYS["HS256"],
            issuer=Waive.ISSUER,
            audience=Waive.AUDIENCE,
            typ=Waive.TYP,
            accept_expired=Waive.EXPIRY,
            now=NOW,
        )


@pytest.mark.parametrize("alg", JWS_ALGS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_token_with_any_changed_character_does_not_verify(alg: str, data: st.DataObject) -> None:
    token = TOKENS[alg]
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda character: character != token[place]))
    odd = token[:place] + other + token[place + 1 :]
    assert jwt.verify(token, verifying(alg), issuer=ISS, audience=API, now=NOW)["sub"] == "a"
    with pytest.raises(AdmitError):
        jwt.verify(odd, verifying(alg), issuer=ISS, audience=API, now=NOW)


@pytest.mark.parametrize("alg", JWS_ALGS)
def test_a_token_with_any_flipped_bit_does_not_verify(alg: str) -> None:
    data, _, tail = TOKENS[alg].encode().rpartition(b".")
    signature = base64url.decode(tail)
    # Every bit of the short ones; of the long ones, which are slow to verify, a few hundred that fall on all eight.
    step = 1 if len(signature) <= 64 else max(7, len(signature) * 8 // 300 | 1)
    for bit in range(0, len(signature) * 8, step):
        odd = bytearray(signature)
        odd[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AdmitError):
            jws.verify(data + b"." + base64url.encode(bytes(odd)), verifying(alg))


@given(KEYISH | st.binary(max_size=200) | st.text(max_size=100), st.sampled_from([None, *JWS_ALGS, "none"]))
def test_any_key_loads_or_is_refused_with_an_admit_error(members: Any, alg: str | None) -> None:
    with contextlib.suppress(AdmitError):
        assert JWK.load(members, alg=alg).alg in JWS_ALGS


@given(st.binary(max_size=100))
def test_any_secret_is_a_key_or_refused_with_an_admit_error(raw: bytes) -> None:
    with contextlib.suppress(AdmitError):
        key = JWK.secret(raw, "HS256")
        assert len(raw) >= 32
        assert JWK.load(key.to_private_bytes()) == key


@given(st.lists(KEYISH, max_size=4) | VALUES)
def test_any_key_set_is_read_or_refused_with_an_admit_error(keys: Any) -> None:
    text = stdlib_json.dumps({"keys": keys}).encode()
    with contextlib.suppress(AdmitError):
        assert all(not key.is_private for key in JWKSet.load_foreign(text, rsa_alg="RS256"))
    with contextlib.suppress(AdmitError):
        JWKSet.load(text)


@given(CLAIMS)
def test_any_claims_are_signed_and_verify_or_are_refused_with_an_admit_error(claims: dict[str, Any]) -> None:
    free = {name: value for name, value in claims.items() if name not in {"iss", "aud", "exp", "iat"}}
    with contextlib.suppress(AdmitError):
        token = jwt.sign(free, KEYS["HS256"], issuer=ISS, audience=API, lifetime=LIFETIME, now=NOW)
        later = max(NOW, free.get("nbf", 0))
        if later < NOW + 300:
            got = jwt.verify(token, KEYS["HS256"], issuer=ISS, audience=API, now=later)
            assert {name: got[name] for name in free} == free
