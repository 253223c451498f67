"""The issuer's clients of these tests: one a foreign library or application, each at an address of its own.

Issuer on `localhost`, clients on `127.0.0.1`: two sites to a browser, and two cookie jars.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields

from admit.issuer import Client, Resource
from admit.issuer.clients.records import DEFAULT_GRANT_TYPES, ApplicationType, AuthMethod, Jwks
from admit.jose import JWK
from tests.fixtures.issuer import RESOURCE
from tests.fixtures.processes import free_port

SECRET = "this-client-and-nobody-else-knows-this"
SCOPE = "openid profile email offline_access"
SCOPES = frozenset(SCOPE.split())
TOOLS = frozenset({"offline_access", "tools:use", "tools:drop"})


@dataclass(frozen=True, slots=True)
class Party:
    """One client: its id, where it is, and what it asks with.

    `key`: what it proves itself with instead of a secret. `told`: the path where it is told of logouts. `machine`: it
    also asks for tokens in its own name.
    """

    id: str
    port: int = field(default_factory=free_port)
    callback: str = "/callback"
    public: bool = False
    host: str = "127.0.0.1"
    first_party: bool = False
    scopes: frozenset[str] = SCOPES
    key: JWK | None = None
    told: str | None = None
    machine: bool = False

    @property
    def home(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def redirect_uri(self) -> str:
        return self.home + self.callback

    @property
    def bye(self) -> str:
        """Where people are sent when they have logged out."""
        return f"{self.home}/bye"

    def client(self, parties: "Parties") -> Client:
        """As the issuer knows it. Web clients want https; on loopback, RFC 8252's native ones may do without."""
        tools = bool(self.scopes & TOOLS - {"offline_access"})
        secret = () if self.public or self.key is not None else (hashlib.sha256(SECRET.encode()).digest(),)
        grants = DEFAULT_GRANT_TYPES | ({"client_credentials"} if self.machine else frozenset())
        return Client(
            id=self.id,
            name=f"{self.id}, which somebody else wrote",
            application_type=ApplicationType.NATIVE,
            public=self.public,
            secret_hashes=secret,
            token_endpoint_auth_method=None if self.key is None else AuthMethod.PRIVATE_KEY_JWT,
            jwks=None if self.key is None else Jwks(json.dumps({"keys": [self.key.public().to_dict()]})),
            backchannel_logout_uri=None if self.told is None else self.home + self.told,
            grant_types=grants,
            redirect_uris=(self.redirect_uri,),
            post_logout_redirect_uris=(self.bye,),
            first_party=self.first_party,
            scopes=self.scopes,
            resources=frozenset({parties.mcp_resource} if tools else ()),
            default_resource=parties.mcp_resource if self.scopes == TOOLS else None,
        )


@dataclass(frozen=True, slots=True)
class Parties:
    """All of them, and the API that one of them wants."""

    authlib: Party = field(default_factory=lambda: Party("authlib"))
    requests: Party = field(default_factory=lambda: Party("requests-oauthlib"))
    django: Party = field(default_factory=lambda: Party("mozilla-django-oidc", callback="/oidc/callback/"))
    django_renewing: Party = field(
        default_factory=lambda: Party(
            "mozilla-django-oidc-renewing", callback="/oidc/callback/", first_party=True
        )
    )
    openid_client: Party = field(default_factory=lambda: Party("openid-client", first_party=True))
    openid_client_key: Party = field(
        default_factory=lambda: Party(
            "openid-client-key",
            key=JWK.generate("ES256", kid="own"),
            machine=True,
            scopes=SCOPES | {"tools:use"},
        )
    )
    oauth4webapi: Party = field(default_factory=lambda: Party("oauth4webapi", public=True))
    browser: Party = field(default_factory=lambda: Party("oidc-client-ts", callback="/", public=True))
    browser_near: Party = field(
        default_factory=lambda: Party(
            "oidc-client-ts-near", callback="/", public=True, host="localhost", first_party=True
        )
    )
    apache: Party = field(
        default_factory=lambda: Party(
            "mod_auth_openidc", callback="/private/callback", told="/private/callback?logout=backchannel"
        )
    )
    mcp: Party = field(default_factory=lambda: Party("mcp-client", public=True, scopes=TOOLS))
    mcp_server: int = field(default_factory=free_port)
    documents: int = field(default_factory=free_port)

    @property
    def mcp_resource(self) -> str:
        """The MCP server's address, which is its name as a resource too, RFC 8707."""
        return f"http://127.0.0.1:{self.mcp_server}/mcp"

    @property
    def document_host(self) -> str:
        """Where clients lie that are named by the address of what describes them."""
        return f"https://localhost:{self.documents}"

    def clients(self) -> tuple[Client, ...]:
        """For the issuer's settings."""
        found = [getattr(self, one.name) for one in fields(self)]
        return tuple(one.client(self) for one in found if isinstance(one, Party))

    def resources(self) -> tuple[Resource, ...]:
        """For the issuer's settings."""
        tools = Resource(
            id=self.mcp_resource,
            name="Tools",
            scopes={"tools:use": "Use the tools", "tools:drop": "Delete things by them"},
            roles={"*": frozenset({"tools:use", "tools:drop"})},
            clients={self.openid_client_key.id: frozenset({"tools:use"})},
            secret_hash=hashlib.sha256(SECRET.encode()).digest(),
        )
        return (RESOURCE, tools)
