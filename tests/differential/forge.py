"""Tokens near the edge of what may be taken: truly signed texts that few would write, and true tokens spelled wrong."""

import hmac
import random
from dataclasses import dataclass
from datetime import timedelta

from admit import JWK, jwt
from admit.jose import base64url

ISS, API = "https://id.example.com", "https://api.example.com"
_VALUES = [
    "0", "-0", "1", "-1", "1.0", "1e3", "1E400", "-1e400", "NaN", "Infinity", "9" * 30, "01", "null", "true", "false",
    '""', '"x"', '"JWT"', '"jwt"', '"at+jwt"', '"application/jwt"',
    '"HS256"', '"none"', '"RS256"', "[]", "{}", '["b64"]',
    '["exp"]', '[""]', '{"a":1,"a":2}', '{"kty":"oct","k":"AAAA"}', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"é"',
    f'"{ISS}"', f'"{API}"', f'["{API}"]', f'["x","{API}"]', f'["{API}",1]', f'["{API}","{API}"]', f'["{ISS}"]',
    f'"{ISS}/"', '"https:\\/\\/id.example.com"', '"\\u0068ttps://api.example.com"', "[" * 40 + "]" * 40, "[[[]]]",
    "1.5", "0.1", "1e-400", "18446744073709551616", "9223372036854775808", '{"exp":1}', '"1"',
]  # fmt: skip
_NAMES = [
    "alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "zip", "enc", "epk", "p2c", "apu",
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "cnf", "nonce", "x", "", "é", "\\u0061lg", "\\u0065xp",
]  # fmt: skip
_SPACES = ["", "", "", " ", "\n", "\t", "\r\n", "  ", "\x0c", "\u00a0", "\ufeff"]
_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" * 4 + "=+/. \n\t\r\0é?%"


@dataclass(frozen=True, slots=True)
class Keys:
    """One key of each kind, with tokens that they signed."""

    secret: bytes
    by_alg: dict[str, JWK]
    tokens: dict[str, list[str]]


def keys(rng: random.Random, now: int) -> Keys:
    """Keys for a run, and a few true tokens of each."""
    secret = rng.randbytes(32)
    by_alg = {alg: JWK.generate(alg) for alg in ("ES256", "EdDSA", "RS256", "PS256")}
    by_alg["HS256"] = JWK.secret(secret, "HS256")
    hour = timedelta(hours=1)
    tokens = {
        alg: [
            jwt.sign({"sub": f"user-{n}"}, key, issuer=ISS, audience=API, lifetime=hour, now=now)
            for n in range(8)
        ]
        for alg, key in by_alg.items()
    }
    return Keys(secret, by_alg, tokens)


def forged(rng: random.Random, own: Keys, now: int) -> tuple[str, str]:
    """The `alg` of the key that is trusted, and a token for it."""
    if rng.random() < 0.25:
        alg = rng.choice(list(own.tokens))
        return alg, misspelt(rng, rng.choice(own.tokens[alg]))
    times = rng.choice(
        [now + 600, now + 600.5, now - 10, now - 90, now + 10, now + 90, f"{now + 600}.0", "6e9"]
    )
    header = members(rng, [("alg", '"HS256"'), ("typ", '"JWT"')])
    claims = members(
        rng, [("iss", f'"{ISS}"'), ("aud", f'"{API}"'), ("exp", str(times)), ("sub", '"user"'), ("iat", str(now - 5))]
    )  # fmt: skip
    parts = [base64url.encode(text.encode("utf-8", "surrogatepass")) for text in (header, claims)]
    data = b".".join(parts)
    signed = (data + b"." + base64url.encode(hmac.digest(own.secret, data, "sha256"))).decode()
    return "HS256", misspelt(rng, signed) if rng.random() < 0.05 else signed


def members(rng: random.Random, plain: list[tuple[str, str]]) -> str:
    """One object as text: now and then a member too many, missing, doubled, of another value, or spaced oddly."""
    rows = list(plain)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        what, place = rng.random(), rng.randrange(len(rows) + 1)
        if what < 0.5:
            rows.insert(place, (rng.choice(_NAMES), rng.choice(_VALUES)))
        elif what < 0.75 and place < len(rows):
            rows[place] = rows[place][0], rng.choice(_VALUES)
        elif what < 0.85 and place < len(rows):
            rows.insert(rng.randrange(len(rows)), rows[place])
        elif what < 0.95 and place < len(rows):
            rows.pop(place)
        else:
            rng.shuffle(rows)
    if rng.random() < 0.7:
        return "{" + ",".join(f'"{name}":{value}' for name, value in rows) + "}"
    odd = [rng.choice(_SPACES) for _ in range(4)]
    inside = f"{odd[1]},{odd[2]}".join(f'"{name}"{odd[1]}:{odd[2]}{value}' for name, value in rows)
    return f"{odd[0]}{{{inside}}}{odd[3]}" + rng.choice(["", "", "", "", "x", "{}", "\0", ","])


def misspelt(rng: random.Random, token: str) -> str:
    """A true token after one or two slips of the pen."""
    for _ in range(rng.choice([1, 1, 2])):
        place, what = rng.randrange(len(token) + 1), rng.random()
        if what < 0.3:
            token = token[:place] + rng.choice(_CHARACTERS) + token[place + 1 :]
        elif what < 0.5:
            token = token[:place] + rng.choice(_CHARACTERS) + token[place:]
        elif what < 0.6:
            token = token[:place] + token[place + rng.randrange(1, 5) :]
        elif what < 0.75:
            token += rng.choice(["=", "==", "\n", " ", ".", "A", "AA", "\0"])
        elif what < 0.85:
            token = token[:-1] + rng.choice(_CHARACTERS)
        else:
            parts = token.split(".")
            rng.shuffle(parts)
            token = ".".join(parts)
    return token
