"""What an authorization response says, and the URL that carries it back, RFC 6749 §4.1.2, RFC 9207 §2."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from admit.errors import OAuthError
from admit.issuer.oauth.authorize.request import Target


def answer(target: Target, parameters: Mapping[str, str], *, issuer: str) -> dict[str, str]:
    """The parameters of a response: `state` unchanged, `iss` always (RFC 9207)."""
    whole = dict(parameters)
    if target.state is not None:
        whole["state"] = target.state
    whole["iss"] = issuer
    return whole


def error(error: OAuthError) -> dict[str, str]:
    """What an error response says, RFC 6749 §4.1.2.1: the code and a fixed text, never input."""
    return {"error": error.code, "error_description": getattr(error, "description", error.public)}


def location(target: Target, whole: Mapping[str, str]) -> str:
    """The target's redirect URI with the response in its query, which is kept (RFC 6749 §3.1.2)."""
    separator = "&" if urlsplit(target.redirect_uri).query else "?"
    return f"{target.redirect_uri}{separator}{urlencode(whole)}"


def host(uri: str) -> str:
    """Where a redirect URI leads, as people read it: the host, else the private-use scheme."""
    parts = urlsplit(uri)
    return parts.netloc or parts.scheme
