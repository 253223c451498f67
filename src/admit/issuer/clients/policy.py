"""What a client that describes itself may have at most. Pure.

It says which scopes, grant types and redirect URIs it would like; how much of that it gets is settled here, by settings
and by the initial access token that it came with. Trust, first-party standing, roles: nothing of the kind can be asked.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from admit.issuer.clients.config import MetadataDocumentsConfig, RegistrationConfig
from admit.issuer.clients.kept import KeptError
from admit.issuer.clients.records import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`scopes`, `grant_types` and `resources` at most. `redirect_hosts`: those that redirect URIs may have; empty for
    any. `require_pkce`: also of confidential clients. `profile`: the rules that it is held to. `localhost`: redirect
    URIs of native clients may have that name. `trusted`: somebody who runs this issuer let the client in.
    """

    scopes: frozenset[str]
    grant_types: frozenset[str]
    resources: frozenset[str] = frozenset()
    redirect_hosts: frozenset[str] = frozenset()
    require_pkce: bool = True
    profile: Profile = Profile.OAUTH21
    localhost: bool = False
    trusted: bool = False

    @classmethod
    def of_registration(cls, config: RegistrationConfig, *, trusted: bool) -> "Policy":
        """What the settings say of clients that register themselves."""
        return cls(
            scopes=config.scopes, grant_types=config.grant_types, resources=config.resources,
            redirect_hosts=config.redirect_hosts, require_pkce=config.require_pkce, localhost=config.localhost,
            trusted=trusted, profile=config.profile,
        )  # fmt: skip

    @classmethod
    def of_documents(cls, config: MetadataDocumentsConfig) -> "Policy":
        """What the settings say of clients with a metadata document."""
        grant_types = frozenset({"authorization_code", "refresh_token"})
        return cls(
            scopes=config.scopes,
            grant_types=grant_types,
            resources=config.resources,
            localhost=config.localhost,
        )

    def write(self) -> str:
        """The policy as an initial access token keeps it."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @classmethod
    def read(cls, text: str) -> "Policy":
        """A kept policy.

        Raises:
            KeptError: not what this version writes.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise KeptError("a policy of another version") from error


def allowed_scopes(policy: Policy, asked: Collection[str] | None) -> frozenset[str]:
    """The scopes that a client gets of those it asks for; all that the policy has where it asks for none by name."""
    return policy.scopes if asked is None else policy.scopes & frozenset(asked)


def redirect_host_allowed(policy: Policy, uri: str) -> bool:
    """Whether the policy has the redirect URI's host. What has no host (a private-use scheme) is of no other host."""
    if not policy.redirect_hosts:
        return True
    host = urlsplit(uri).hostname
    if host is None:
        return False
    return any(
        host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:]))
        for allowed in policy.redirect_hosts
    )
