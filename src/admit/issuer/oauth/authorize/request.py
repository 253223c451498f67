"""What an authorization request says, once it has been judged. Frozen values only; no I/O.

RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2, RFC 9126 §2.1, OpenID Connect Core §3.1.2.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from admit.issuer.accounts.rules import CLAIMS_OF_SCOPES, scopes_holding
from admit.issuer.clients.records import ACR_1FA, Client
from admit.issuer.clients.registry import Registry
from admit.issuer.grants.records import GrantedClaims
from admit.jose import JWKSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the issuer knows, as the steps see it: who is registered, the keys of its own ID tokens, and the
    time, in seconds since the epoch.
    """

    registry: Registry
    hint_keys: JWKSet
    now: float

    @property
    def issuer(self) -> str:
        """The issuer identifier."""
        return self.registry.issuer


class Prompt(StrEnum):
    """Values of `prompt`, OpenID Connect Core §3.1.2.1."""

    NONE = "none"
    LOGIN = "login"
    CONSENT = "consent"
    SELECT_ACCOUNT = "select_account"


class ResponseMode(StrEnum):
    """How an answer travels: OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2."""

    QUERY = "query"
    FORM_POST = "form_post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A client and a redirect URI that were proven to belong together: the only place an answer may be sent to.

    `response_mode` is how the client asked to be answered, errors included.
    """

    client: Client
    redirect_uri: str
    state: str | None
    response_mode: ResponseMode = ResponseMode.QUERY


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsAsked:
    """The `claims` parameter, OpenID Connect Core §5.5, as far as it is understood: names of claims about the person
    for either place, the people that a `sub` allows, and the classes of sign-in that an essential `acr` allows.
    `names_acr`: whether there is an `acr` at all, essential or not.
    """

    userinfo: frozenset[str] = frozenset()
    id_token: frozenset[str] = frozenset()
    subjects: frozenset[str] | None = None
    acr: frozenset[str] | None = None
    names_acr: bool = False

    @property
    def names(self) -> frozenset[str]:
        """All of both places."""
        return self.userinfo | self.id_token


NO_CLAIMS = ClaimsAsked()


def claims_of(scopes: frozenset[str]) -> frozenset[str]:
    """The claims about a person that some scopes hold, OpenID Connect Core §5.4."""
    return frozenset().union(*(CLAIMS_OF_SCOPES.get(scope, frozenset()) for scope in scopes))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """A whole, permitted authorization request.

    `scope` holds what was asked, within the client's list. `audience` is the resource the token will be for, the
    issuer itself where none was asked. `max_age` is in seconds. `acr` is the least class of sign-in that will do.
    `claims` are those asked for one by one. `pushed` is the SHA-256 of the reference that the client pushed it under
    (RFC 9126), None for one that came by the browser. `hinted` is the person that an `id_token_hint` names.
    `parameters` is what came in, kept so that a request that waits for a sign-in is judged again when it goes on.
    """

    target: Target
    parameters: Mapping[str, str]
    scope: frozenset[str] = frozenset()
    audience: str = ""
    code_challenge: str | None = None
    nonce: str | None = None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    acr: str = ACR_1FA
    login_hint: str | None = None
    ui_locales: str | None = None
    claims: ClaimsAsked = NO_CLAIMS
    pushed: bytes | None = None
    hinted: str | None = None

    @property
    def subjects(self) -> frozenset[str] | None:
        """The people that it may be answered for; None for whoever signs in. An empty set is nobody."""
        hinted = frozenset((self.hinted,)) if self.hinted is not None else None
        if hinted is None or self.claims.subjects is None:
            return self.claims.subjects if hinted is None else hinted
        return hinted & self.claims.subjects

    @property
    def asked_scope(self) -> frozenset[str]:
        """The scopes that a person has to be asked about: those asked for, and those that hold a claim asked for."""
        return self.scope | scopes_holding(self.claims.names)

    def granted_claims(self, allowed: frozenset[str]) -> GrantedClaims:
        """Of the claims asked for those that scopes which were allowed hold."""
        opened = claims_of(allowed)
        return GrantedClaims(userinfo=self.claims.userinfo & opened, id_token=self.claims.id_token & opened)

    def kept(self) -> dict[str, Any]:
        """Plain JSON of what it takes to judge it again. No token is in it: of a hint, the person that it named."""
        return {
            "parameters": dict(self.parameters),
            "pushed": self.pushed.hex() if self.pushed is not None else None,
            "hinted": self.hinted,
        }

    @property
    def client(self) -> Client:
        """The client that asks."""
        return self.target.client
