"""How the claims of a grant stand in a column."""

import json

from admit.issuer.grants.records import NO_CLAIMS, GrantedClaims


def written(claims: GrantedClaims) -> str | None:
    """NULL for none, as almost every grant has none."""
    if claims == NO_CLAIMS:
        return None
    return json.dumps({"userinfo": sorted(claims.userinfo), "id_token": sorted(claims.id_token)})


def read(text: str | None) -> GrantedClaims:
    """What `written` wrote."""
    if text is None:
        return NO_CLAIMS
    stored = json.loads(text)
    return GrantedClaims(frozenset(stored["userinfo"]), frozenset(stored["id_token"]))
