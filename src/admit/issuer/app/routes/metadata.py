"""The two metadata documents (RFC 8414, OpenID Connect Discovery) and `/jwks` (RFC 7517): bytes made beforehand."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth import metadata

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


def routes(app: App, *, jwks_max_age: timedelta, more: Mapping[str, Any]) -> list[Route]:
    """Public, for everybody's scripts. Keys are published long enough before use for caches of `jwks_max_age`. `more`
    is of what is served only where the settings say so.
    """
    jwks_caching = {"cache-control": f"public, max-age={int(jwks_max_age.total_seconds())}"}
    registry = app.services.registry
    documents: dict[int, bytes] = {}

    async def well_known(call: Call) -> Response:
        generation = registry.generation  # the resources that the database keeps may change
        if generation not in documents:
            documents.clear()
            documents[generation] = msgspec.json.encode({**metadata.document(registry), **more})
        return Response(documents[generation], media_type=answers.JSON)

    async def jwks(call: Call) -> Response:
        keys = app.services.keys.snapshot.jwks_bytes
        return Response(keys, media_type="application/jwk-set+json", headers=jwks_caching)

    rows = [
        Route(path=path, handlers={"GET": well_known}, face=Face.JSON, cors=CorsPolicy.EVERYBODY)
        for path in PATHS
    ]
    rows.append(Route(path="/jwks", handlers={"GET": jwks}, face=Face.JSON, cors=CorsPolicy.EVERYBODY))
    return rows
