"""What both ways of guarding know of the server that they guard."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from admit.errors import ConfigError
from admit.integrations.gate import checked_verifier
from admit.integrations.mcp.caller import AdmitAccessToken
from admit.principal import Principal
from admit.verifier import AsyncVerifier, Verifier, policy

_RESOURCE: Final = re.compile(r"https?://[^\s/?#\"\\]+[^\s#\"\\]*", re.ASCII)


class _Server:
    """What both ways of guarding know of the server that they guard."""

    def __init__(self, verifier: Verifier | AsyncVerifier, resource: str, scopes: Sequence[str]) -> None:
        self.verifier = checked_verifier(verifier)
        self.resource = checked_resource(verifier, resource)
        self.wanted = policy.requirement(scopes)
        if "offline_access" in self.wanted.scopes:
            raise ConfigError("offline_access is what a client wishes, and no scope of a server")
        self.required_scopes = sorted(self.wanted.scopes)
        """What each request needs. FastMCP reads it, too."""
        self.authorization_servers = sorted(verifier.issuers)
        """The issuers, letter by letter as tokens name them."""

    def token(self, text: str, who: Principal) -> AdmitAccessToken:
        """The SDK's value of this principal's token."""
        made = AdmitAccessToken(
            token=text,
            client_id=who.client_id,
            scopes=sorted(who.scopes),
            expires_at=None if who.expires_at is None else int(who.expires_at),
            resource=self.resource,
            subject=who.subject,
            # The SDK ties what it keeps for a caller to client, issuer and subject.
            claims={**_plain(who.claims), "iss": who.issuer},
        )
        made._principal, made._wall = who, self.verifier.core.wall
        return made


def checked_resource(verifier: Verifier | AsyncVerifier, resource: str) -> str:
    """The server's URL, as clients and tokens have it.

    Raises:
        ConfigError: it is no URL of a server, or tokens for it would not be taken.
    """
    resource = str(resource)  # an `AnyHttpUrl`, perhaps, whose slash shows below
    if not _RESOURCE.fullmatch(resource):
        raise ConfigError("resource is the URL of the MCP endpoint, without a fragment")
    if resource not in verifier.audiences:
        other = resource.removesuffix("/") if resource.endswith("/") else resource + "/"
        hint = "; they differ by the slash at the end" if other in verifier.audiences else ""
        raise ConfigError(f"resource has to be an audience of the verifier, letter by letter{hint}")
    return resource


def _plain(value: Any) -> Any:
    """Read-only mappings and tuples as the dicts and lists that the SDK copies and dumps."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
