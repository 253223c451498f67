"""How sure a sign-in has to be: `acr_values`, an essential `acr`, and what the client's settings want.

OpenID Connect Core §3.1.2.1, §5.5.1.1; RFC 9470 §4.
"""

from collections.abc import Iterable
from dataclasses import replace

from admit.issuer.clients.records import ACRS
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Known
from admit.issuer.oauth.errors import UnmetAuthenticationRequirementsError
from admit.issuer.oauth.parameters import Parameters


def check_acr(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """OpenID Connect Core §3.1.2.1: of the classes asked for, the least has to be reached; and the client's own.

    `acr_values` is voluntary (§5.5.1.1): with none of a kind that we know, what is reached is told and no more is
    asked. An essential `acr` of the `claims` parameter is met or refused. Where the request has neither, what the
    client registered is asked as if it had said it (OpenID Connect Registration §2).
    """
    voluntary = [value for value in values(request, parameters) if value in ACRS]
    asked = [least(voluntary)] if voluntary else []
    essential = request.claims.acr
    if essential is not None:
        if not essential & set(ACRS):
            raise UnmetAuthenticationRequirementsError("no known class among the essential ones")
        asked.append(least(essential & set(ACRS)))
    if request.client.acr is not None:
        asked.append(request.client.acr)
    return replace(request, acr=max(asked, key=ACRS.index, default=request.acr))


def values(request: AuthorizeRequest, parameters: Parameters) -> Iterable[str]:
    """The request's own words, or the client's where it has none."""
    text = parameters.get("acr_values")
    if text is not None:
        return text.split(" ")
    return () if request.claims.names_acr else request.client.default_acr_values


def least(classes: Iterable[str]) -> str:
    """The weakest of some classes that we know."""
    return min(classes, key=ACRS.index)
