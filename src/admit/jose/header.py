"""The rules of a token's protected header, RFC 7515 §4. They run before any cryptography.

`jku`, `jwk`, `x5u` and `x5c` are carried like any unknown member and never used: a token cannot bring its
own key.
"""

from collections.abc import Mapping
from typing import Any

from admit.errors import AlgorithmError, CriticalHeaderError, MalformedTokenError

MAX_KID = 128


def check_header(header: Mapping[str, Any], *, b64: bool | None = None) -> None:
    """Hold the types of `alg`, `kid` and `typ`, and refuse what would change how the token is to be read.

    `b64` is what a caller expects that understands the member of that name, RFC 7797 §3; compact tokens do not.

    Raises:
        MalformedTokenError: a member has the wrong type or size.
        CriticalHeaderError: `crit` or `b64` is there, or not as the caller expects.
    """
    if not isinstance(header.get("alg"), str):
        raise MalformedTokenError("alg is missing or not a string")
    if "kid" in header:
        check_kid(header["kid"])
    if "typ" in header and not isinstance(header["typ"], str):
        raise MalformedTokenError("typ is not a string")
    if b64 is not None:
        check_b64(header, b64)
    elif "crit" in header or "b64" in header:
        check_crit(header)


def check_written(*headers: object, typ: object = None, cty: object = None) -> None:
    """Refuse what a caller hands over for a header and no reader would take.

    Raises:
        MalformedTokenError: a header that is no mapping, or a `typ` or `cty` that is no string.
    """
    if not all(isinstance(one, Mapping) for one in headers):
        raise MalformedTokenError("a header is a mapping")
    if not all(value is None or isinstance(value, str) for value in (typ, cty)):
        raise MalformedTokenError("typ and cty are strings")


def check_kid(kid: object) -> None:
    """`kid` is a short string and only ever a dictionary key, RFC 7515 §4.1.4."""
    if not isinstance(kid, str) or len(kid) > MAX_KID:
        raise MalformedTokenError("kid is not a string of at most 128 characters")


def check_crit(header: Mapping[str, Any]) -> None:
    """No extension is understood, so every `crit` and any `b64` is refused, RFC 7515 §4.1.11."""
    raise CriticalHeaderError("crit cannot be met" if "crit" in header else "b64 is not supported")


def check_b64(header: Mapping[str, Any], expected: bool) -> None:
    """`b64` says what the reader expects, and is the one critical member, RFC 7797 §6.

    `false` has to be critical, since who does not know it must not read the token; `true` says what its absence says.

    Raises:
        CriticalHeaderError: it says something else, or `crit` names others or what is not there.
    """
    if header.get("b64", True) is not expected:
        raise CriticalHeaderError("b64 is not what was expected")
    if ("crit" in header or not expected) and (header.get("crit") != ["b64"] or "b64" not in header):
        raise CriticalHeaderError("crit does not name just b64")


def check_alg(named: str, key_alg: str) -> None:
    """The token's `alg` is only compared, letter by letter, with the key's, RFC 8725 §3.1.

    Raises:
        AlgorithmError: they differ; `none` differs from every key's.
    """
    if named != key_alg:
        raise AlgorithmError("alg is not the key's")
