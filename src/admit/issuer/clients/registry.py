"""All clients and resources of this issuer, checked once and read-only."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from admit.errors import ConfigError
from admit.issuer.clients import rules
from admit.issuer.clients.config import ClientsConfig
from admit.issuer.clients.records import Client, Resource


class Registry:
    """Clients by id and resources by audience. `issuer` is the audience of tokens that name no resource.

    Raises: ConfigError at construction when a setting cannot work, two share an id, or one names what is not there.
    """

    __slots__ = ("_clients", "_origins", "_own", "_resources", "issuer")

    def __init__(
        self,
        clients: Iterable[Client] = (),
        resources: Iterable[Resource] = (),
        *,
        issuer: str,
        config: ClientsConfig | None = None,
    ) -> None:
        self.issuer = issuer
        dev = (config or ClientsConfig()).dev
        known_resources: dict[str, Resource] = {}
        for resource in resources:
            rules.check_resource(resource, dev=dev)
            if resource.id == issuer:
                raise ConfigError(f"resource {resource.id} is the issuer itself, which needs no entry")
            if resource.id in known_resources:
                raise ConfigError(f"resource {resource.id} stands twice")
            known_resources[resource.id] = resource
        known_clients: dict[str, Client] = {}
        for client in clients:
            rules.check_client(client, dev=dev)
            if client.id in known_clients:
                raise ConfigError(f"client {client.id} stands twice")
            if not client.resources <= known_resources.keys():
                raise ConfigError(f"client {client.id} names a resource that is not configured")
            of_resources = {scope for name in client.resources for scope in known_resources[name].scopes}
            if not client.scopes <= rules.OIDC_SCOPES | rules.ISSUER_SCOPES | of_resources:
                raise ConfigError(f"client {client.id} names a scope that none of its resources has")
            known_clients[client.id] = client
        self._clients: Mapping[str, Client] = MappingProxyType(known_clients)
        # The issuer is an API too: its scopes are everybody's, to be used on what is one's own.
        self._own = Resource(
            id=issuer, name="Admit", scopes=dict.fromkeys(rules.ISSUER_SCOPES, ""),
            roles={rules.EVERYBODY: rules.ISSUER_SCOPES},
        )  # fmt: skip
        self._resources: Mapping[str, Resource] = MappingProxyType(known_resources)
        uris = (uri for client in known_clients.values() for uri in client.redirect_uris)
        self._origins = frozenset(origin for uri in uris if (origin := rules.origin_of(uri)) is not None)

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def resource(self, audience: str) -> Resource | None:
        return self._own if audience == self.issuer else self._resources.get(audience)

    def clients(self) -> Iterator[Client]:
        return iter(self._clients.values())

    def resources(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def origins(self) -> frozenset[str]:
        """Web origins of all redirect URIs: who may call the token endpoints from a browser."""
        return self._origins
