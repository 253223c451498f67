"""What a program is at an authorization server: its id there, and how it proves that."""

from dataclasses import dataclass

from admit.client.authentication import ClientAuthentication, ClientSecret, PrivateKeyJwt, PublicClient
from admit.client.server import AuthorizationServer
from admit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """One program at one authorization server.

    `authentication` is a `ClientSecret`, a `PrivateKeyJwt`, or a `PublicClient` for what keeps no secret.

    Raises:
        ConfigError: the parts do not fit together.
    """

    server: AuthorizationServer
    client_id: str
    authentication: ClientAuthentication

    def __post_init__(self) -> None:
        if not isinstance(self.server, AuthorizationServer):
            raise ConfigError("ClientRegistration(server=...) is an AuthorizationServer")
        if not isinstance(self.client_id, str) or not self.client_id:
            raise ConfigError("ClientRegistration(client_id=...) is a text that is not empty")
        if not isinstance(self.authentication, ClientSecret | PrivateKeyJwt | PublicClient):
            raise ConfigError("ClientRegistration(authentication=...) says how the client proves itself")
