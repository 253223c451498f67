"""The `claims` parameter: claims asked for one by one, OpenID Connect Core §5.5.

It opens nothing that the client could not ask for by a scope: a claim about the person is understood where one of the
client's scopes holds it. What is not understood is ignored, what has another form than §5.5.1 says is refused.
"""

from dataclasses import replace
from typing import Any

from admit.errors import MalformedTokenError
from admit.issuer.oauth.authorize.request import NO_CLAIMS, AuthorizeRequest, ClaimsAsked, Known, claims_of
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.oauth.parameters import Parameters
from admit.jose import json as strict_json

MAX_NAMES = 100
MAX_VALUES = 20


def check_claims(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """OpenID Connect Core §5.5: what is asked of the userinfo endpoint and of the ID token."""
    asked = read(parameters.get("claims"))
    allowed = claims_of(request.client.scopes)
    understood = replace(asked, userinfo=asked.userinfo & allowed, id_token=asked.id_token & allowed)
    return replace(request, claims=understood)


def read(text: str | None) -> ClaimsAsked:
    """The parameter's value.

    Raises:
        InvalidRequestError: not a JSON object of the form of §5.5, or too much of it.
    """
    if text is None:
        return NO_CLAIMS
    try:
        whole: Any = strict_json.loads_object(text.encode())
    except MalformedTokenError:
        raise wrong() from None
    userinfo, id_token = _place(whole, "userinfo"), _place(whole, "id_token")
    subjects = [
        allowed for place in (userinfo, id_token) if (allowed := _values(place.get("sub"))) is not None
    ]
    essential_acr = (id_token.get("acr") or {}).get("essential") is True
    return ClaimsAsked(
        userinfo=frozenset(userinfo),
        id_token=frozenset(id_token),
        subjects=frozenset.intersection(*subjects) if subjects else None,
        acr=_values(id_token.get("acr")) if essential_acr else None,
        names_acr="acr" in id_token,
    )


def wrong() -> InvalidRequestError:
    """The one error of this parameter."""
    return InvalidRequestError("claims", public="The claims parameter is not valid JSON of its form.")


def _place(whole: dict[str, Any], name: str) -> dict[str, dict[str, Any] | None]:
    place = whole.get(name)
    if place is None:
        return {}
    if not isinstance(place, dict) or len(place) > MAX_NAMES:
        raise wrong()
    for asked in place.values():
        if asked is not None and not isinstance(asked, dict):
            raise wrong()
        if asked is not None and not isinstance(asked.get("essential", False), bool):
            raise wrong()
    return place


def _values(asked: dict[str, Any] | None) -> frozenset[str] | None:
    """The values that will do; None where any will."""
    if asked is None or not asked.keys() & {"value", "values"}:
        return None
    values = asked["values"] if "values" in asked else [asked["value"]]
    if not isinstance(values, list) or len(values) > MAX_VALUES:
        raise wrong()
    if not all(isinstance(value, str) for value in values):
        raise wrong()
    return frozenset(values)
