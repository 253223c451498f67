"""The URL that carries an authorization response back, RFC 6749 §4.1.2, RFC 9207 §2."""

from urllib.parse import urlencode, urlsplit

from admit.errors import OAuthError
from admit.issuer.oauth.authorize.request import Target


def location(target: Target, parameters: dict[str, str], *, issuer: str) -> str:
    """The target's redirect URI with the response in its query; `state` unchanged, `iss` always (RFC 9207)."""
    answer = dict(parameters)
    if target.state is not None:
        answer["state"] = target.state
    answer["iss"] = issuer
    separator = "&" if urlsplit(target.redirect_uri).query else "?"
    return f"{target.redirect_uri}{separator}{urlencode(answer)}"


def error_location(target: Target, error: OAuthError, *, issuer: str) -> str:
    """An error response, RFC 6749 §4.1.2.1: the code and a fixed text, never input."""
    description = getattr(error, "description", error.public)
    return location(target, {"error": error.code, "error_description": description}, issuer=issuer)


def code_location(target: Target, code: str, *, issuer: str) -> str:
    """A code response, RFC 6749 §4.1.2."""
    return location(target, {"code": code}, issuer=issuer)


def host(uri: str) -> str:
    """Where a redirect URI leads, as people read it: the host, else the private-use scheme."""
    parts = urlsplit(uri)
    return parts.netloc or parts.scheme
