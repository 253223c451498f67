"""The authorization server that a program was told to trust: where its endpoints are, RFC 8414, OpenID Connect
Discovery 1.0.

Secrets, codes and refresh tokens go to the token endpoint that the pinned issuer names in its own metadata, over
verified TLS, and to nobody whom that endpoint redirects to.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final
from urllib.parse import urlsplit

from admit.client.errors import ServerUnavailableError
from admit.client.exchange import Ask, Talk, ask
from admit.errors import ConfigError, FetchError, IssuerError, MalformedTokenError
from admit.fetch import Fetcher, egress
from admit.jose import json as strict_json

FRESH: Final = 3_600.0
"""Seconds for which metadata is believed without asking."""
STALE: Final = 86_400.0
"""Seconds for which old metadata serves while the server cannot be reached."""
RETRY: Final = 10.0
"""Seconds between tries to renew metadata that still serves."""
_MAX_SIZE: Final = 131_072
_JSON: Mapping[str, str] = {"accept": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What an authorization server says of itself, RFC 8414 §2; endpoints that it does not name are None."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None = None
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    names_itself: bool = False
    """`authorization_response_iss_parameter_supported`: each of its answers carries `iss`, RFC 9207 §3."""
    id_token_algorithms: frozenset[str] | None = None
    response_modes: frozenset[str] | None = None
    challenge_methods: frozenset[str] | None = None


class AuthorizationServer:
    """One authorization server, by its issuer identifier.

    The issuer is https (plain http only on loopback). Its metadata is fetched when it is first needed, must name this
    very issuer, and is kept for an hour; `metadata` is its URL where it is not at a well-known one. `allow` names
    origins inside a private network that may be dialled (the issuer's own, and that of `metadata`, always may);
    `ca_file` is trusted beside the system's certificates. `fetcher` replaces what dials out, `clock` gives the wall
    time. Construction does no I/O, and one instance serves threads and event loops.

    Raises:
        ConfigError: the issuer, or a URL, is none that can be used.
    """

    def __init__(
        self,
        issuer: str,
        *,
        metadata: str | None = None,
        allow: Collection[str] = (),
        ca_file: str | PathLike[str] | None = None,
        fetcher: Fetcher | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_identifier(issuer)
        self.issuer = issuer
        self.clock = clock
        self._places = places(issuer) if metadata is None else (metadata,)
        try:
            named = frozenset(egress.origin_of(url) for url in (issuer, *self._places, *allow))
        except FetchError:
            raise ConfigError("AuthorizationServer(metadata=..., allow=...) are https URLs") from None
        self.allowed = named
        self.fetcher = Fetcher(named, ca_file=ca_file) if fetcher is None else fetcher
        self._known: tuple[ServerMetadata, float] | None = None
        self._retry_at = 0.0

    def metadata(self) -> Talk[ServerMetadata]:
        """The server's metadata, asked for when none is held or what is held is an hour old.

        Raises:
            ServerUnavailableError: it cannot be had.
            IssuerError: it is another issuer's, RFC 8414 §3.3.
        """
        known, now = self._known, self.clock()
        if known is not None and (0 <= now - known[1] < FRESH or 0 <= self._retry_at - now <= RETRY):
            return known[0]
        try:
            found = yield from self._fetched()
        except (ServerUnavailableError, IssuerError):
            if known is None or not 0 <= now - known[1] < STALE:
                raise
            self._retry_at = now + RETRY
            return known[0]
        self._known = (found, now)
        return found

    def _fetched(self) -> Talk[ServerMetadata]:
        for url in self._places:
            try:
                response = yield from ask(
                    Ask(fetcher=self.fetcher, method="GET", url=url, headers=_JSON, repeat=True)
                )
            except FetchError as error:
                raise ServerUnavailableError(f"metadata: {error.detail}") from error
            if response.status == 404:
                continue
            if response.status != 200:
                raise ServerUnavailableError("the metadata was not given")
            return read(response.body, self.issuer, self.allowed)
        raise ServerUnavailableError("the issuer has no metadata")


def check_identifier(issuer: str) -> None:
    """An issuer identifier is an https URL without query and fragment, RFC 8414 §2; http on loopback only.

    Raises:
        ConfigError: it is not.
    """
    try:
        parts = urlsplit(issuer)
        egress.check_url(issuer, frozenset({egress.origin_of(issuer)}))
    except (FetchError, ValueError):
        raise ConfigError("an issuer is an https URL (http only on loopback)") from None
    if parts.query or parts.fragment or "?" in issuer:
        raise ConfigError("an issuer has neither query nor fragment")


def places(issuer: str) -> tuple[str, ...]:
    """Both well-known URLs: appended (OpenID Connect Discovery §4.1), and put before the path (RFC 8414 §3.1)."""
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{root}/.well-known/oauth-authorization-server{path}",
    )


def read(body: bytes, issuer: str, allowed: frozenset[str] = frozenset()) -> ServerMetadata:
    """The metadata in a document.

    Raises:
        ServerUnavailableError: malformed, or an endpoint that may not be used.
        IssuerError: it is another issuer's.
    """
    try:
        members = strict_json.loads_object(body, max_size=_MAX_SIZE)
    except MalformedTokenError:
        raise ServerUnavailableError("the metadata is not strict JSON") from None
    check_issuer(members, issuer)
    token_endpoint = _endpoint(members, "token_endpoint", allowed)
    if token_endpoint is None:
        raise ServerUnavailableError("the metadata names no token_endpoint")
    return ServerMetadata(
        issuer=issuer,
        token_endpoint=token_endpoint,
        authorization_endpoint=_endpoint(members, "authorization_endpoint", allowed),
        jwks_uri=_endpoint(members, "jwks_uri", allowed),
        userinfo_endpoint=_endpoint(members, "userinfo_endpoint", allowed),
        end_session_endpoint=_endpoint(members, "end_session_endpoint", allowed),
        revocation_endpoint=_endpoint(members, "revocation_endpoint", allowed),
        names_itself=members.get("authorization_response_iss_parameter_supported") is True,
        id_token_algorithms=_names(members, "id_token_signing_alg_values_supported"),
        response_modes=_names(members, "response_modes_supported"),
        challenge_methods=_names(members, "code_challenge_methods_supported"),
    )


def check_issuer(members: Mapping[str, Any], issuer: str) -> None:
    """Raise IssuerError unless the document is this issuer's, letter by letter, RFC 8414 §3.3."""
    if members.get("issuer") != issuer:
        raise IssuerError("issuer", "the metadata is another issuer's")


def check_endpoint(url: str, allowed: frozenset[str]) -> None:
    """Raise FetchError unless the endpoint is https, or plain http on loopback at an origin that was named."""
    egress.check_url(url, allowed)


def _endpoint(members: Mapping[str, Any], name: str, allowed: frozenset[str]) -> str | None:
    url = members.get(name)
    if url is None:
        return None
    try:
        if not isinstance(url, str):
            raise FetchError("an endpoint that is no text")
        check_endpoint(url, allowed)
    except FetchError:
        raise ServerUnavailableError(f"the metadata's {name} is no https URL") from None
    return url


def _names(members: Mapping[str, Any], name: str) -> frozenset[str] | None:
    found = members.get(name)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return None
    return frozenset(found)
