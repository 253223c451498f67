"""Signing in with an OpenID provider: from the answer to the person, and the provider's word that it is over."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from admit.client import tokens as token_endpoint
from admit.client.errors import ServerUnavailableError
from admit.client.exchange import Ask, Talk, ask
from admit.client.tokens import Tokens
from admit.errors import FetchError, KeyNotFoundError, MalformedTokenError, SignatureError
from admit.jose import json as strict_json
from admit.jose import peek_unverified_claims
from admit.relying_party import answer as answers
from admit.relying_party import identity
from admit.relying_party.answer import Answer
from admit.relying_party.errors import IdentityError
from admit.relying_party.identity import Identity
from admit.relying_party.keys import ProviderKeys
from admit.relying_party.provider import Provider
from admit.relying_party.transaction import Transaction
from admit.tokens import logout, members
from admit.tokens.identity import IdToken
from admit.tokens.logout import LogoutToken

_MAX_USERINFO: Final = 65_536


def finish(
    provider: Provider, keys: ProviderKeys, transaction: Transaction, answer: Answer
) -> Talk[tuple[Identity, Tokens, float]]:
    """The person and the tokens behind an answer whose transaction was spent, and the `iat` of the ID token.

    The issuer is compared before anything is sent, so that a code never goes to another provider than its own.

    Raises:
        SignInError: the answer, or what the provider says of the person, does not hold; a subclass for each rule.
        TokenError: the ID token does not; a subclass for each rule.
        TokenRequestError: the provider refuses the code.
        ServerUnavailableError: it does not answer.
    """
    client = provider.client
    metadata = yield from client.server.metadata()
    answers.check_iss(answer, transaction.issuer, required=metadata.names_itself or provider.names_itself)
    code = answers.code(answer)
    form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", transaction.redirect_uri),
        ("code_verifier", transaction.code_verifier),
    ]
    found = yield from token_endpoint.request(client, form)
    token = yield from _verified(provider, keys, transaction, found, code)
    userinfo: Mapping[str, Any] = {}
    if provider.userinfo:
        userinfo = yield from _userinfo(provider, found.access_token)
        identity.check_subject(userinfo, token.subject)
    return identity.of(token, client.client_id, userinfo), found, token.iat


def addressed(token: str, providers: Iterable[Provider]) -> list[Provider]:
    """The providers whose logout token this says to be. Nothing of that is proven, and nobody was asked for keys yet.

    Raises:
        TokenError: it is no token, or does not say.
    """
    claims = peek_unverified_claims(token)
    issuer, audience = members.text(claims, "iss"), members.audience(claims)
    return [one for one in providers if one.issuer == issuer and one.client.client_id in audience]


def read_logout_token(provider: Provider, keys: ProviderKeys, token: str) -> Talk[LogoutToken]:
    """What a logout token says, once it is verified, OpenID Connect Back-Channel Logout §2.6.

    Raises:
        TokenError: a subclass for each rule.
        ServerUnavailableError: the provider's keys cannot be had.
    """
    for renewed in (False, True):
        found = yield from keys.get(renewed=renewed)
        try:
            return logout.verify(
                token,
                found,
                issuer=provider.issuer,
                audience=provider.client.client_id,
                now=provider.client.server.clock(),
            )
        except (KeyNotFoundError, SignatureError):
            if renewed:
                raise
    raise AssertionError("the second try returns or raises")


def _verified(
    provider: Provider, keys: ProviderKeys, transaction: Transaction, found: Tokens, code: str
) -> Talk[IdToken]:
    client = provider.client
    for renewed in (False, True):
        held = yield from keys.get(renewed=renewed)
        try:
            now = client.server.clock()
            return identity.verified(found, held, transaction, client.client_id, now, code=code)
        except (KeyNotFoundError, SignatureError):
            if renewed:
                raise
    raise AssertionError("the second try returns or raises")


def _userinfo(provider: Provider, access_token: str) -> Talk[Mapping[str, Any]]:
    server = provider.client.server
    metadata = yield from server.metadata()
    if metadata.userinfo_endpoint is None:
        raise IdentityError("the provider's metadata names no userinfo_endpoint")
    headers = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
    asked = Ask(
        fetcher=server.fetcher,
        method="GET",
        url=metadata.userinfo_endpoint,
        headers=headers,
        max_bytes=_MAX_USERINFO,
        repeat=True,
    )
    try:
        response = yield from ask(asked)
    except FetchError as error:
        raise ServerUnavailableError(f"userinfo: {error.detail}") from error
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status != 200 or media != "application/json":
        raise IdentityError("userinfo gave no claims")
    try:
        return strict_json.loads_object(response.body, max_size=_MAX_USERINFO)
    except MalformedTokenError:
        raise IdentityError("userinfo is not strict JSON") from None
