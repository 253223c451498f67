"""All clients and resources of this issuer, checked once and read-only."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from admit.errors import ConfigError
from admit.issuer.clients import rules
from admit.issuer.clients.config import ClientsConfig
from admit.issuer.clients.errors import RuleError
from admit.issuer.clients.records import Client, Resource


class Registry:
    """Clients of the settings by id, resources by audience. `issuer` is the audience of tokens that name no resource.

    Who wants a client asks `Clients.find`, which knows those of the database too. The resources that the database keeps
    are few: all of them stand here, read again every few seconds (`keep`), so that `resource` answers at once.

    Raises: ConfigError at construction when a setting cannot work, two share an id, or one names what is not there.
    """

    __slots__ = ("_clients", "_kept", "_origins", "_own", "_resources", "dev", "generation", "issuer")

    def __init__(
        self,
        clients: Iterable[Client] = (),
        resources: Iterable[Resource] = (),
        *,
        issuer: str,
        config: ClientsConfig | None = None,
    ) -> None:
        self.issuer = issuer
        self.dev = (config or ClientsConfig()).dev
        self.generation = 0
        self._kept: Mapping[str, Resource] = MappingProxyType({})
        known_resources: dict[str, Resource] = {}
        for resource in resources:
            self.check_resource(resource)
            if resource.id in known_resources:
                raise ConfigError(f"resource {resource.id} stands twice")
            known_resources[resource.id] = resource
        # The issuer is an API too: its scopes are everybody's, to be used on what is one's own.
        self._own = Resource(
            id=issuer, name="Admit", scopes=dict.fromkeys(rules.ISSUER_SCOPES, ""),
            roles={rules.EVERYBODY: rules.ISSUER_SCOPES},
        )  # fmt: skip
        self._resources: Mapping[str, Resource] = MappingProxyType(known_resources)
        known_clients: dict[str, Client] = {}
        for client in clients:
            self.check(client)
            if client.id in known_clients:
                raise ConfigError(f"client {client.id} stands twice")
            known_clients[client.id] = client
        self._clients: Mapping[str, Client] = MappingProxyType(known_clients)
        uris = (uri for client in known_clients.values() for uri in client.redirect_uris)
        self._origins = frozenset(origin for uri in uris if (origin := rules.origin_of(uri)) is not None)

    def check(self, client: Client) -> None:
        """The rules for every client, wherever it comes from.

        Raises:
            ConfigError: one line that says which rule it breaks.
        """
        rules.check_client(client, dev=self.dev)
        known = {name: self.resource(name) for name in client.resources}
        if None in known.values() or self.issuer in known:
            raise RuleError(
                f"client {client.id} names a resource that is not configured",
                mend=": admit resource add, or [[resource]] in the settings",
            )
        of_resources = {scope for one in known.values() if one is not None for scope in one.scopes}
        if unknown := client.scopes - (rules.OIDC_SCOPES | rules.ISSUER_SCOPES | of_resources):
            raise RuleError(
                f"client {client.id} names a scope that none of its resources has",
                mend=f": {', '.join(sorted(unknown))}. Name the API that has it (--resource URL), which there is "
                "already: admit resource list",
            )

    def check_resource(self, resource: Resource) -> None:
        """The rules for every resource, wherever it comes from.

        Raises:
            ConfigError: one line that says which rule it breaks.
        """
        rules.check_resource(resource, dev=self.dev)
        if resource.id == self.issuer:
            raise ConfigError(f"resource {resource.id} is the issuer itself, which needs no entry")

    def keep(self, resources: Iterable[Resource]) -> None:
        """The resources that the database has now; one of the settings with the same id goes before."""
        kept = {one.id: one for one in resources if one.id not in self._resources and one.id != self.issuer}
        if kept != self._kept:
            self._kept = MappingProxyType(kept)
            self.generation += 1

    def client(self, client_id: str) -> Client | None:
        """A client of the settings. For all others, and so for every request: `Clients.find`."""
        return self._clients.get(client_id)

    def may_take_passwords(self, client: Client) -> bool:
        """Whether the settings themselves let this client sign people in by `POST /api/login`: no row of the database,
        registration or metadata document ever does.
        """
        found = self._clients.get(client.id)
        return found is not None and found.api_login

    def resource(self, audience: str) -> Resource | None:
        """The API with this id; the issuer itself under its own."""
        if audience == self.issuer:
            return self._own
        found = self._resources.get(audience)
        return found if found is not None else self._kept.get(audience)

    def is_of_settings(self, audience: str) -> bool:
        """Whether the settings have this resource: no command changes it."""
        return audience in self._resources

    def clients(self) -> Iterator[Client]:
        """Those of the settings."""
        return iter(self._clients.values())

    def resources(self) -> Iterator[Resource]:
        """Those of the settings and of the database."""
        return chain(self._resources.values(), self._kept.values())

    def origins(self) -> frozenset[str]:
        """Web origins of the redirect URIs of the settings: who may call the token endpoints from a browser. The
        database keeps those of all other clients: `Clients.has_origin`.
        """
        return self._origins
