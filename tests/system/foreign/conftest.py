"""One issuer process for all clients of a worker, on SQLite and in the soak on PostgreSQL, and a person to sign in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fixtures.certificates import Certificate, certificate
from tests.fixtures.processes import ROOMY, Child, Deployment, furnished_postgresql_url, furnished_sqlite_url
from tests.system.foreign.person import Person
from tests.system.foreign.relying_parties import TOOLS, Parties

HINT = "install the group interop: uv pip install --python .venv/bin/python -r requirements/interop.txt"


@dataclass(frozen=True, slots=True)
class World:
    """The issuer, who its clients are, and the certificate of the host where some describe themselves."""

    deployed: Deployment
    parties: Parties
    tls: Certificate

    @property
    def issuer(self) -> str:
        return self.deployed.issuer

    @property
    def folder(self) -> Path:
        return self.deployed.folder

    def metadata(self) -> dict[str, Any]:
        """What the issuer says of itself."""
        found: dict[str, Any] = httpx2.get(f"{self.issuer}/.well-known/openid-configuration").json()
        return found

    def start(self, name: str, command: list[str], port: int, *, ready: str = "/health") -> Child:
        """A client's own program, up when `ready` answers with JSON. The caller stops it."""
        child = Child(command, self.folder, name, port=port, ready=ready, host=f"127.0.0.1:{port}")
        child.start()
        return child


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The issuer, running."""
    folder, parties = tmp_path_factory.mktemp("foreign"), Parties()
    if request.param == "sqlite":
        url = furnished_sqlite_url(folder)
    else:
        url = furnished_postgresql_url(request.getfixturevalue("postgres_server"))
    tls = certificate(folder / "tls", "localhost")
    strangers = {"enabled": True, "scopes": sorted(TOOLS), "resources": [parties.mcp_resource]}
    tables = {
        **ROOMY,
        "registration": {**strangers, "open": True},
        "metadata_documents": strangers,
        "egress": {"allow_strangers": [parties.document_host], "ca_file": str(tls.authority)},
    }
    made = Deployment(
        folder,
        url,
        tables,
        clients=parties.clients(),
        resources=parties.resources(),
    )
    made.front.start()
    yield World(made, parties, tls)
    made.close()


@pytest.fixture
def person(world: World) -> Iterator[Person]:
    """Ada, who is not signed in yet."""
    with Person(world.issuer) as one:
        yield one
