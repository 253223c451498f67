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
    """Each is None where the issuer names none."""

    jwks: str | None
    head: str | None = None
    introspection: str | None = None
    events: str | None = None


def places(issuer: str) -> tuple[str, ...]:
    """Both well-known URLs: appended (OpenID Connect Discovery §4.1), and put before the path (RFC 8414 §3.1)."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{root}/.well-known/oauth-authorization-server{path}",
    )


def discover(get: Get, issuer: str, place: str | None = None) -> Endpoints:
    """Fetch an issuer's metadata, from `place` where that is known.

    Raises:
        FetchError: it cannot be had.
        IssuerError: it is another issuer's, RFC 8414 §3.3.
    """
    for url in places(issuer) if place is None else (place,):
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
    jwks = _url(members, "jwks_uri")
    introspection = _url(members, "introspection_endpoint")
    head = _own(members, "admit_status_head_endpoint", issuer)
    try:
        events = _own(members, "admit_status_events_endpoint", issuer)
    except FetchError:
        events = None  # the stream makes nothing but speed: without it the head is asked for as ever
    return Endpoints(jwks, head, introspection, events)


def _own(members: Mapping[str, Any], name: str, issuer: str) -> str | None:
    """An endpoint that speaks for the issuer alone, so nobody else's server is asked for it.

    Raises:
        FetchError: no text, no URL, or at another origin.
    """
    url = members.get(name)
    if url is None:
        return None
    if not isinstance(url, str):
        raise FetchError("the metadata names no usable endpoint of revocations")
    check_origin(url, issuer)
    return url


def check_origin(url: str, issuer: str) -> None:
    """Raise FetchError unless the URL is at the origin of the issuer, RFC 6454 §5."""
    if egress.origin_of(url) != egress.origin_of(issuer):
        raise FetchError("revocations are at another origin than their issuer")


def check_issuer(members: Mapping[str, Any], issuer: str) -> None:
    """Raise IssuerError unless the document is this issuer's, letter by letter, RFC 8414 §3.3."""
    if members.get("issuer") != issuer:
        raise IssuerError("issuer", "the metadata is another issuer's")


def _url(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise FetchError("the metadata names an endpoint that is no text")
    return value
