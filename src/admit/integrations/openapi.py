"""What an OpenAPI document says of guarded operations: their refusals, the session cookie, and where people sign in.

Pure: nothing is fetched, neither when an application is imported nor when its document is made.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from admit.errors import ConfigError
from admit.jose import Waive
from admit.verifier import TrustedIssuer, policy

SESSION_SCHEME = "session"

_SESSION = {
    "type": "apiKey",
    "in": "cookie",
    "description": "Browsers send it themselves: nothing to fill in.",
}

_BODY = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        }
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "The challenge, RFC 6750 §3.", "schema": {"type": "string"}}
}
RESPONSES: dict[str, dict[str, Any]] = {
    "401": {
        "description": "No credential, or one that is not (or no longer) good.",
        "headers": _CHALLENGE,
        "content": _BODY,
    },
    "403": {
        "description": "The credential is good, but a scope, role or group is missing.",
        "headers": _CHALLENGE,
        "content": _BODY,
    },
    "503": {
        "description": "The credential cannot be checked at the moment.",
        "headers": {
            "Retry-After": {"description": "Seconds until it may be.", "schema": {"type": "integer"}}
        },
        "content": _BODY,
    },
}


def describe(
    document: dict[str, Any],
    scheme_name: str,
    session_cookie: str | None,
    *,
    welcoming: Collection[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Add to every operation guarded by this scheme what it may answer, and the cookie as another way in.

    `welcoming` are the paths and methods (in lower case) of operations that are open to strangers: none of the ways in
    is needed there, which is `{}` among them.

    Changes the document in place and gives it back; what is there already stays, so doing it twice does nothing.
    """
    guarded = False
    for where, path in document.get("paths", {}).items():
        for method, operation in path.items():
            security = operation.get("security", []) if isinstance(operation, dict) else []
            if not any(scheme_name in alternative for alternative in security):
                continue
            guarded = True
            responses = operation.setdefault("responses", {})
            for status, response in RESPONSES.items():
                responses.setdefault(status, response)
            if session_cookie is not None and {SESSION_SCHEME: []} not in security:
                security.append({SESSION_SCHEME: []})
            names = {name for alternative in security for name in alternative}
            if (where, method) in welcoming and {} not in security and names <= {scheme_name, SESSION_SCHEME}:
                security.append({})
    if guarded and session_cookie is not None:
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes.setdefault(SESSION_SCHEME, {**_SESSION, "name": session_cookie})
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How people get a token for the docs page: the authorization code, RFC 6749 §4.1.

    `scopes` are those that the page asks for, each with what it allows in plain words.
    """

    authorization_url: str
    token_url: str
    scopes: Mapping[str, str]

    def scheme(self, asked: Collection[str]) -> dict[str, Any]:
        """The OAuth2 security scheme, with the scopes that operations ask beyond those with words."""
        named = {name: self.scopes.get(name, name) for name in [*self.scopes, *sorted(asked)]}
        urls = {
            "authorizationUrl": self.authorization_url,
            "tokenUrl": self.token_url,
            "refreshUrl": self.token_url,
        }
        return {
            "type": "oauth2",
            "description": "Sign in at the issuer, which gives this page an access token.",
            "flows": {"authorizationCode": {**urls, "scopes": named}},
        }


def sign_in(
    trusted: Collection[TrustedIssuer],
    *,
    scopes: Mapping[str, str],
    authorization_url: str | None,
    token_url: str | None,
    parameters: Mapping[str, str] | None,
) -> SignIn:
    """Where people sign in for an API that trusts these issuers.

    An Admit issuer's addresses follow from its name, and its tokens are for the one `resource` that is asked for
    (RFC 8707 §2). That stands in the authorization URL: Swagger UI's `additionalQueryStringParams` would put it into
    the query of the token request too, where RFC 6749 §3.2 has no parameters.

    Raises:
        ConfigError: they do not follow, and are not named; or a scope can be none.
    """
    policy.requirement(scopes)
    issuers = {one.issuer for one in trusted}
    audiences = {audience for one in trusted for audience in one.audiences}
    if authorization_url is None or token_url is None:
        if len(issuers) != 1 or any(one.revocation is Waive.REVOCATION for one in trusted):
            raise ConfigError(
                "document(client_id=...) needs authorization_url=... and token_url=...: they follow from the name of"
                " an Admit issuer alone, where that is the one that is trusted"
            )
        issuer = min(issuers)
        authorization_url, token_url = (
            authorization_url or f"{issuer}/authorize",
            token_url or f"{issuer}/token",
        )
    if parameters is None:
        if len(audiences) != 1:
            raise ConfigError(
                'document(client_id=...) with several audiences needs parameters={"resource": ...}:'
                " which of them are its tokens for?"
            )
        parameters = {"resource": min(audiences)}
    if parameters:
        authorization_url += ("&" if "?" in authorization_url else "?") + urlencode(parameters)
    return SignIn(authorization_url=authorization_url, token_url=token_url, scopes=dict(scopes))


def swagger_ui(client_id: str, scopes: Collection[str]) -> dict[str, Any]:
    """What Swagger UI's `initOAuth` is told: who it is, with which scopes ticked, and to use PKCE (RFC 7636)."""
    return {"clientId": client_id, "scopes": list(scopes), "usePkceWithAuthorizationCodeGrant": True}


def authorize(document: dict[str, Any], scheme_name: str, way: SignIn) -> dict[str, Any]:
    """Have the scheme of guarded operations say where people sign in, instead of only that a token is wanted.

    Changes the document in place and gives it back; doing it twice does nothing.
    """
    schemes = document.get("components", {}).get("securitySchemes", {})
    if scheme_name in schemes:
        schemes[scheme_name] = way.scheme(_asked(document, scheme_name))
    return document


def _asked(document: dict[str, Any], scheme_name: str) -> set[str]:
    """The scopes that operations ask by this scheme."""
    return {
        scope
        for path in document.get("paths", {}).values()
        for operation in path.values()
        if isinstance(operation, dict)
        for alternative in operation.get("security", [])
        for scope in alternative.get(scheme_name, [])
    }
