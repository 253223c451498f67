"""Settings of clients."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError
from admit.issuer.clients import profiles
from admit.issuer.clients.records import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsConfig:
    """How strictly clients and resources are read.

    `dev`: take exact `http://localhost:PORT/…` redirect URIs of web clients and http resource ids on loopback, as
    `--dev` allows. Everywhere else they are a ConfigError.
    """

    dev: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationConfig:
    """Dynamic client registration, RFC 7591: applications make themselves known by a request to `/clients`.

    enabled: serve it. Who registers shows an initial access token: `admit client invite` makes one.
    open: take whoever comes without one, too. Such clients are not trusted: people are told so each time.
    scopes: what a client may have at most that registered itself (default openid, profile, email, address, phone,
        offline_access).
    grant_types: how it may ask for tokens at most (default authorization_code and refresh_token).
    resources: the APIs that it may ask tokens for (default none). Their scopes stand in `scopes` too.
    redirect_hosts: the hosts that its redirect URIs may have (default any); `*.example.com` stands for all below it.
    require_pkce: hold it to PKCE even where it has a secret (default true).
    profile: the set of rules that it is held to (default oauth21).
    localhost: take `http://localhost` redirect URIs of native clients, on any port, as agents of the Model Context
        Protocol have them (default false).
    per_network: registrations that are taken from one network within `window` (20 in an hour).
    window: see `per_network`.
    unused_for: who registered without an initial access token and was never granted anything is forgotten after this
        time (7 days).
    """

    enabled: bool = False
    open: bool = False
    scopes: frozenset[str] = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
    grant_types: frozenset[str] = frozenset({"authorization_code", "refresh_token"})
    resources: frozenset[str] = frozenset()
    redirect_hosts: frozenset[str] = frozenset()
    require_pkce: bool = True
    profile: Profile = Profile.OAUTH21
    localhost: bool = False
    per_network: int = 20
    window: timedelta = timedelta(hours=1)
    unused_for: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        if self.open and not self.enabled:
            raise ConfigError("registration.open: set registration.enabled as well")
        if self.per_network < 1 or self.window <= timedelta(0) or self.unused_for <= timedelta(0):
            raise ConfigError("registration: per_network, window and unused_for are more than nothing")
        if not self.grant_types:
            raise ConfigError("registration.grant_types: name some")
        profiles.check_held(self.profile, "registration")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataDocumentsConfig:
    """Client ID metadata documents: an application's `client_id` is the https URL of a document that describes it.

    enabled: take such ids, and fetch the documents through the egress guard. Such clients are not trusted: people are
        told so each time.
    scopes: what such a client may have at most (default openid, profile, email, offline_access).
    resources: the APIs that it may ask tokens for (default none). Their scopes stand in `scopes` too.
    localhost: take `http://localhost` redirect URIs, on any port, as agents of the Model Context Protocol have them
        (default true): only programs on the person's own machine listen there.
    shortest: a document is not fetched again sooner than this, whatever it says of caching (1 minute).
    longest: a document is fetched again after this time at the latest (24 h).
    kept: without a fetch that works a document is used for so long after it should have been fetched again (24 h).
    failed: what could not be fetched is not tried again sooner than this (10 s).
    per_network: documents that are fetched for what one network asks within a minute (20).
    at_once: fetches under way at the same time (10).
    """

    enabled: bool = False
    scopes: frozenset[str] = frozenset({"openid", "profile", "email", "offline_access"})
    resources: frozenset[str] = frozenset()
    localhost: bool = True
    shortest: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(hours=24)
    kept: timedelta = timedelta(hours=24)
    failed: timedelta = timedelta(seconds=10)
    per_network: int = 20
    at_once: int = 10

    def __post_init__(self) -> None:
        if not timedelta(0) < self.shortest <= self.longest or self.kept < timedelta(0):
            raise ConfigError(
                "metadata_documents: shortest is more than nothing, and not longer than longest"
            )
        if self.failed <= timedelta(0) or self.per_network < 1 or self.at_once < 1:
            raise ConfigError("metadata_documents: failed, per_network and at_once are more than nothing")
