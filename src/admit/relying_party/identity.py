"""Who signed in, by the provider's word: the ID token, and what `/userinfo` adds. Pure.

OpenID Connect Core §3.1.3.7, §5.3.2. An access token says nothing of a sign-in, and is never looked into.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from admit.client.tokens import Tokens
from admit.jose import JWKSet, peek_unverified_header
from admit.relying_party.errors import IdentityError
from admit.relying_party.transaction import Transaction
from admit.tokens import identity as id_tokens
from admit.tokens.identity import IdToken

LEEWAY: Final = timedelta(seconds=30)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person at a provider. `(issuer, subject)` is what to store: a subject alone is not unique.

    `session_id` is the provider's name of the session (`sid`), `auth_time` in seconds since the epoch. `claims` are
    those of the ID token and of `/userinfo` about the person; whether an email address is proven is `email_verified`.
    """

    issuer: str
    subject: str
    client_id: str
    auth_time: float | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    session_id: str | None = None
    claims: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)


def verified(
    tokens: Tokens, keys: JWKSet, transaction: Transaction, client_id: str, now: float, *, code: str
) -> IdToken:
    """The ID token that was given for `code`, as the client that asked for it.

    Raises:
        IdentityError: there is none, or the sign-in is not of the kind that was asked for.
        TokenError: a subclass for each rule.
    """
    if tokens.id_token is None:
        raise IdentityError(
            "the answer has no ID token: may this client ask the provider for the scope openid?"
        )
    found = id_tokens.verify(
        tokens.id_token, keys, issuer=transaction.issuer, audience=client_id, nonce=transaction.nonce, now=now
    )
    check_access_token(found, tokens)
    check_code(found, tokens, code)
    check_auth_time(found, transaction.max_age, now)
    check_acr(found, transaction.acr_values)
    return found


def check_access_token(token: IdToken, tokens: Tokens) -> None:
    """`at_hash`, where there is one, is that of the access token that came along, §3.1.3.8.

    Raises:
        ClaimError: it is another's.
    """
    if token.at_hash is not None and tokens.id_token is not None:
        alg = peek_unverified_header(tokens.id_token)["alg"]
        id_tokens.check_at_hash(token.at_hash, tokens.access_token, alg)


def check_code(token: IdToken, tokens: Tokens, code: str) -> None:
    """`c_hash`, where there is one, is that of the code that the token was given for, §3.3.2.10. From the token
    endpoint it need not come; whoever sends it says which sign-in it is of.

    Raises:
        ClaimError: it is another's.
    """
    if token.c_hash is not None and tokens.id_token is not None:
        alg = peek_unverified_header(tokens.id_token)["alg"]
        id_tokens.check_c_hash(token.c_hash, code, alg)


def check_auth_time(token: IdToken, max_age: float | None, now: float) -> None:
    """Where an age was asked for, the token says when the sign-in was, and it is not older, §3.1.2.1.

    Raises:
        IdentityError: it does not say, or is older.
    """
    if max_age is None:
        return
    if token.auth_time is None:
        raise IdentityError("the ID token does not say when the sign-in was")
    if now - token.auth_time > max_age + LEEWAY.total_seconds():
        raise IdentityError("the sign-in is longer ago than was asked for")


def check_acr(token: IdToken, wanted: tuple[str, ...]) -> None:
    """The class of the sign-in is one of those that were asked for.

    Raises:
        IdentityError: it is another, or not told.
    """
    if wanted and token.acr not in wanted:
        raise IdentityError("the sign-in is of another class than was asked for")


def check_subject(userinfo: Mapping[str, Any], subject: str) -> None:
    """`/userinfo` speaks of the person whom the ID token names, §5.3.2: else the access token was another's.

    Raises:
        IdentityError: it speaks of somebody else, or of nobody.
    """
    if userinfo.get("sub") != subject:
        raise IdentityError("userinfo is about somebody else")


def of(token: IdToken, client_id: str, userinfo: Mapping[str, Any] = _NOTHING) -> Identity:
    """The person that both speak of. What the ID token says is signed, so it goes first."""
    told = {name: value for name, value in userinfo.items() if name != "sub"}
    return Identity(
        issuer=token.issuer,
        subject=token.subject,
        client_id=client_id,
        auth_time=token.auth_time,
        acr=token.acr,
        amr=token.amr,
        session_id=token.session_id,
        claims=MappingProxyType({**told, **token.claims}),
    )
