"""From the text that another system stores to the hash that we do. Pure; one function a family of spellings."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from admit.issuer.accounts.foreign.errors import MalformedHashError, UnknownHashError, WeakHashError
from admit.issuer.accounts.foreign.schemes import (
    Argon2,
    Bcrypt,
    ForeignHash,
    Pbkdf2,
    Prehash,
    Scrypt,
    decode,
    from_base64,
    number,
    parameters,
)

MAX_CHARS: Final = 2_048
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_WEAK: Final = re.compile(
    r"md5\$|sha1\$|unsalted_|crypt\$|sha256\$|\$1\$|\$apr1\$|\$2x\$|\$LM\$|\{(?:MD5|SMD5|SHA|SSHA|CRYPT|PLAIN)\}"
    r"|[0-9a-f]{32}$|[0-9a-f]{40}$|[0-9a-f]{64}$",
    re.ASCII | re.IGNORECASE,
)


def read(text: str) -> ForeignHash:
    """The hash of one text, whose spelling says of what kind it is.

    Argon2, bcrypt, scrypt and PBKDF2 in the PHC string format; passlib's, Django's and Werkzeug's own; and what we
    store ourselves.

    Raises:
        UnknownHashError, WeakHashError, MalformedHashError, CostlyHashError.
    """
    if len(text) > MAX_CHARS:
        raise MalformedHashError("too long")
    for begins, reader in _READERS.items():
        if text.startswith(begins):
            return reader(text.removeprefix(begins))
    found = decode(text)
    if found is None:
        raise WeakHashError("fast hash") if _WEAK.match(text) else UnknownHashError("no kind begins so")
    return found


def _split(text: str, sign: str, count: int) -> list[str]:
    parts = text.split(sign)
    if len(parts) != count:
        raise MalformedHashError("number of parts")
    return parts


def _from_hex(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise MalformedHashError("not hexadecimal")
    return bytes.fromhex(text)


def _text_salt(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedHashError("salt is not text") from None


def power_of_two(n: int) -> int:
    """Its exponent. Raises: MalformedHashError."""
    if n < 2 or n & (n - 1):
        raise MalformedHashError("N of scrypt is no power of two")
    return n.bit_length() - 1


def _passlib_base64(text: str) -> bytes:
    """passlib's own alphabet: `.` where others have `+`."""
    return from_base64(text.replace(".", "+"))


def _passlib_pbkdf2(hash: str) -> Callable[[str], ForeignHash]:
    def reader(text: str) -> ForeignHash:
        settings, salt, key = _split(text, "$", 3)
        if settings.startswith("i="):  # the PHC string format, which may repeat the length of the digest
            names = ("i", "l") if "," in settings else ("i",)
            iterations = parameters(settings, *names)[0]
            return Pbkdf2.of(hash, iterations, from_base64(salt), from_base64(key))
        return Pbkdf2.of(hash, number(settings), _passlib_base64(salt), _passlib_base64(key))

    return reader


def _passlib_bcrypt_sha256(text: str) -> ForeignHash:
    settings, salt, digest = _split(text, "$", 3)
    if settings.startswith("v="):
        found = re.fullmatch(r"v=2,t=(2[aby]),r=([0-9]{1,2})", settings, re.ASCII)
        prehash = Prehash.HMAC_SHA256_BASE64
    else:
        found = re.fullmatch(r"(2[aby]),([0-9]{1,2})", settings, re.ASCII)
        prehash = Prehash.SHA256_BASE64
    if found is None:
        raise MalformedHashError("parameters of bcrypt_sha256")
    return Bcrypt.of(f"${found[1]}${int(found[2]):02}${salt}{digest}", prehash)


def _django_pbkdf2(hash: str) -> Callable[[str], ForeignHash]:
    def reader(text: str) -> ForeignHash:
        iterations, salt, key = _split(text, "$", 3)
        return Pbkdf2.of(hash, number(iterations), _text_salt(salt), from_base64(key))

    return reader


def _django_scrypt(text: str) -> ForeignHash:
    n, salt, r, p, key = _split(text, "$", 5)
    return Scrypt.of(power_of_two(number(n)), number(r), number(p), _text_salt(salt), from_base64(key))


def _werkzeug_pbkdf2(text: str) -> ForeignHash:
    method, salt, key = _split(text, "$", 3)
    hash, iterations = _split(method, ":", 2)
    return Pbkdf2.of(hash, number(iterations), _text_salt(salt), _from_hex(key))


def _werkzeug_scrypt(text: str) -> ForeignHash:
    method, salt, key = _split(text, "$", 3)
    n, r, p = map(number, _split(method, ":", 3))
    return Scrypt.of(power_of_two(n), r, p, _text_salt(salt), _from_hex(key))


_READERS: Final[Mapping[str, Callable[[str], ForeignHash]]] = MappingProxyType(
    {
        "$pbkdf2$": _passlib_pbkdf2("sha1"),
        **{f"$pbkdf2-{hash}$": _passlib_pbkdf2(hash) for hash in Pbkdf2.SIZES},
        "$bcrypt-sha256$": _passlib_bcrypt_sha256,
        "pbkdf2_sha1$": _django_pbkdf2("sha1"),
        "pbkdf2_sha256$": _django_pbkdf2("sha256"),
        "scrypt$": _django_scrypt,
        "argon2$": Argon2.of_bare,
        "bcrypt$": Bcrypt.of,
        "bcrypt_sha256$": lambda text: Bcrypt.of(text, Prehash.SHA256_HEX),
        "pbkdf2:": _werkzeug_pbkdf2,
        "scrypt:": _werkzeug_scrypt,
    }
)
"""By how the text begins. What begins like none of these is in a spelling of ours, or of no kind we know."""
