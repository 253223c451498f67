"""A principal from the claims of an issuer that does not follow RFC 9068: names as they are most often written."""

from collections.abc import Mapping
from typing import Any

from admit.errors import ClaimError
from admit.principal import CredentialKind, Principal
from admit.tokens import members


def principal(claims: Mapping[str, Any]) -> Principal:
    """Who verified claims speak for.

    The client is `client_id`, else `azp` (OpenID Connect Core §2), else the subject itself. Scopes are in `scope` or
    `scp`, as one string or a list.

    Raises:
        ClaimError: a claim has another type.
    """
    subject = members.text(claims, "sub")
    client = members.optional_text(claims, "client_id") or members.optional_text(claims, "azp") or subject
    return Principal(
        issuer=members.text(claims, "iss"),
        subject=subject,
        client_id=client,
        audience=members.audience(claims),
        scopes=_scopes(claims),
        roles=members.names(claims, "roles"),
        groups=members.names(claims, "groups"),
        session_id=members.optional_text(claims, "sid"),
        token_id=members.optional_text(claims, "jti"),
        auth_time=members.instant(claims, "auth_time") if "auth_time" in claims else None,
        acr=members.optional_text(claims, "acr"),
        amr=members.ordered_names(claims, "amr"),
        expires_at=members.instant(claims, "exp"),
        credential=CredentialKind.TOKEN,
        claims=claims,
    )


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    name = "scope" if "scope" in claims else "scp"
    value = claims.get(name)
    if isinstance(value, str):
        return frozenset(value.split())
    if value is not None and not isinstance(value, list):
        raise ClaimError(name, "neither a string nor a list of strings")
    return members.names(claims, name)
