"""An error carries nothing of what was refused: not in its words, and not in the errors that stand behind it.

`raise ... from None` hides the error behind from a traceback, and keeps it all the same; what reports errors may go on.
"""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from admit import JWK, AdmitError, JWKSet, jwt
from admit.jose import jwe, jws, sign_json, verify_detached, verify_json
from admit.jose.jwe_json import decrypt_json
from tests.unit.jose.keys import API, ISS, KEYS, LIFETIME

MARK = "zQ7mark"
SURROGATE = MARK + "\ud800"
KEY = KEYS["HS256"]
SHARED = JWK.generate("A256GCM")
BODY = f'{{"sub":"{MARK}"'.encode()


class Role(enum.Enum):
    READER = "reader"


@dataclass
class Claims:
    role: Role


@dataclass
class Picky:
    role: str

    def __post_init__(self) -> None:
        raise TypeError(f"no {self.role} here")


def behind(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def told(error: BaseException) -> str:
    """All that an error says, to whoever asks it."""
    held = [
        getattr(error, name, None)
        for name in ("args", "object", "doc", "obj", "detail", "claim", "name", "__notes__")
    ]
    return " ".join(map(repr, (error, str(error), vars(error), *held)))


def signed(payload: bytes) -> str:
    return jws.sign(payload, KEY)


def claims(**more: Any) -> str:
    return jwt.sign({"sub": "a", **more}, KEY, issuer=ISS, audience=API, lifetime=LIFETIME)


def read(token: Any, into: Any = None) -> object:
    return jwt.verify(token, KEY, issuer=ISS, audience=API, into=into)


@pytest.mark.threat("INF-errors")
@pytest.mark.parametrize(
    "call",
    [
        lambda: read(SURROGATE), lambda: read(f"{MARK}.é.x"), lambda: read(MARK), lambda: read(MARK.encode() + b"\xff"),
        lambda: jws.verify(SURROGATE, KEY), lambda: jws.parse(SURROGATE), lambda: jwt.peek_unverified_claims(SURROGATE),
        lambda: jwe.decrypt(SURROGATE, SHARED), lambda: verify_detached(SURROGATE, b"x", KEY),
        lambda: verify_json(SURROGATE, KEY), lambda: verify_json({MARK: "\ud800"}, KEY), lambda: verify_json(BODY, KEY),
        lambda: decrypt_json(SURROGATE, SHARED), lambda: decrypt_json({MARK: {1}}, SHARED),
        lambda: read(signed(BODY)), lambda: read(signed(BODY + b',"x":NaN}')),
        lambda: read(signed(BODY + b',"x":"\xff"}')),
        lambda: read(signed(BODY + b',"x":"\\ud800"}')), lambda: read(signed(BODY + f',"sub":"{MARK}"}}'.encode())),
        lambda: read(signed(BODY + b',"x":1e999}')), lambda: read(signed(BODY + b',"x":' + b"9" * 5_000 + b"}")),
        lambda: read(signed(BODY + b',"x": "\t"}')),
        lambda: read(claims(role=MARK), into=Claims), lambda: read(claims(role=MARK), into=Picky),
        lambda: claims(sub=MARK, role=SURROGATE), lambda: claims(role=[{MARK: SURROGATE}]), lambda: claims(role={MARK}),
        lambda: jws.sign(b"x", KEY, header={"x": SURROGATE}), lambda: jws.sign(MARK, KEY),  # type: ignore[arg-type]
        lambda: jws.sign(b"x", MARK), lambda: jws.encoded_header(MARK, None),  # type: ignore[arg-type]
        lambda: jwt.sign({}, MARK, issuer=ISS, audience=API, lifetime=LIFETIME),  # type: ignore[arg-type]
        lambda: jwt.verify(claims(), MARK, issuer=ISS, audience=API),  # type: ignore[call-overload]
        lambda: sign_json(MARK.encode() + b"\xff", KEY, unencoded=True),
        lambda: JWK.load(SURROGATE), lambda: JWK.load(MARK), lambda: JWK.load(f'{{"k":"{MARK}"'),
        lambda: JWK.load({"kty": "oct", "alg": "HS256", "k": MARK + "é"}),
        lambda: JWK.load({"kty": "oct", "alg": "HS256", "k": SURROGATE}),
        lambda: JWK.load({"kty": "EC", "crv": "P-256", "x": MARK, "y": MARK}),
        lambda: JWK.load({"kty": "RSA", "alg": "RS256", "n": MARK, "e": MARK, "d": MARK + "é"}),
        lambda: JWK.load(f"-----BEGIN PRIVATE KEY-----\n{MARK}\n-----END PRIVATE KEY-----"),
        lambda: JWK.secret(MARK, "HS256"), lambda: JWK.secret(MARK.encode(), "HS256"),  # type: ignore[arg-type]
        lambda: JWK.password(MARK, "HS256"), lambda: JWK.password(MARK.encode(), "HS256"),  # type: ignore[arg-type]
        lambda: JWKSet.load(SURROGATE), lambda: JWKSet.load_foreign(BODY), lambda: JWKSet.load(f'{{"keys":"{MARK}"'),
    ],
)  # fmt: skip
def test_no_error_holds_what_it_refused(call: Callable[[], object]) -> None:
    with pytest.raises(AdmitError) as caught:
        call()
    for error in behind(caught.value):
        assert MARK not in told(error), type(error)


def test_an_error_that_does_is_noticed() -> None:
    def careless() -> None:
        try:
            SURROGATE.encode()
        except UnicodeEncodeError:
            raise AdmitError("not UTF-8") from None

    with pytest.raises(AdmitError) as caught:
        careless()
    assert any(MARK in told(error) for error in behind(caught.value))


def test_what_cannot_be_written_is_named() -> None:
    for value in ({"x"}, object(), b"x", float("nan"), "\ud800", [{"a": 2**64}]):
        with pytest.raises(AdmitError) as caught:
            claims(fine=1, odd=value)
        assert getattr(caught.value, "claim", None) == "odd"
