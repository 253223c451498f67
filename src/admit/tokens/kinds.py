"""The kinds of signed token, told apart three times over: by `typ`, by their claims, by the key that signs them.

RFC 8725 §3.11 and §3.12. `typ` alone is only as good as the signer; so each kind also has claims that it must carry and
claims that only another kind carries, such that no token has the claims of two kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from admit.errors import ClaimError, InvalidKeyError, TokenTypeError
from admit.jose import JWK, JWKSet, jws

STATUS_KID = "status-"
"""Keys whose `kid` begins so sign heads and lists and nothing else; no other key signs those."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of token. `typ` is what is written and wanted; None: absent or `JWT`."""

    name: str
    typ: str | None
    require: frozenset[str]
    refuse: frozenset[str]
    """Claims that mark another kind."""
    status_key: bool = False


_IDENTITY_ONLY = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
_ACCESS_ONLY = frozenset({"client_id", "scope"})
_STATUS_ONLY = frozenset({"status_list", "lists", "revoked_kids", "epoch", "seq"})
_OTHER_ONLY = frozenset({"events", "toe", "htm", "htu", "ath"})
"""Claims of logout tokens (OpenID Connect Back-Channel Logout §2.4) and DPoP proofs (RFC 9449 §4.2)."""

ACCESS = Kind(
    "access token",
    "at+jwt",
    require=frozenset({"iss", "sub", "aud", "exp", "iat", "jti", "client_id"}),
    refuse=_IDENTITY_ONLY | _STATUS_ONLY | _OTHER_ONLY,
)
IDENTITY = Kind(
    "ID token",
    None,
    require=frozenset({"iss", "sub", "aud", "exp", "iat"}),
    refuse=_ACCESS_ONLY | _STATUS_ONLY | _OTHER_ONLY,
)
STATUS_LIST = Kind(
    "status list token",
    "statuslist+jwt",
    require=frozenset({"sub", "iat", "status_list"}),
    refuse=_ACCESS_ONLY | _IDENTITY_ONLY | _OTHER_ONLY | {"lists", "revoked_kids", "epoch", "seq", "aud"},
    status_key=True,
)
STATUS_HEAD = Kind(
    "status head",
    "admit-status-head+jwt",
    require=frozenset({"iss", "iat", "nonce", "epoch", "seq", "lists", "revoked_kids"}),
    refuse=_ACCESS_ONLY | (_IDENTITY_ONLY - {"nonce"}) | _OTHER_ONLY | {"status_list", "sub", "aud"},
    status_key=True,
)
_PROOF_ONLY = frozenset({"htm", "htu", "ath"})
LOGOUT = Kind(
    "logout token",
    "logout+jwt",
    require=frozenset({"iss", "aud", "iat", "jti", "events"}),
    refuse=_IDENTITY_ONLY | _ACCESS_ONLY | _STATUS_ONLY | _PROOF_ONLY | {"sub_id", "toe", "txn"},
)
SECURITY_EVENT = Kind(
    "security event token",
    "secevent+jwt",
    require=frozenset({"iss", "aud", "iat", "jti", "events", "sub_id"}),
    # SSF §4.1: neither `sub` nor `exp`, so that no other kind of token is ever taken for one, nor one for another.
    refuse=_IDENTITY_ONLY | _ACCESS_ONLY | _STATUS_ONLY | _PROOF_ONLY | {"sub", "exp", "sid"},
)
INTROSPECTION = Kind(
    "introspection answer",
    "token-introspection+jwt",
    require=frozenset({"iss", "aud", "iat", "token_introspection"}),
    # RFC 9701 §5: neither `sub` nor `exp`, so that no answer is taken for a token.
    refuse=_IDENTITY_ONLY | _ACCESS_ONLY | _STATUS_ONLY | _OTHER_ONLY | {"sub", "exp", "sid", "jti"},
)
USERINFO = Kind(
    "userinfo answer",
    None,
    require=frozenset({"iss", "aud", "sub"}),
    # Without `exp` it is no ID token, and with nothing of an access token it is none either.
    refuse=_IDENTITY_ONLY | _ACCESS_ONLY | _STATUS_ONLY | _OTHER_ONLY | {"exp", "iat", "jti"},
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            ACCESS, IDENTITY, STATUS_LIST, STATUS_HEAD, LOGOUT, SECURITY_EVENT, INTROSPECTION, USERINFO,
        )
    }
)  # fmt: skip


def check_claims(claims: Mapping[str, Any], kind: Kind) -> None:
    """Hold that the claims are those of this kind and of no other, RFC 8725 §3.12.

    Raises:
        ClaimError: a claim of the kind is missing.
        TokenTypeError: a claim of another kind is there.
    """
    names = claims.keys()
    if not kind.require <= names:
        raise ClaimError(min(kind.require - names), "a claim of this kind of token is missing")
    if not kind.refuse.isdisjoint(names):
        raise TokenTypeError(f"the claims are not those of an {kind.name}")


def check_key(kid: str | None, kind: Kind) -> None:
    """Hold that status keys sign heads and lists only, and other keys never do.

    Raises:
        TokenTypeError: the key is for the other use.
    """
    if (kid is not None and kid.startswith(STATUS_KID)) is not kind.status_key:
        raise TokenTypeError(f"the key does not sign an {kind.name}")


def check_signing_key(kid: str | None, kind: Kind) -> None:
    """The same before signing.

    Raises:
        InvalidKeyError: the key is for the other use.
    """
    try:
        check_key(kid, kind)
    except TokenTypeError:
        raise InvalidKeyError(f"this key does not sign an {kind.name}") from None


def check_verified_by(key: JWK | JWKSet, token: str | bytes | jws.UnverifiedJws, kind: Kind) -> None:
    """`check_key` for the key that verified a token.

    Raises:
        TokenTypeError: the key is for the other use.
    """
    check_key(kid_of_verifier(key, token), kind)


def kid_of_verifier(key: JWK | JWKSet, token: str | bytes | jws.UnverifiedJws) -> str | None:
    """The `kid` of the key that verified a token. A header may leave its own out, and the only key of its algorithm
    was meant; or the caller had one key, and the header's plays no part.
    """
    if isinstance(key, JWK):
        return key.kid
    if isinstance(token, jws.UnverifiedJws):
        return jws.choose_key(token.header, key).kid
    head = token.partition(".")[0] if isinstance(token, str) else token.partition(b".")[0].decode()
    return jws.choose_key(_header(head), key).kid


@lru_cache(maxsize=256)
def _header(encoded: str) -> Mapping[str, Any]:
    """Tokens of one key share their header, so it is read once."""
    return MappingProxyType(dict(jws.peek_unverified_header(encoded + "..")))
