"""Clients and resources as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, NewType, TypeAlias


class Profile(Enum):
    """What settles PKCE, algorithms and authentication methods of a client."""

    OAUTH21 = "oauth21"
    OIDC = "oidc"
    FAPI2 = "fapi2"


class AuthMethod(Enum):
    """How a client proves itself to the token endpoint and its kin, RFC 7591 §2 `token_endpoint_auth_method`."""

    NONE = "none"
    CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105  # the name of a method
    CLIENT_SECRET_POST = "client_secret_post"  # noqa: S105  # as above
    PRIVATE_KEY_JWT = "private_key_jwt"


Jwks = NewType("Jwks", str)
"""A set of public keys as JSON text, RFC 7517 §5. In a settings file it may be a table as well."""


class ApplicationType(Enum):
    """OpenID Connect Registration §2 `application_type`: decides which redirect URIs may be registered."""

    WEB = "web"
    NATIVE = "native"


class Source(Enum):
    """Where a client comes from: who may change it, and whether anybody here chose it."""

    SETTINGS = "settings"
    CLI = "cli"
    REGISTRATION = "registration"
    METADATA_DOCUMENT = "metadata_document"


DEFAULT_GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})
DEFAULT_SCOPES = frozenset({"openid", "profile", "email"})

ACR_1FA: Final = "urn:admit:acr:1fa"
ACR_2FA: Final = "urn:admit:acr:2fa"
ACRS: Final = (ACR_1FA, ACR_2FA)
"""Classes of sign-in, the weaker first, OpenID Connect Core §2 `acr`: one factor, and two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An application, RFC 6749 §2.

    `id`: as it stands in requests: letters, digits, `.`, `_`, `~` and `-`. `name`: what people are shown.
    `redirect_uris`: where codes may be sent, byte for byte, RFC 9700 §4.1.3.
    `localhost_redirects`: of a native client: take `http://localhost` like a loopback address, on any port; RFC 8252
    §8.3 would rather see the address, and many programs know no other way.
    `post_logout_redirect_uris`: where browsers may be sent after signing out.
    `application_type`: `web`, or `native` for what runs on people's own machines (RFC 8252).
    `grant_types`: how it may ask for tokens. `id_token_signed_response_alg`: what its ID tokens are signed with.
    `userinfo_signed_response_alg`: what the answers of `/userinfo` are signed with; plain JSON if that is None.
    `require_pkce`: false only for a confidential client that cannot send a `code_challenge` (RFC 7636); `admit doctor`
    lists it. `require_pushed_authorization_requests`: take no authorization request of it that was not pushed first
    (RFC 9126 §6). `profile`: the set of rules that it is held to.
    `public`: it cannot keep a secret; every other client has one, or a key of its own.
    `secret_hashes`: SHA-256 of its secret, two while one is replaced by another.
    `token_endpoint_auth_method`: `private_key_jwt` for a client that signs with its own key; without it, `none` for
    public clients and a secret for all others, by Basic or in the body as the client likes.
    `jwks`: its public keys. `jwks_uri`: the https URL where it publishes them instead.
    `token_endpoint_auth_signing_alg`: the one algorithm that it signs with; any asymmetric one where that is None.
    `token_endpoint_audience`: take its assertions for the token endpoint's URL too, not only those for the issuer.
    `first_party`: no consent page. `api_login`: it asks people for their passwords itself, and signs them in by
    `POST /api/login`; for first-party clients of the settings file only.
    `scopes`: all that it may ever ask for, those of resources included.
    `resources`: the audiences it may name. `default_resource`: the `aud` when it names none; the issuer if that is
    None. `userinfo_audience`: add the issuer to `aud`, so that the token is good for `/userinfo` too.
    `backchannel_logout_uri`: where it is told that somebody's session is over (OpenID Connect Back-Channel Logout).
    `backchannel_logout_session_required`: it wants `sid` to be named; it always is.
    `acr`: the least class of sign-in that it is used with, `urn:admit:acr:2fa` for a second factor.
    `default_max_age`: seconds since the person's sign-in that it takes where its request names no `max_age`, 0 for a
    new sign-in each time, OpenID Connect Registration §2.
    `default_acr_values`: classes of sign-in of which it asks for the least where its request names none, by
    `acr_values` or by an `acr` of `claims`; the same section. A request may ask for less than these, but not for less
    than `acr`.
    `trusted`: somebody who runs this issuer let it in. False for what registered itself without an initial access
    token, and for what its own metadata document describes; `first_party` is never theirs.
    `client_uri`, `logo_uri`, `policy_uri`, `tos_uri`, `contacts`, `software_id`, `software_version`: what it says of
    itself, RFC 7591 §2. Text: shown, never fetched.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    localhost_redirects: bool = False
    public: bool = True
    application_type: ApplicationType = ApplicationType.WEB
    secret_hashes: tuple[bytes, ...] = field(default=(), repr=False)
    token_endpoint_auth_method: AuthMethod | None = None
    token_endpoint_auth_signing_alg: str | None = None
    jwks: Jwks | None = None
    jwks_uri: str | None = None
    token_endpoint_audience: bool = False
    first_party: bool = False
    api_login: bool = False
    grant_types: frozenset[str] = DEFAULT_GRANT_TYPES
    scopes: frozenset[str] = DEFAULT_SCOPES
    resources: frozenset[str] = frozenset()
    default_resource: str | None = None
    userinfo_audience: bool = False
    id_token_signed_response_alg: str = "RS256"  # noqa: S105  # an algorithm's name
    userinfo_signed_response_alg: str | None = None
    require_pkce: bool = True
    require_pushed_authorization_requests: bool = False
    profile: Profile = Profile.OAUTH21
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    acr: str | None = None
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    trusted: bool = True
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None

    @property
    def is_native(self) -> bool:
        return self.application_type is ApplicationType.NATIVE

    @property
    def auth_method(self) -> AuthMethod:
        """How it proves itself; of the two ways to send a secret, either is taken."""
        if self.token_endpoint_auth_method is not None:
            return self.token_endpoint_auth_method
        return AuthMethod.NONE if self.public else AuthMethod.CLIENT_SECRET_BASIC


class TokenFormat(Enum):
    """How a resource is told what an access token says."""

    JWT = "jwt"
    """It reads that itself, RFC 9068."""
    OPAQUE = "opaque"
    """It asks by introspection, RFC 7662; nobody else learns anything from the token."""


ScopeText: TypeAlias = str | Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An API that takes our access tokens, RFC 8707 §2.

    `id`: its audience URI. `name`: what people are shown. `scopes`: what the consent page says of each scope, one
    text or one a language. `roles`: the scopes that the holders of each role may have; the role `*` is everybody's.
    `clients`: the scopes that each client, by its id, may have in its own name (RFC 6749 §4.4); no other has any.
    `secret_hash`: SHA-256 of the secret that opens `/session/lookup` and introspection for it. `alg`: what its access
    tokens and the answers about them are signed with. `access_token_format`: `jwt`, or `opaque` for tokens that only
    introspection opens, which needs the secret.
    """

    id: str
    name: str
    scopes: Mapping[str, ScopeText] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    clients: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    secret_hash: bytes | None = field(default=None, repr=False)
    alg: str = "ES256"
    access_token_format: TokenFormat = TokenFormat.JWT
