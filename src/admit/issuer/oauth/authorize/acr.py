"""How sure a sign-in has to be: `acr_values`, an essential `acr`, and what the client's settings want.

OpenID Connect Core §3.1.2.1, §5.5.1.1; RFC 9470 §4.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from admit.errors import MalformedTokenError
from admit.issuer.clients.records import ACRS
from admit.issuer.clients.registry import Registry
from admit.issuer.oauth.authorize.request import AuthorizeRequest
from admit.issuer.oauth.errors import InvalidRequestError, UnmetAuthenticationRequirementsError
from admit.issuer.oauth.parameters import Parameters
from admit.jose import json as strict_json


def check_acr(request: AuthorizeRequest, parameters: Parameters, registry: Registry) -> AuthorizeRequest:
    """OpenID Connect Core §3.1.2.1: of the classes asked for, the least has to be reached; and the client's own.

    `acr_values` is voluntary (§5.5.1.1): with none of a kind that we know, what is reached is told and no more is
    asked. An essential `acr` of the `claims` parameter, of which nothing else is read, is met or refused.
    """
    known = [value for value in parameters.get("acr_values", "").split(" ") if value in ACRS]
    asked = [least(known)] if known else []
    essential = essential_acr(parameters.get("claims"))
    if essential is not None:
        if not essential & set(ACRS):
            raise UnmetAuthenticationRequirementsError("no known class among the essential ones")
        asked.append(least(essential & set(ACRS)))
    if request.client.acr is not None:
        asked.append(request.client.acr)
    return replace(request, acr=max(asked, key=ACRS.index, default=request.acr))


def least(classes: Iterable[str]) -> str:
    """The weakest of some classes that we know."""
    return min(classes, key=ACRS.index)


def essential_acr(claims: str | None) -> frozenset[str] | None:
    """The classes that the `claims` parameter calls essential for the ID token, OpenID Connect Core §5.5.1.1; None
    where it calls none so.

    Raises:
        InvalidRequestError: not a JSON object, or an `acr` of another form in it.
    """
    if claims is None:
        return None
    wrong = InvalidRequestError("claims", public="The claims parameter is not valid JSON of its form.")
    try:
        asked: Any = strict_json.loads_object(claims.encode())
    except MalformedTokenError:
        raise wrong from None
    for member in ("id_token", "acr"):
        asked = asked.get(member)
        if asked is None:
            return None
        if not isinstance(asked, dict):
            raise wrong
    if asked.get("essential") is not True:
        return None
    values = asked.get("values", [asked["value"]] if "value" in asked else None)
    if values is None:
        return None  # any will do, and one is always told
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise wrong
    return frozenset(values)
