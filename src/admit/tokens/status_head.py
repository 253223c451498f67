"""The head of an issuer's status lists: the short signed answer that proves how fresh a verifier is.

A verifier asks with a nonce of its own. An answer that repeats it was made after the question, so what it
says held at some moment after the question was sent: no wall clock is needed to know that, on either side.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from admit.errors import ClaimError, MalformedTokenError
from admit.jose import JWK, JWKSet
from admit.tokens import kinds, status_signature
from admit.tokens.status_list import MAX_LIST

MEDIA_TYPE = "application/admit-status-head+jwt"
MAX_LISTS = 8_192
MAX_REVOKED_KIDS = 1_000
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_VERSION = re.compile(r"[0-9a-f]{16}", re.ASCII)
_MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What held when the issuer read its database.

    `(epoch, seq)` is where the ends stand: `seq` counts the transactions that ended something, in the order
    in which they were committed; `epoch` rises when the database was restored. `lists` maps every list in
    use to the version of its bits. What a key of `revoked_kids` signed is void. `iat` is in seconds since
    the epoch.
    """

    issuer: str
    nonce: str
    iat: float
    epoch: int
    seq: int
    lists: Mapping[int, str]
    revoked_kids: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[int, int]:
        """`(epoch, seq)`, which only ever rises."""
        return self.epoch, self.seq


def is_nonce(value: object) -> bool:
    """Whether a verifier may ask with this: 16 to 64 characters of base64url."""
    return isinstance(value, str) and _NONCE.fullmatch(value) is not None


def sign(head: Head, key: JWK) -> str:
    """Sign a head.

    Raises:
        InvalidKeyError: `key` is no status key.
    """
    claims = {
        "iss": head.issuer,
        "iat": int(head.iat),
        "nonce": head.nonce,
        "epoch": head.epoch,
        "seq": head.seq,
        "lists": [[n, head.lists[n]] for n in sorted(head.lists)],
        "revoked_kids": sorted(head.revoked_kids),
    }
    return status_signature.sign(claims, key, kinds.STATUS_HEAD)


def verify(token: str | bytes, keys: JWK | JWKSet, *, issuer: str, nonce: str) -> Head:
    """The head that `issuer` signed in answer to `nonce`. Reads no clock; compares with nothing that is held.

    Raises:
        TokenError: the signature, the key, `typ`, `iss` or `nonce` is not as it must be.
        MalformedTokenError: its content is not that of a head.
    """
    claims = status_signature.verify(token, keys, kinds.STATUS_HEAD, issuer=issuer)
    check_nonce(claims.get("nonce"), nonce)
    return Head(
        issuer=issuer,
        nonce=nonce,
        iat=_number(claims.get("iat")),
        epoch=_number(claims.get("epoch")),
        seq=_number(claims.get("seq")),
        lists=_lists(claims.get("lists")),
        revoked_kids=_kids(claims.get("revoked_kids")),
    )


def check_nonce(named: object, nonce: str) -> None:
    """An answer to another question says nothing about now: it may be a recording.

    Raises:
        ClaimError: `nonce` is missing, or not the one asked with.
    """
    if not isinstance(named, str) or named != nonce:
        raise ClaimError("nonce", "the head answers another question")


def _number(value: object) -> int:
    if value.__class__ is not int or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        raise MalformedTokenError("a head's number is missing or out of range")
    return value


def _lists(value: object) -> Mapping[int, str]:
    if not isinstance(value, list) or len(value) > MAX_LISTS:
        raise MalformedTokenError("a head names its lists")
    found: dict[int, str] = {}
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 2:
            raise MalformedTokenError("a list is a number and a version")
        n, named = _number(entry[0]), entry[1]
        if n > MAX_LIST or n in found or not isinstance(named, str) or not _VERSION.fullmatch(named):
            raise MalformedTokenError("a list is a number and a version, once each")
        found[n] = named
    return MappingProxyType(found)


def _kids(value: object) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > MAX_REVOKED_KIDS:
        raise MalformedTokenError("a head names the revoked keys")
    if not all(isinstance(kid, str) and 0 < len(kid) <= 128 for kid in value):
        raise MalformedTokenError("a revoked key is named by its kid")
    return frozenset(value)
