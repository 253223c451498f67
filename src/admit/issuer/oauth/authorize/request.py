"""What an authorization request says, once it has been judged. Frozen values only; no I/O.

RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2, OpenID Connect Core §3.1.2.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from admit.issuer.clients.records import ACR_1FA, Client


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
class AuthorizeRequest:
    """A whole, permitted authorization request.

    `scope` holds what was asked, within the client's list. `audience` is the resource the token will be for, the
    issuer itself where none was asked. `max_age` is in seconds. `acr` is the least class
    of sign-in that will do. `parameters` is what came in, kept so that a request that waits for a sign-in is judged
    again when it goes on.
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

    @property
    def client(self) -> Client:
        """The client that asks."""
        return self.target.client
