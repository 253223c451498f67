"""THE HOT PATH of a token that was not seen before: the one that nearly all are, read in one go.

It only ever says yes, to what `reading` and the rules around it in `core` would say yes to: a header that was read and
held before, canonical base64url, JSON in its one compact spelling, claims of RFC 9068 with whole seconds and one
audience, keys and revocations that are held and fresh. Whatever one look does not settle goes to those rules whole;
they say what is wrong. So it may be left out, and nothing but speed is lost; `benchmarks/integrations` tells how much.

All that can be decided without the signature is decided before it, and nothing is believed until it holds. So one that
does not hold is refused here for good, with the rules' own error: nobody makes us compute it twice.
"""

from binascii import a2b_base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

import msgspec

from admit.errors import AlgorithmError, ClaimError, KeyNotFoundError
from admit.jose import JWK, jws
from admit.jose.base64url import LAST, TO_STANDARD
from admit.jose.json import decode_frozen, encode
from admit.principal import CredentialKind, OpenPrincipal, Principal
from admit.tokens import kinds, status_list
from admit.tokens import scope as scopes
from admit.verifier.hit import Known
from admit.verifier.remembered import Remembered, freeze

_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Names: TypeAlias = frozenset[_Text]

_NONE: frozenset[str] = frozenset()
_ODD = kinds.ACCESS.refuse | {"nbf", "act", "cnf", "_claim_names", "_claim_sources"}
"""Claims that the rules look at one by one, or refuse."""


class _Reference(msgspec.Struct):
    uri: _Text
    idx: Annotated[int, msgspec.Meta(ge=0, lt=status_list.ENTRIES)]


class _Status(msgspec.Struct):
    status_list: _Reference


class _Claims(msgspec.Struct):
    """What `tokens.access.read` reads, with the types that it asks for: the decoder holds them while it reads.

    What may be absent is empty then, or before all time: no claim that is there can say that.
    """

    iss: _Text
    sub: _Text
    aud: _Text
    client_id: _Text
    jti: _Text
    iat: _Seconds
    exp: _Seconds
    scope: _Text = ""
    roles: _Names = _NONE
    groups: _Names = _NONE
    entitlements: _Names = _NONE
    sid: _Text = ""
    auth_time: _Seconds = -1
    acr: _Text = ""
    amr: tuple[_Text, ...] = ()
    status: _Status | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(_Claims).decode


def read(token: bytes, known: Mapping[str, Known], wall: float, boot: float) -> Remembered | None:
    """The token as it is remembered, where one look settles it; None: ask the rules.

    `wall` is in seconds since the epoch, `boot` a boot time.

    Raises:
        SignatureError: all is well but the signature.
    """
    # As in `jose.hot`: canonical base64url, of which a decoder that steps over foreign characters shows too few octets.
    if len(token) > jws.MAX_TOKEN or wall.__class__ is not float:
        return None
    try:
        data, _, tail = token.rpartition(b".")
        head, _, body = data.partition(b".")
        header = jws.known[head]
        # Letters and digits are the same in both alphabets, and ASCII in JSON rarely makes another.
        body = body if body.isalnum() else body.translate(TO_STANDARD)
        tail = tail.translate(TO_STANDARD)
        payload, signature = a2b_base64(body + b"=="), a2b_base64(tail + b"==")
        size, rest = len(body), len(tail)
        if not (
            len(payload) == size * 3 >> 2
            and len(signature) == rest * 3 >> 2
            and body[-1] in LAST[size & 3]
            and tail[-1] in LAST[rest & 3]
        ):
            return None
        said = _decode(payload)
        claims = decode_frozen(payload)
        if encode(claims) != payload or not _ODD.isdisjoint(claims):  # else no member is there twice
            return None
        issuer = known[said.iss]
        scope = scopes.parse(said.scope) if said.scope else _NONE
    except (ValueError, LookupError, RecursionError, msgspec.MsgspecError, ClaimError):
        return None

    policy = issuer.plain
    if (
        policy is None
        or said.aud not in policy.audiences
        or not wall - policy.leeway_s < said.exp
        or not 0 <= said.iat <= wall + policy.leeway_s
        or wall < 0
        or header.get("typ") not in policy.types
    ):
        return None

    standing = issuer.stand()
    kid = header.get("kid")
    keys = standing.keys
    if (
        keys is None
        or kid in standing.revoked_kids
        or not standing.since <= boot <= standing.until
        or not issuer.source.started
    ):
        return None
    try:
        key = keys if isinstance(keys, JWK) and keys.alg == header["alg"] else jws.choose_key(header, keys)
    except (AlgorithmError, KeyNotFoundError):
        return None
    if key.kid is not None and key.kid.startswith(kinds.STATUS_KID):
        return None
    status = None
    if issuer.follows is not None:
        status = _status(said, issuer.trust.issuer)
        if status is None:
            return None

    jws.check_signature(key, data, signature)

    for name, value in claims.items():
        if value.__class__ is dict:
            claims[name] = freeze(value)
    entry = Remembered(
        principal=_principal(said, scope, claims, issuer),
        known=issuer,
        keys=keys,
        kid=kid,
        not_before=said.iat - policy.leeway_s,
        expires=said.exp + policy.leeway_s,
        iat=said.iat,
        status=status,
    )
    return entry if standing.clears(entry) else None


def _status(said: _Claims, issuer: str) -> tuple[int, int] | None:
    """List and position of the token's bit, where it names one of its issuer's lists."""
    if said.status is msgspec.UNSET:
        return None
    reference = said.status.status_list
    n = status_list.number(issuer, reference.uri)
    return None if n is None else (n, reference.idx)


def _principal(said: _Claims, scope: frozenset[str], claims: dict[str, Any], issuer: Known) -> Principal:
    """As `tokens.access.principal`. It is remembered, so texts are those that are held anyway and not `said`'s own."""
    audiences = issuer.trust.audiences
    who = OpenPrincipal(
        issuer=issuer.trust.issuer,
        subject=claims["sub"],
        client_id=claims["client_id"],
        audience=audiences if len(audiences) == 1 else frozenset((said.aud,)),
        scopes=scope,
        roles=said.roles,
        groups=said.groups,
        actor=None,
        session_id=claims["sid"] if said.sid else None,
        token_id=claims["jti"],
        auth_time=None if said.auth_time < 0 else said.auth_time,
        acr=claims["acr"] if said.acr else None,
        amr=claims.get("amr", ()),
        expires_at=said.exp,
        credential=CredentialKind.TOKEN,
        claims=MappingProxyType(claims),
    )
    who.__class__ = Principal
    made: Principal = who
    return made
