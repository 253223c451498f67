"""The front door: sign and verify in two calls, and import nothing else for it."""

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

import admit
from admit import (
    JWK,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    InvalidKeyError,
    JWKSet,
    TokenTypeError,
    Waive,
    jwt,
)

ISS, API = "https://id.example.com", "https://api.example.com"
MINUTES = timedelta(minutes=5)
KEY = JWK.generate("ES256")


class Place(msgspec.Struct):
    level: int
    more: list[int] = []


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    iss: str
    aud: str
    iat: int
    exp: int
    sub: str


def sign(claims: dict[str, Any] | None = None, **changed: Any) -> str:
    return jwt.sign(
        claims or {"sub": "alice"}, KEY, **{"issuer": ISS, "audience": API, "lifetime": MINUTES, **changed}
    )


@pytest.mark.rfc("7519", "7.1")
@pytest.mark.rfc("7519", "7.2")
def test_the_typical_calls_work() -> None:
    token = sign(jti="one")
    claims = jwt.verify(token, KEY.public(), issuer=ISS, audience=API)
    assert claims["sub"] == "alice"
    assert claims["jti"] == "one"
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time.time()) < 60
    assert jwt.verify(token, JWKSet([KEY.public()]), issuer=ISS, audience=frozenset({API, "b"})) == claims
    assert jwt.peek_unverified_header(token) == {"alg": "ES256", "typ": "JWT", "kid": KEY.kid}
    with pytest.raises(ExpiredTokenError):
        jwt.verify(token, KEY.public(), issuer=ISS, audience=API, now=time.time() + 400)
    with pytest.raises(TokenTypeError):
        jwt.verify(token, KEY.public(), issuer=ISS, audience=API, typ="at+jwt")


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat"])
def test_claims_may_not_repeat_a_keyword(name: str) -> None:
    with pytest.raises(ClaimError) as caught:
        sign({name: "x"})
    assert caught.value.claim == name


def test_jti_stands_in_one_place() -> None:
    assert sign({"jti": "a"})
    with pytest.raises(ClaimError):
        sign({"jti": "a"}, jti="b")


@pytest.mark.parametrize(
    "changed",
    [
        {"lifetime": timedelta(0)},
        {"lifetime": timedelta(seconds=-5)},
        {"lifetime": 300},
        {"lifetime": None},
        {"issuer": ""},
        {"issuer": Waive.ISSUER},
        {"audience": ""},
        {"audience": []},
        {"audience": [API]},
        {"audience": frozenset()},
        {"audience": Waive.AUDIENCE},
        {"typ": ""},
        {"typ": None},
        {"now": float("nan")},
        {"now": float("inf")},
    ],
    ids=repr,
)
def test_what_would_make_a_useless_token_is_refused(changed: dict) -> None:
    with pytest.raises(ConfigError):
        sign(**changed)


@pytest.mark.parametrize("audience", ["", None, [API], {API}, 7])
def test_verify_refuses_an_audience_that_would_check_nothing(audience: Any) -> None:
    with pytest.raises(ConfigError):
        jwt.verify(sign(), KEY.public(), issuer=ISS, audience=audience)


def test_a_public_key_does_not_sign() -> None:
    with pytest.raises(InvalidKeyError):
        jwt.sign({}, KEY.public(), issuer=ISS, audience=API, lifetime=MINUTES)


@dataclass
class AsDataclass:
    sub: str
    level: int


class AsStruct(msgspec.Struct):
    sub: str
    level: int


@pytest.mark.parametrize("own", [AsDataclass, AsStruct])
def test_claims_are_read_into_an_own_type_strictly(own: type[Any]) -> None:
    claims = jwt.verify(sign({"sub": "a", "level": 3}), KEY.public(), issuer=ISS, audience=API, into=own)
    assert (claims.sub, claims.level) == ("a", 3)
    for level in ("3", 3.5, True, None):
        with pytest.raises(ClaimError):
            jwt.verify(sign({"sub": "a", "level": level}), KEY.public(), issuer=ISS, audience=API, into=own)


class Nested(msgspec.Struct):
    sub: str
    place: Place
    url: int = msgspec.field(default=0, name="https://example.com/level.of[trust]")


def read_into(claims: dict[str, Any], own: type[Any] = Nested) -> Any:
    return jwt.verify(sign(claims), KEY.public(), issuer=ISS, audience=API, into=own)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"place": {"level": "3"}}, "place"),
        ({"place": {}}, "place"),
        ({"place": {"level": 3, "more": ["a"]}}, "place"),
        ({"place": "canary"}, "place"),
        ({"place": None, "pla": 1, "place.level": 1}, "place"),
        ({"https://example.com/level.of[trust]": "canary"}, "https://example.com/level.of[trust]"),
        ({"sub": "a", "place": ...}, "place"),
    ],
)
def test_the_claim_that_does_not_fit_is_named(changed: dict[str, Any], named: str) -> None:
    fits: dict[str, Any] = {"sub": "a", "place": {"level": 3, "more": [1]}}
    assert read_into(fits).place.level == 3
    whole = {name: value for name, value in (fits | changed).items() if value is not ...}
    with pytest.raises(ClaimError) as caught:
        read_into(whole)
    assert caught.value.claim == named
    assert "canary" not in repr(caught.value)


def test_a_claim_that_the_type_does_not_know_is_not_named() -> None:
    with pytest.raises(ClaimError) as caught:
        read_into({"sub": "a", "canary7351": 1}, Closed)
    assert caught.value.claim == ""
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize("own", [5, "no such type", lambda: 1, [int]])
def test_into_what_is_no_type_is_the_programs_fault(own: Any) -> None:
    with pytest.raises(ConfigError):
        read_into({"sub": "a"}, own)


def test_no_error_shows_what_the_token_says() -> None:
    canary = "canary7351"
    for token in (
        sign({"sub": canary, "level": canary}),
        sign({"sub": canary}, issuer=canary),
        f"{canary}.{canary}.{canary}",
    ):
        with pytest.raises(admit.TokenError) as caught:
            jwt.verify(token, KEY.public(), issuer=ISS, audience=API, into=AsStruct)
        error = caught.value
        shown = " ".join((str(error), repr(error), error.detail, error.public, repr(error.args)))
        assert canary not in shown
        assert error.__cause__ is None


def test_importing_the_token_library_loads_no_http_client_cli_or_framework() -> None:
    program = (
        "import sys, admit, admit.jwt, admit.jose; admit.JWK, admit.JWKSet;"
        "admit.jwt, admit.Principal, admit.AdmitError;"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})));"
        "print(' '.join(sorted(name for name in sys.modules if name.startswith('admit.'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    top, own = (set(line.split()) for line in done.stdout.splitlines())
    assert "msgspec" in top
    assert not top & {
        "httpx",
        "httpx2",
        "httpcore",
        "requests",
        "urllib3",
        "asyncio",
        "click",
        "starlette",
        "fastapi",
        "flask",
        "django",
        "sqlalchemy",
        "uvicorn",
        "anyio",
        "structlog",
        "jinja2",
        "socket",
        "ssl",
    }
    assert {name.split(".")[1] for name in own} <= {"errors", "jose", "jwt", "principal"}


def test_every_public_name_is_an_attribute_and_others_are_not() -> None:
    assert set(admit.__all__) <= set(dir(admit))
    assert admit.jwt is jwt
    with pytest.raises(AttributeError):
        admit.nothing  # noqa: B018 - the access is the test
