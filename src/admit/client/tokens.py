"""Asking the token endpoint, and what its answers say, RFC 6749 §5."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from admit.client import authentication
from admit.client.errors import (
    InvalidGrantError,
    ServerUnavailableError,
    TokenAnswerError,
    TokenRequestError,
    registered,
)
from admit.client.exchange import Ask, Talk, ask
from admit.client.registration import ClientRegistration
from admit.errors import FetchError, MalformedTokenError
from admit.fetch import Response
from admit.jose import json as strict_json

MAX_ANSWER: Final = 65_536
"""Octets of an answer."""
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
_VSCHAR = re.compile(r"[\x20-\x7e]+", re.ASCII)
_FORM: Mapping[str, str] = {
    "content-type": "application/x-www-form-urlencoded",
    "accept": "application/json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one answer gave. `expires_at` is in seconds since the epoch, None where the server did not say.

    `scopes` is None where the server did not say either: then they are those that were asked for, RFC 6749 §5.1.
    """

    access_token: str = field(repr=False)
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    scopes: frozenset[str] | None = None


def check_narrow(found: Tokens, asked: Iterable[str]) -> None:
    """A refresh that asks for less gets a token that may no more, RFC 6749 §6: whoever asked means to hand it to
    somebody who is to have no more. Without `scope` in the answer it is what was asked for, §5.1. `offline_access` is
    passed over: it is of the grant, and lets no API do anything.

    Raises:
        TokenAnswerError: the token may more.
    """
    if found.scopes is not None and not found.scopes - {"offline_access"} <= frozenset(asked):
        raise TokenAnswerError(
            "the token may more than was asked for: name in scopes what this server adds to each answer, "
            "or leave scopes out and take the grant's own"
        )


def request(
    client: ClientRegistration, form: Iterable[tuple[str, str]], *, repeat: bool = False
) -> Talk[Tokens]:
    """Ask the pinned server's token endpoint; the client is proven, and the answer read. A redirect is refused.

    `repeat`: the same request may be sent once more when an idle connection turned out to be closed; never for a code.

    Raises:
        TokenRequestError: the server refused.
        TokenAnswerError: it gave what cannot be used.
        ServerUnavailableError: it did not answer as it should.
        IssuerError: the metadata is another issuer's.
    """
    metadata = yield from client.server.metadata()
    response = yield from post(client, metadata.token_endpoint, form, repeat=repeat)
    return read(response, client.server.clock())


def revoke(client: ClientRegistration, token: str) -> Talk[None]:
    """Tell the server that a token is not needed any more, RFC 7009; nothing where it takes no such word.

    Raises:
        TokenRequestError: the server refused.
        ServerUnavailableError: it did not answer.
    """
    metadata = yield from client.server.metadata()
    if metadata.revocation_endpoint is None:
        return
    response = yield from post(client, metadata.revocation_endpoint, [("token", token)], repeat=True)
    if response.status != 200:
        raise refusal(response)


def post(
    client: ClientRegistration, url: str, form: Iterable[tuple[str, str]], *, repeat: bool
) -> Talk[Response]:
    """A form to an endpoint of the client's server, with the client's proof."""
    server = client.server
    proof = authentication.prove(
        client.authentication, client.client_id, issuer=server.issuer, now=server.clock()
    )
    body = urlencode([*form, *proof.form]).encode()
    headers = {**_FORM, **dict(proof.headers)}
    asked = Ask(
        fetcher=server.fetcher,
        method="POST",
        url=url,
        headers=headers,
        body=body,
        max_bytes=MAX_ANSWER,
        repeat=repeat,
    )
    try:
        return (yield from ask(asked))
    except FetchError as error:
        raise ServerUnavailableError(f"token endpoint: {error.detail}") from error


def read(response: Response, now: float) -> Tokens:
    """The tokens in an answer, RFC 6749 §5.1.

    Raises:
        TokenRequestError: it is a refusal, §5.2.
        TokenAnswerError: it has no bearer token that could stand in a header.
        ServerUnavailableError: it is no answer of a token endpoint.
    """
    if response.status != 200:
        raise refusal(response)
    members = _members(response)
    if members is None:
        raise TokenAnswerError("the answer is not a JSON object")
    check_type(members)
    return Tokens(
        access_token=_token(members, "access_token", _TOKEN68),
        expires_at=_expiry(members.get("expires_in"), now),
        refresh_token=_token(members, "refresh_token", _VSCHAR) if "refresh_token" in members else None,
        id_token=_token(members, "id_token", _TOKEN68) if "id_token" in members else None,
        scopes=_scopes(members.get("scope")),
    )


def check_type(members: Mapping[str, Any]) -> None:
    """The token is one that whoever bears it may use; another type is not understood, RFC 6749 §7.1.

    Raises:
        TokenAnswerError: it is another, or none is said.
    """
    kind = members.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenAnswerError("the token is no bearer token")


def refusal(response: Response) -> TokenRequestError | ServerUnavailableError:
    """The error that a refusing answer stands for. Only a registered code of it is repeated."""
    if response.status >= 500 or response.status in (404, 408, 429):
        return ServerUnavailableError(f"the endpoint answered {response.status}")
    members = _members(response) or {}
    error = registered(members.get("error"))
    if error == "temporarily_unavailable":
        return ServerUnavailableError("the server is temporarily unavailable")
    if error == "invalid_grant":
        return InvalidGrantError(error=error)
    return TokenRequestError(error=error)


def _members(response: Response) -> dict[str, Any] | None:
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        return None
    try:
        return strict_json.loads_object(response.body, max_size=MAX_ANSWER)
    except MalformedTokenError:
        return None


def _token(members: Mapping[str, Any], name: str, grammar: re.Pattern[str]) -> str:
    value = members.get(name)
    if not isinstance(value, str) or grammar.fullmatch(value) is None:
        raise TokenAnswerError(f"{name} is missing or cannot be sent on")
    return value


def _expiry(expires_in: object, now: float) -> float | None:
    """Some servers write the number as text."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdigit() and len(expires_in) < 12:
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float) or not 0 <= expires_in < 2**40:
        return None
    return now + expires_in


def _scopes(scope: object) -> frozenset[str] | None:
    return frozenset(scope.split(" ")) - {""} if isinstance(scope, str) else None
