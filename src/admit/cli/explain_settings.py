"""Which setting would let a refused request through: for each rule that a setting can change, by its name.

A rule that no setting changes is not here: a wrong secret stays wrong. A name is a path of `admit.toml`; `client.…` and
`resource.…` are members of the `[[client]]` or `[[resource]]` that was named, or of what the command line added.
"""

from collections.abc import Mapping
from typing import Final

Rule = tuple[str, str]
"""The class of the error, and the beginning of its detail: "" for any."""

SETTINGS: Final[Mapping[Rule, tuple[str, ...]]] = {
    # An authorization request.
    ("UntrustedTargetError", "client_id is unknown"): (
        "client.id",
        "registration.enabled",
        "metadata_documents.enabled",
    ),
    ("UntrustedTargetError", "redirect_uri is not registered"): (
        "client.redirect_uris",
        "client.localhost_redirects",
    ),
    ("InvalidRequestError", "not pushed"): ("client.require_pushed_authorization_requests", "client.profile"),
    ("InvalidRequestError", "no code_challenge"): ("client.require_pkce", "client.profile"),
    ("InvalidScopeError", "scope outside the client's list"): (
        "client.scopes",
        "registration.scopes",
        "metadata_documents.scopes",
    ),
    ("InvalidScopeError", "no scope"): ("client.profile",),
    ("InvalidScopeError", "wider than what the resource gives the client in its own name"): (
        "resource.clients",
        "client.scopes",
    ),
    ("InvalidTargetError", "resource is not this client's"): (
        "client.resources",
        "registration.resources",
        "metadata_documents.resources",
    ),
    ("InvalidTargetError", "no resource is named, and the client has no default_resource"): (
        "client.default_resource",
    ),
    ("ApiLoginNotAllowedError", ""): ("client.api_login",),
    ("RedirectToWebError", "an authenticator app has to be added first"): (
        "accounts.second_factor",
        "client.acr",
    ),
    ("InvalidSessionError", "unknown, expired or spent"): ("grants.sign_in_lifetime",),
    ("UnauthorizedClientError", ""): ("client.grant_types", "registration.grant_types"),
    ("UnmetAuthenticationRequirementsError", ""): ("client.acr", "accounts.second_factor"),
    ("LoginRequiredError", ""): ("client.default_max_age", "sessions.idle", "sessions.absolute"),
    ("ConsentRequiredError", ""): ("client.first_party",),
    ("SpentReferenceError", ""): ("grants.pushed_lifetime",),
    ("ExpiredInteractionError", "no such authorization request of this browser"): (
        "grants.interaction_lifetime",
    ),
    ("ReusedChallengeError", ""): ("grants.refuse_reused_challenges",),
    ("ReusedNonceError", ""): ("grants.refuse_reused_challenges",),
    # A client that proves itself, and its grants.
    ("InvalidClientError", "unknown client, or one that authenticates otherwise"): (
        "client.token_endpoint_auth_method",
        "client.public",
    ),
    ("InvalidClientError", "wrong secret"): ("client.secret_hashes",),
    ("InvalidClientError", "unknown resource or wrong secret"): ("resource.secret_hash",),
    ("InvalidClientError", "client_assertion: exp lies too far ahead"): ("oauth.assertion_ttl",),
    ("InvalidClientError", "client_assertion: aud is not the issuer"): ("client.token_endpoint_audience",),
    ("InvalidClientError", "client_assertion: the client's keys cannot be had"): (
        "client.jwks_uri",
        "egress.allow",
        "egress.allow_strangers",
        "egress.ca_file",
    ),
    ("InvalidGrantError", "expired"): ("grants.code_lifetime", "grants.refresh_absolute"),
    ("InvalidGrantError", "idle"): ("grants.refresh_idle", "grants.online_idle"),
    ("InvalidGrantError", "reused"): ("grants.refresh_grace",),
    ("InvalidGrantError", "ended"): ("grants.live_grants",),
    ("InvalidGrantError", "the grant's sign-in is not enough by the settings of now"): (
        "accounts.second_factor",
        "client.acr",
    ),
    # A token for an API alone, shown to the issuer.
    ("AudienceError", ""): ("client.userinfo_audience", "client.default_resource"),
    ("RevokedError", "its sign-in is not enough by the settings of now"): ("accounts.second_factor",),
    # Signing out.
    ("UntrustedLogoutError", "post_logout_redirect_uri is not registered"): (
        "client.post_logout_redirect_uris",
    ),
    ("UntrustedLogoutError", "no such client to go back to"): ("client.id",),
    # Clients that describe themselves.
    ("RegistrationTokenError", "no initial access token"): ("registration.open",),
    ("InvalidRedirectUriError", "host"): ("registration.redirect_hosts",),
    ("InvalidRedirectUriError", "not registrable"): (
        "registration.localhost",
        "metadata_documents.localhost",
    ),
    ("InvalidClientMetadataError", "grant_types"): ("registration.grant_types",),
    ("InvalidClientMetadataError", "scope"): ("registration.scopes",),
    ("MetadataDocumentError", "could not be fetched"): (
        "egress.allow_strangers",
        "egress.ca_file",
        "metadata_documents.kept",
    ),
    # How much and how often.
    ("ThrottledError", "wrong secrets"): ("oauth.wrong_codes_per_minute",),
    ("ThrottledError", "wrong codes"): ("oauth.wrong_codes_per_minute",),
    ("ThrottledError", "requests of one network"): ("grants.waiting_per_network", "proxy.trusted"),
    ("ThrottledError", "pushed requests of one network"): ("grants.pushed_per_network", "proxy.trusted"),
    ("ThrottledError", "sign-ins of one network"): ("grants.waiting_per_network", "proxy.trusted"),
    ("ThrottledError", "second factors"): ("factors.tries_per_account", "factors.tries_window"),
    ("ThrottledError", "sign-ups of one network"): (
        "accounts.signups_per_network",
        "accounts.signups_window",
        "proxy.trusted",
    ),
    ("ThrottledError", "mailed links"): ("accounts.resets_per_network", "accounts.tries_window"),
    ("ThrottledError", "names of sessions"): ("sessions.names_per_hour",),
    ("ThrottledError", "registrations"): ("registration.per_network", "registration.window", "proxy.trusted"),
    ("ThrottledError", "updates of clients"): ("registration.per_network", "registration.window"),
    ("ThrottledError", "metadata documents"): ("metadata_documents.per_network", "proxy.trusted"),
    ("ThrottledError", "too many metadata documents at once"): ("metadata_documents.at_once",),
    ("SpentError", "password-account-day"): ("accounts.tries_per_day",),
    ("SpentError", "password-device-day"): ("accounts.tries_per_day",),
    ("SpentError", "password-account"): ("accounts.tries_per_account", "accounts.tries_window"),
    ("SpentError", "password-device"): ("accounts.tries_per_account", "accounts.tries_window"),
    ("SpentError", "password-network"): ("accounts.tries_per_network", "proxy.trusted"),
    ("SpentError", "password-prefix"): ("accounts.tries_per_prefix", "proxy.trusted"),
    ("TooBusyError", ""): ("accounts.hash_threads", "accounts.hash_queue", "accounts.hash_patience"),
    ("TooManyStreamsError", ""): ("revocation.most_streams", "revocation.most_streams_each"),
    # People and their sessions.
    ("SessionError", "the address is not proven"): ("accounts.require_verified_email",),
    ("ReauthenticationError", ""): ("sessions.fresh_for",),
    ("NotFoundError", "no mail is sent here"): ("mail.url",),
    # Where and how it was asked.
    ("MisdirectedError", "Host is not the issuer's"): ("issuer",),
}


def settings_of(kind: str, detail: str) -> tuple[str, ...]:
    """The settings that would have allowed it, the nearest first; none where no setting would."""
    fits = [rule for rule in SETTINGS if rule[0] == kind and detail.startswith(rule[1])]
    return SETTINGS[max(fits, key=lambda rule: len(rule[1]))] if fits else ()
