"""The floor: the same checks that Admit makes on a token, written inline for one algorithm, one key, one policy.

Nothing here is general: no key types, no errors that tell apart, no limits to change. What Admit costs beyond this is
the price of being a library.
"""

import binascii
import time
from collections.abc import Callable
from math import inf
from typing import Annotated, Any

import msgspec

_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_URL = bytes.maketrans(b"+/", b"-_")
_PAD = {0: b"", 2: b"==", 3: b"="}
_LAST = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}
_decode = msgspec.json.Decoder(Any).decode
_encode = msgspec.json.Encoder().encode
_INT = 2**63
_One = bool | Annotated[int, msgspec.Meta(ge=-_INT, le=_INT - 1)] | float | str | None
_decode_flat = msgspec.json.Decoder(dict[str, _One | list[_One]]).decode


class Refused(Exception):
    pass


def _unbase64(translated: bytes) -> bytes:
    rest = len(translated) & 3
    raw = binascii.a2b_base64(translated + _PAD[rest])
    if len(raw) != len(translated) * 3 >> 2 or (rest and translated[-1] not in _LAST[rest]):
        raise Refused
    return raw


def _strict(value: dict[str, Any] | list[Any], depth: int = 1) -> None:
    if depth > 32:
        raise Refused
    for item in value.values() if isinstance(value, dict) else value:
        kind = item.__class__
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not -_INT <= item < _INT:
                raise Refused
        elif kind is float:
            if not -inf < item < inf:
                raise Refused
        else:
            _strict(item, depth + 1)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value: Any = _decode_flat(data)  # range and depth are held in reading
    except msgspec.ValidationError:
        value = _decode(data)
        _strict(value)
    if not isinstance(value, dict) or _encode(value) != data:
        raise Refused
    return value


def verifier(
    alg: str, check: Callable[[bytes, bytes], None], issuer: str, audience: str
) -> Callable[[str], Any]:
    """A program that verifies tokens of one kind; `check` takes signature and data, and raises."""

    known: set[bytes] = set()

    def read_header(head: bytes) -> None:
        header = _object(_unbase64(head))
        if header.get("alg") != alg or "crit" in header or "b64" in header:
            raise Refused
        kid, typ = header.get("kid"), header.get("typ")
        if kid is not None and not (isinstance(kid, str) and len(kid) <= 128):
            raise Refused
        if typ is not None and not (
            isinstance(typ, str) and typ.lower().removeprefix("application/") == "jwt"
        ):
            raise Refused

    def verify(token: str) -> dict[str, Any]:
        raw = token.encode("ascii")
        if len(raw) > 16_384:
            raise Refused
        head, body, tail = raw.translate(_STANDARD).split(b".")
        if head not in known:
            read_header(head)
        payload = _unbase64(body)
        check(_unbase64(tail), raw[: -1 - len(tail)])
        known.add(head)
        claims = _object(payload)
        now = time.time()
        exp, iat, nbf = claims["exp"], claims.get("iat", 0), claims.get("nbf", 0)
        if not (
            claims.get("iss") == issuer
            and claims.get("aud") == audience
            and isinstance(claims.get("sub", ""), str)
            and isinstance(claims.get("jti", ""), str)
            and type(exp) is type(iat) is type(nbf) is int
            and now - 30 < exp
            and 0 <= iat <= now + 30
            and 0 <= nbf <= now + 30
        ):
            raise Refused
        return claims

    return verify


def signer(
    head: bytes, make: Callable[[bytes], bytes], issuer: str, audience: str
) -> Callable[[dict[str, Any]], str]:
    """A program that signs tokens of one kind under an encoded header."""

    def sign(claims: dict[str, Any]) -> str:
        now = int(time.time())
        whole = {"iss": issuer, **claims, "aud": audience, "iat": now, "exp": now + 300}
        _strict(whole)
        data = head + b"." + binascii.b2a_base64(_encode(whole), newline=False).rstrip(b"=").translate(_URL)
        tail = binascii.b2a_base64(make(data), newline=False).rstrip(b"=").translate(_URL)
        return (data + b"." + tail).decode("ascii")

    return sign
