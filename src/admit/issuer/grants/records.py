"""What grants are made of, as frozen values. Times are seconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from admit.issuer.accounts.records import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An authorization request that waits for a person. The request never changes; the browser holds only a handle.

    `session_id` is the session that the person signed in with during this interaction, None before.
    """

    client_id: str
    request: Mapping[str, Any]
    created_at: float
    expires_at: float
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An authorization request that a client pushed, RFC 9126 §2."""

    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFlow:
    """A sign-in by JSON that is under way in a client of ours. `waiting` is the SHA-256 by which the sign-in is found
    that waits for a second factor; None as long as the password was not shown. Times in seconds since the epoch.
    """

    request: Mapping[str, Any]
    waiting: bytes | None
    expires_at: float


@dataclass(frozen=True, slots=True)
class GrantedClaims:
    """Claims about the person that were asked for one by one, OpenID Connect Core §5.5: for `/userinfo`, and for ID
    tokens.
    """

    userinfo: frozenset[str] = frozenset()
    id_token: frozenset[str] = frozenset()


NO_CLAIMS = GrantedClaims()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a person allowed: all that an authorization code stands for, RFC 6749 §4.1.2, OpenID Connect Core §3.1.3.

    `session_id` is the public id of the session's node. `code_challenge` is S256, None for a client that is exempt
    from PKCE. `offline`: the grant outlives the session.
    """

    client_id: str
    user_id: str
    session_id: str
    redirect_uri: str
    scope: frozenset[str]
    audience: str
    code_challenge: str | None
    nonce: str | None
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    offline: bool = False
    claims: GrantedClaims = NO_CLAIMS


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCode:
    """An authorization code's row: what was allowed, and what became of it. `grant_id` is the family it paid out."""

    authorization: Authorization
    created_at: float
    expires_at: float
    spent_at: float | None = None
    grant_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCode:
    """What an authenticated client sends along with a code, RFC 6749 §4.1.3, RFC 7636 §4.5."""

    client_id: str
    redirect_uri: str | None
    code_verifier: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A grant and its refresh tokens: one row however often they rotate.

    `id` is the public id of the grant's node and `idx` its place in the status lists. `generation` counts rotations;
    the token of generation g has a MAC over `id`, g and `salt`. `used_at` is the idle clock only. `jkt` is the
    thumbprint of the DPoP key that the tokens are bound to (RFC 9449 §5), None for none. `ended_at` is the node's.
    """

    id: str
    idx: int
    client_id: str
    user_id: str | None
    session_id: str | None
    scope: frozenset[str]
    audience: str
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    created_at: float
    expires_at: float
    generation: int
    rotated_at: float
    used_at: float
    offline: bool
    salt: bytes = field(repr=False)
    jkt: str | None = None
    ended_at: float | None = None
    claims: GrantedClaims = NO_CLAIMS


class OfUser(NamedTuple):
    """A family and whose it is, of one read; the user is None for a client's own, and where there is none any more."""

    family: Family
    user: User | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedRefresh:
    """What an authenticated client sends along with a refresh token.

    `rotates`: its tokens are replaced at each use, as those of a public client without a key are. `jkt` is the
    thumbprint of the DPoP key that this request proved, None for none. `genuine` says that the token's MAC is ours.
    """

    generation: int
    client_id: str
    rotates: bool
    jkt: str | None = None
    genuine: bool


class Refusal(Enum):
    """Why a code or refresh token is `invalid_grant`: for the audit and the log, never for the client."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    IDLE = "idle"
    ENDED = "ended"
    CLIENT = "other client"
    REDIRECT_URI = "other redirect_uri"
    PKCE = "code_verifier"
    REUSED = "reused"
    FORGED = "forged"
    KEY = "other key"
    AHEAD = "ahead of the database"
    PARENT_ENDED = "session, user or client ended"


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer is `invalid_grant`, RFC 6749 §5.2."""

    reason: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """A code became a grant. `refresh_token` is None where the client may not have one. `user` is whose it is."""

    authorization: Authorization
    family: Family
    refresh_token: str | None
    user: User | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """A refresh token was good. `refresh_token` is what the client must use next: a successor, or the same again.
    `user` is whose it is, as read before.
    """

    family: Family
    refresh_token: str
    user: User | None = None
