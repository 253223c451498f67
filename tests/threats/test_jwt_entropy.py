"""Ledger: what stands in a dictionary is no key, so no token that is signed here gives its key away (RFC 8725 §3.5)."""

import hmac
from collections.abc import Iterator

import pytest

from admit import JWK, InvalidKeyError, jwt
from admit.jose import JWS_ALGS, base64url
from tests.threats.forge import API, GOOD, ISS, LIFETIME, forged

HASHES = {alg: f"sha{alg[2:]}" for alg, row in JWS_ALGS.items() if row.kty == "oct"}
WORDS = (
    "secret", "password", "changeme", "admin", "letmein", "welcome", "qwerty", "123456", "jwt", "key", "token", "test",
    "supersecret", "mysecretkey", "secretkey", "private-key", "s3cr3t", "hunter2", "dragon", "iloveyou", "trustno1",
)  # fmt: skip
PUBLISHED = (
    "your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret", "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "my-32-character-ultra-secure-and-ultra-long-secret", "supersecretkeyyoushouldnotcommittogithub",
    "this-is-a-very-long-secret-key-for-jwt-signing", "ThisIsMySuperSecretKeyForJwtAuthentication",
    "please-change-this-secret-in-production-please", "correcthorsebatterystaplecorrecthorse",
    "Some random string that should be longer than 32 characters", "django-insecure-change-this-secret-key-please",
    "secretkeysecretkeysecretkeysecretkey", "secretsecretsecretsecretsecretsecret1", "0123456789abcdef0123456789abcdef",
    "thisisasecretkeythatisatleast32characterslong", "YourSuperSecretKeyForSigningTokens!!1",
)  # fmt: skip


def dictionary() -> Iterator[bytes]:
    """Words, what people make of them to have enough octets, and secrets that stand in public code."""
    for word in map(str.encode, WORDS):
        for one in (word, word.upper(), word.capitalize(), word + b"123", word + b"!"):
            yield one
            yield from (one * (size // len(one) + 1) for size in (32, 48, 64))
            yield from (
                one.ljust(size, filler) for size in (32, 48, 64) for filler in (b"\0", b" ", b"0", b"x", b"=")
            )
            yield from ((one * 64)[:size] for size in (32, 48, 64))
    for text in map(str.encode, PUBLISHED):
        yield from (text, text.upper(), text + b"1", text + b"\n", text.ljust(64, b"\0"), text * 2)


def cracked(token: str) -> bytes | None:
    """The secret of a token, where it stands in the dictionary: what any stranger can try at leisure."""
    data, _, tail = token.encode().rpartition(b".")
    alg = jwt.peek_unverified_header(token)["alg"]
    mac = base64url.decode(tail)
    return next((word for word in dictionary() if hmac.digest(word, data, HASHES[alg]) == mac), None)


@pytest.mark.rfc("8725", "3.5")
@pytest.mark.threat(
    "JWT-entropy", off=["admit.jose.secret_check:check_entropy", "admit.jose.binding:check_suits"]
)
@pytest.mark.parametrize("alg", HASHES)
def test_nothing_that_stands_in_a_dictionary_is_a_key(alg: str) -> None:
    taken = []
    for word in dictionary():
        try:
            JWK.secret(word, alg)
        except InvalidKeyError:
            continue
        taken.append(word)
    assert taken == []


@pytest.mark.threat("JWT-entropy")
@pytest.mark.parametrize("alg", HASHES)
def test_a_dictionary_tells_the_key_of_a_careless_token_and_of_none_that_is_signed_here(alg: str) -> None:
    for word in (b"your-256-bit-secret", b"hunter2", b"dragon123dragon123dragon123drago"):
        assert cracked(forged({"alg": "HS256"}, GOOD, secret=word)) == word
    # To fill a word up with NUL is what HMAC does of itself: the same key.
    assert cracked(forged({"alg": "HS256"}, GOOD, secret=b"hunter2" + bytes(25))) == b"hunter2"
    for _ in range(4):
        key = JWK.generate(alg)
        assert cracked(jwt.sign({"sub": "alice"}, key, issuer=ISS, audience=API, lifetime=LIFETIME)) is None


def test_what_a_generator_made_is_a_key_in_every_spelling() -> None:
    for _ in range(300):
        raw = base64url.decode(JWK.generate("HS512").to_dict(private=True)["k"].encode())
        for secret in (raw, raw.hex().encode(), base64url.encode(raw), raw.hex().upper().encode()):
            assert JWK.secret(secret, "HS512").is_private
