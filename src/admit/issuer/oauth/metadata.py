"""What the issuer says of itself: RFC 8414 §2, OpenID Connect Discovery §3, RFC 9207 §3."""

from typing import Any

from admit.issuer.accounts.rules import CLAIMS_OF_SCOPES
from admit.issuer.clients.authentication import SIGNING_ALGS as ASSERTION_ALGS
from admit.issuer.clients.records import ACRS
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import ISSUER_SCOPES, OIDC_SCOPES, SIGNING_ALGS
from admit.issuer.oauth.authorize.request import ResponseMode
from admit.issuer.oauth.client_auth import METHODS
from admit.issuer.oauth.token import GRANT_TYPES

CLAIMS = (
    "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash", "c_hash",
    *sorted(name for held in CLAIMS_OF_SCOPES.values() for name in held),
)  # fmt: skip


def document(registry: Registry) -> dict[str, Any]:
    """The one document that both well-known paths serve; every member is true of what is built."""
    issuer = registry.issuer
    scopes = {*OIDC_SCOPES, *ISSUER_SCOPES}
    scopes.update(scope for resource in registry.resources() for scope in resource.scopes)
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + "/authorize",
        "token_endpoint": issuer + "/token",
        "userinfo_endpoint": issuer + "/userinfo",
        "jwks_uri": issuer + "/jwks",
        "end_session_endpoint": issuer + "/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "revocation_endpoint": issuer + "/revoke",
        "introspection_endpoint": issuer + "/introspect",
        "scopes_supported": sorted(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": [mode.value for mode in ResponseMode],
        "grant_types_supported": sorted(GRANT_TYPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": sorted(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "revocation_endpoint_auth_methods_supported": sorted(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "introspection_endpoint_auth_methods_supported": sorted(METHODS.keys() - {"none"}),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "introspection_signing_alg_values_supported": list(SIGNING_ALGS),
        "userinfo_signing_alg_values_supported": list(SIGNING_ALGS),
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": list(ACRS),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": list(CLAIMS),
        "ui_locales_supported": ["en", "zh-Hans"],
        "claims_parameter_supported": True,
        "claim_types_supported": ["normal"],
        "display_values_supported": ["page"],
        "pushed_authorization_request_endpoint": issuer + "/par",
        "require_pushed_authorization_requests": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "status_list_aggregation_endpoint": issuer + "/status",
        "admit_status_head_endpoint": issuer + "/status/head",
        "admit_status_events_endpoint": issuer + "/status/events",
    }
