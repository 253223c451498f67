"""The `Authorization` header, RFC 6750 §2.1, read by the letter.

The scheme in any case, one space, one b64token. Servers that took tabs, more spaces or a second header let one request
mean two things to two programs in a row.
"""

import re
from collections.abc import Sequence

from admit.errors import MalformedTokenError, MissingCredentialError
from admit.jose.jws import MAX_TOKEN as MAX_TOKEN

_B64TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")


def bearer(values: Sequence[bytes]) -> str | None:
    """The bearer token of all `Authorization` field values; None where there is no such header.

    Raises:
        MissingCredentialError: another scheme, which is no credential here, RFC 6750 §3.1.
        MalformedTokenError: two headers, or a `Bearer` that is not one space and one b64token.
    """
    if not values:
        return None
    value = check_single(values)
    if value[:6].lower() != b"bearer" or value[6:7] not in (b" ", b"\t", b""):
        raise MissingCredentialError("another authentication scheme")
    return check_syntax(value)


def check_single(values: Sequence[bytes]) -> bytes:
    """The one `Authorization` field value; of two, another program in front may have believed the other.

    Raises:
        MalformedTokenError: there are several, equal or not.
    """
    if len(values) > 1:
        raise MalformedTokenError("two Authorization headers")
    return values[0]


def check_syntax(value: bytes) -> str:
    """Hold the form of a `Bearer` field value and give the token, RFC 6750 §2.1.

    Raises:
        MalformedTokenError: anything but one space and one b64token of at most 16 KiB.
    """
    token = value[7:]
    if value[6:7] != b" " or len(token) > MAX_TOKEN or _B64TOKEN.fullmatch(token) is None:
        raise MalformedTokenError("Bearer is not followed by one space and one token")
    return token.decode("ascii")
