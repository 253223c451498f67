"""Where an issuer keeps its keys and its head: its metadata, RFC 8414 and OpenID Connect Discovery 1.0 §4."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from admit.errors import FetchError, IssuerError, MalformedTokenError
from admit.fetch import Response, egress
from admit.jose import json as strict_json

Get = Callable[[str, Mapping[str, str]], Response]
_MAX_SIZE = 131_072
_JSON: Mapping[str, str] = {"accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`head` is None where the issuer names none."""

    jwks: str
    head: str | None


def places(issuer: str) -> tuple[str, ...]:
    """Both well-known URLs: appended (OpenID Connect Discovery §4.1), and put before the path (RFC 8414 §3.1)."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{root}/.well-known/oauth-authorization-server{path}",
    )


def discover(get: Get, issuer: str) -> Endpoints:
    """Fetch an issuer's metadata.

    Raises:
        FetchError: it cannot be had, or names no key set.
        IssuerError: it is another issuer's, RFC 8414 §3.3.
    """
    for url in places(issuer):
        response = get(url, _JSON)
        if response.status == 404:
            continue
        if response.status != 200:
            raise FetchError("the metadata was not given")
        return read(response.body, issuer)
    raise FetchError("the issuer has no metadata")


def read(body: bytes, issuer: str) -> Endpoints:
    """The endpoints in a metadata document.

    Raises:
        FetchError: malformed, or an endpoint that may not be used.
        IssuerError: `issuer` in it is another.
    """
    try:
        members = strict_json.loads_object(body, max_size=_MAX_SIZE)
    except MalformedTokenError:
        raise FetchError("the metadata is not strict JSON") from None
    check_issuer(members, issuer)
    jwks = members.get("jwks_uri")
    if not isinstance(jwks, str):
        raise FetchError("the metadata names no key set")
    head = members.get("admit_status_head_endpoint")
    if head is not None:
        if not isinstance(head, str):
            raise FetchError("the metadata names no usable head")
        # The head speaks for the issuer alone, so nobody else's server is asked for it.
        if egress.origin_of(head) != egress.origin_of(issuer):
            raise FetchError("the head is at another origin than its issuer")
    return Endpoints(jwks, head)


def check_issuer(members: Mapping[str, Any], issuer: str) -> None:
    """Raise IssuerError unless the document is this issuer's, letter by letter, RFC 8414 §3.3."""
    if members.get("issuer") != issuer:
        raise IssuerError("issuer", "the metadata is another issuer's")
