"""What each profile settles, as one table. A client's `profile` picks the row; its own settings may only be stricter.

`oauth21`: draft-ietf-oauth-v2-1 · `oidc`: OpenID Connect Core · `fapi2`: FAPI 2.0 Security Profile §5.3.2, §5.4.1
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from admit.errors import ConfigError
from admit.issuer.clients.records import AuthMethod, Client, Profile
from admit.jose import JWS_ALGS

ASYMMETRIC: Final = tuple(row.name for row in JWS_ALGS.values() if row.kty != "oct")
"""All asymmetric algorithms. Who could check a shared secret could sign too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One profile.

    `pkce_exempt`: `require_pkce = false` is taken (of a confidential client with https redirect URIs). `pushed`: no
    authorization request that was not pushed is taken. `scope_needed`: `scope` may not be left out.
    `auth_methods`: how a client may prove itself. `either_secret_method`: a secret may come by Basic or in the body,
    whichever of the two is registered. `assertion_algs`: what a client's assertions may be signed with, the RSA one
    that is assumed of a key that names none being `assumed_rsa_alg`. `token_endpoint_audience`: a client may be let
    send assertions for the token endpoint's URL; without that, for the issuer alone. `token_algs`: what ID tokens and
    answers of `/userinfo` may be signed with. `rotates`: refresh tokens of public clients are replaced at each use.
    `code_lifetime`: how long a code lives at most, whatever `grants.code_lifetime` says. `iss`: every authorization
    response names its issuer (RFC 9207). `scope_claims_in_id_token`: what scopes open about the person stands in the
    ID token as well as at `/userinfo`. `missing`: what the profile wants and this issuer does not have, so that it is
    refused at the start; None where there is nothing of the kind.
    """

    pkce_exempt: bool
    pushed: bool
    scope_needed: bool
    auth_methods: frozenset[AuthMethod]
    either_secret_method: bool
    assertion_algs: frozenset[str]
    assumed_rsa_alg: str
    token_endpoint_audience: bool
    token_algs: tuple[str, ...]
    rotates: bool
    code_lifetime: timedelta
    scope_claims_in_id_token: bool
    iss: bool = True
    missing: str | None = None


PROFILES: Final[Mapping[Profile, Settled]] = MappingProxyType(
    {
        Profile.OAUTH21: Settled(
            pkce_exempt=True,
            pushed=False,
            scope_needed=False,
            auth_methods=frozenset(AuthMethod),
            either_secret_method=True,
            assertion_algs=frozenset(ASYMMETRIC),
            assumed_rsa_alg="RS256",
            token_endpoint_audience=True,
            token_algs=("ES256", "RS256"),
            rotates=True,
            code_lifetime=timedelta(minutes=10),  # RFC 6749 §4.1.2
            scope_claims_in_id_token=True,
        ),
        Profile.OIDC: Settled(
            pkce_exempt=True,
            pushed=False,
            scope_needed=True,  # OpenID Connect Core §3.1.2.1
            auth_methods=frozenset(AuthMethod),
            either_secret_method=True,
            assertion_algs=frozenset(ASYMMETRIC),
            assumed_rsa_alg="RS256",
            token_endpoint_audience=True,
            token_algs=("ES256", "RS256"),
            rotates=True,
            code_lifetime=timedelta(minutes=10),
            scope_claims_in_id_token=False,  # OpenID Connect Core §5.4
        ),
        Profile.FAPI2: Settled(
            pkce_exempt=False,
            pushed=True,
            scope_needed=True,
            auth_methods=frozenset({AuthMethod.PRIVATE_KEY_JWT}),
            either_secret_method=False,
            assertion_algs=frozenset({"PS256", "ES256", "EdDSA", "Ed25519"}),  # §5.4.1
            assumed_rsa_alg="PS256",
            token_endpoint_audience=False,
            token_algs=("ES256",),
            rotates=False,
            code_lifetime=timedelta(seconds=60),
            scope_claims_in_id_token=False,
            missing="access tokens bound to a key by DPoP or mTLS",  # §5.3.2.1
        ),
    }
)


def settled(client: Client) -> Settled:
    """The row of the client's profile."""
    return PROFILES[client.profile]


def needs_pkce(client: Client) -> bool:
    """All clients but those that settings exempt by name, RFC 9700 §2.1.1."""
    return client.require_pkce or not settled(client).pkce_exempt


def needs_push(client: Client) -> bool:
    """Whether only pushed requests are taken, by the client's own word or its profile's (RFC 9126 §6)."""
    return client.require_pushed_authorization_requests or settled(client).pushed


def rotates(client: Client) -> bool:
    """Whether each use of a refresh token replaces it, RFC 9700 §2.2.2: where nothing else binds it to the client."""
    return client.public and settled(client).rotates


def check(client: Client, where: str) -> None:
    """Hold a client to its profile.

    Raises:
        ConfigError: one line that says which rule is broken.
    """
    row, name = settled(client), client.profile.value
    if client.auth_method not in row.auth_methods:
        wanted = ", ".join(sorted(method.value for method in row.auth_methods))
        raise ConfigError(f"{where}: profile {name} wants token_endpoint_auth_method {wanted}")
    if not client.require_pkce and not row.pkce_exempt:
        raise ConfigError(f"{where}: profile {name} wants PKCE; remove require_pkce = false")
    if client.token_endpoint_audience and not row.token_endpoint_audience:
        raise ConfigError(f"{where}: profile {name} takes assertions for the issuer only")
    if client.id_token_signed_response_alg not in row.token_algs:
        raise ConfigError(
            f"{where}: id_token_signed_response_alg wants one of {', '.join(row.token_algs)} for profile {name}"
        )
    if client.userinfo_signed_response_alg not in (None, *row.token_algs):
        raise ConfigError(
            f"{where}: userinfo_signed_response_alg wants one of {', '.join(row.token_algs)} for profile {name}"
        )
    check_held(client.profile, where)


def check_held(profile: Profile, where: str) -> None:
    """Refuse a profile that this issuer cannot hold: taking the name without what it promises would be worse.

    Raises:
        ConfigError: something is missing; the sentence begins with `where`.
    """
    missing = PROFILES[profile].missing
    if missing is not None:
        raise ConfigError(
            f"{where}: profile {profile.value} is not there yet: it wants {missing}; use oauth21 or oidc"
        )
