"""Whose rules and keys a token is held to. Pure but for `held_keys`, which begins to follow."""

from collections.abc import Callable, Mapping

import msgspec

from admit.errors import IssuerError
from admit.jose import JWK, JWKSet
from admit.jose import json as strict_json
from admit.verifier import keys as key_rules
from admit.verifier.hit import Known
from admit.verifier.snapshot import KeyView


class _Named(msgspec.Struct):
    iss: str


_named = msgspec.json.Decoder(_Named).decode


def named_issuer(payload: bytes) -> object:
    """What a token that nobody has verified says of its issuer: only to choose whose rules and keys it is held to.

    Whatever is chosen, its rules read the payload strictly once the signature holds, and ask for this very `iss`.

    Raises:
        MalformedTokenError: not one strict JSON object.
    """
    try:
        return _named(payload).iss
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return strict_json.loads_object(payload).get("iss")


def choose_issuer(known: Mapping[str, Known], issuer: object) -> Known:
    """The trusted issuer whose name is exactly `iss`; everything else about the token is read on its terms.

    Raises:
        IssuerError: `iss` is missing, no string, or nobody's that is trusted.
    """
    found = known.get(issuer) if isinstance(issuer, str) else None
    if found is None:
        raise IssuerError(detail="iss is missing or not trusted")
    return found


def trusted_keys(chosen: Known, known: Mapping[str, Known]) -> KeyView | None:
    """The keys of exactly the chosen issuer, never another's of those known, RFC 8725 §3.8."""
    return chosen.source.snapshot.keys


def held_keys(known: Known, boottime: Callable[[], float]) -> JWK | JWKSet | None:
    """The keys of an issuer as they are held; asks for them where none are yet, and gives None.

    Raises:
        KeysUnavailableError: they could not be renewed for a day.
    """
    if not known.source.started:
        known.source.start()
    view = known.source.snapshot.keys
    if view is None:
        return None
    key_rules.check_age(view, boottime())
    return view.tokens
