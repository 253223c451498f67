"""The status list token: one bit for each token family, Token Status List (draft-ietf-oauth-status-list-21).

A list has 2²⁰ entries of one bit; bit `position & 7` (least significant first, §4.1) of octet `position >> 3`
is 1 once the family was ended, and never goes back to 0 within an epoch. Every list has its full length from
the first day: a shorter one would tell how many families there are.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from admit.errors import ClaimError, MalformedTokenError
from admit.jose import JWK, JWKSet, base64url, json
from admit.tokens import kinds, status_signature

MEDIA_TYPE = "application/statuslist+jwt"
ENTRIES = 1 << 20
OCTETS = ENTRIES // 8
EMPTY = bytes(OCTETS)
"""A list in which nobody was ended."""
MAX_LIST = (1 << 63) - 1 >> 20
"""The greatest list number: what an index of 63 bits reaches."""
PLACE = "admit_place"
_MAX_NUMBER = 2**63 - 1
_STRIDE = 2_048
# A list is long runs of zero octets with lone bits between: nothing in it repeats but runs. Looking for runs only
# (Z_RLE) takes a ninth of the time of a search for repeats at level 6, and comes out shorter at every density.
_PACKING = (6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)


@dataclass(frozen=True, slots=True)
class Published:
    """A list as it was signed. It has every end up to `place`, `(epoch, seq)`, and maybe later ones.

    None where the issuer says no place, as every other one of the draft does.
    """

    bitmap: bytes
    place: tuple[int, int] | None = None


def uri(issuer: str, n: int) -> str:
    """The name of list `n`, which is also where it is served."""
    return f"{issuer}/status/{n}"


def number(issuer: str, name: str) -> int | None:
    """Which list of `issuer` has this `uri`; None where it is nobody's, or another spelling."""
    digits = name.removeprefix(f"{issuer}/status/")
    if digits == name or not digits.isascii() or not digits.isdecimal() or len(digits) > 13:
        return None
    n = int(digits)
    return n if str(n) == digits and n <= MAX_LIST else None


def is_set(bitmap: bytes, position: int) -> bool:
    """Whether the family at `position` was ended.

    Raises:
        ClaimError: the list has no such position.
    """
    if not 0 <= position < len(bitmap) * 8:
        raise ClaimError("status", "idx lies outside of the list")
    return bool(bitmap[position >> 3] >> (position & 7) & 1)


def with_bits(bitmap: bytes, positions: Iterable[int]) -> bytes:
    """A copy in which these positions are set too."""
    changed = bytearray(bitmap)
    for position in positions:
        changed[position >> 3] |= 1 << (position & 7)
    return bytes(changed)


def merge(first: bytes, second: bytes) -> bytes:
    """Both lists' ends: within an epoch a bit is only ever added. `second` itself, where it has all of `first`."""
    if len(first) != len(second):
        return _joined(first, second)
    merged: bytearray | None = None
    for start in range(0, len(second), _STRIDE):  # two versions of a list differ in few places
        old, new = first[start : start + _STRIDE], second[start : start + _STRIDE]
        if old != new and (both := _joined(old, new)) != new:
            merged = bytearray(second) if merged is None else merged
            merged[start : start + _STRIDE] = both
    return second if merged is None else bytes(merged)


def _joined(first: bytes, second: bytes) -> bytes:
    joined = int.from_bytes(first, "little") | int.from_bytes(second, "little")
    return joined.to_bytes(max(len(first), len(second)), "little")


def version(bitmap: bytes) -> str:
    """The list's content as 16 hex digits: equal on every node, with nothing agreed upon between them."""
    return sha256(bitmap).hexdigest()[:16]


def etag(bitmap_version: str) -> str:
    """The entity tag of a list. Weak: each signing of the same bits has other octets, RFC 9110 §8.8.1."""
    return f'W/"{bitmap_version}"'


def compress(bitmap: bytes) -> bytes:
    """The bits as the draft packs them, §4.1: DEFLATE in the zlib format. Up to 2 ms: not for the event loop."""
    packer = zlib.compressobj(*_PACKING)
    return packer.compress(bitmap) + packer.flush()


def encode(
    issuer: str,
    n: int,
    compressed: bytes,
    *,
    iat: float,
    lifetime: timedelta,
    ttl: timedelta,
    key: JWK,
    place: tuple[int, int] | None = None,
) -> str:
    """Sign list `n`, §5.1. `compressed` is what `compress` made; `iat` is in seconds since the epoch.

    `lifetime` (`exp`) and `ttl` speak to other verifiers of the draft. Admit's own go by the signed head, and by
    `place`: up to where in the order of ends this list has them all.

    Raises:
        InvalidKeyError: `key` is no status key.
    """
    issued = int(iat)
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": uri(issuer, n),
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "ttl": int(ttl.total_seconds()),
        "status_list": {"bits": 1, "lst": base64url.encode(compressed).decode("ascii")},
    }
    if place is not None:
        claims[PLACE] = list(place)
    return status_signature.sign(claims, key, kinds.STATUS_LIST)


def decode(token: str | bytes, keys: JWK | JWKSet, *, issuer: str, n: int) -> bytes:
    """The bits of list `n` of `issuer`; raises as `read` does."""
    return read(token, keys, issuer=issuer, n=n).bitmap


def read(token: str | bytes, keys: JWK | JWKSet, *, issuer: str, n: int) -> Published:
    """List `n` of `issuer`, §5.1 and §8.3. Reads no clock: how fresh it is, the head tells.

    Raises:
        TokenError: the signature, the key, `typ`, `iss` or `sub` is not as it must be.
        MalformedTokenError: not a list of 2²⁰ entries of one bit.
    """
    claims = status_signature.verify(token, keys, kinds.STATUS_LIST, issuer=issuer)
    check_subject(claims.get("sub"), issuer, n)
    listed = claims.get("status_list")
    bits = listed.get("bits") if isinstance(listed, dict) else None
    packed = listed.get("lst") if isinstance(listed, dict) else None
    if bits.__class__ is not int or bits != 1 or not isinstance(packed, str):
        raise MalformedTokenError("not a list of one bit for each entry")
    try:
        octets = base64url.decode(packed.encode("ascii"))
    except UnicodeEncodeError:
        raise MalformedTokenError("lst is not ASCII") from None
    return Published(decompress(octets), _place(claims.get(PLACE)))


def _place(value: object) -> tuple[int, int] | None:
    """Raises MalformedTokenError where something else stands there."""
    if value is None:
        return None
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 2 or not all(one.__class__ is int and 0 <= one <= _MAX_NUMBER for one in numbers):
        raise MalformedTokenError("a list's place is two numbers")
    return numbers[0], numbers[1]


def check_subject(named: object, issuer: str, n: int) -> None:
    """`sub` names the list that was asked for: another list's bits would clear this one's, §8.3.

    Raises:
        ClaimError: missing, or another list.
    """
    if not isinstance(named, str) or named != uri(issuer, n):
        raise ClaimError("sub", "the list is another")


def decompress(octets: bytes) -> bytes:
    """Unpack to exactly the length of a list; a bomb is never unpacked any further.

    Raises:
        MalformedTokenError: not zlib, cut off, followed by more, or of another length.
    """
    unpacker = zlib.decompressobj()
    try:
        bitmap = unpacker.decompress(octets, OCTETS + 1)
    except zlib.error:
        raise MalformedTokenError("lst is not zlib") from None
    if len(bitmap) != OCTETS or not unpacker.eof or unpacker.unused_data:
        raise MalformedTokenError("lst has not the length of a list")
    return bitmap


def aggregation(issuer: str, lists: Iterable[int]) -> bytes:
    """The JSON that names every list in use, §9.3."""
    return json.dumps_object({"status_lists": [uri(issuer, n) for n in sorted(lists)]})
