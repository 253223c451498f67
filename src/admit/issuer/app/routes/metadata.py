"""The two metadata documents (RFC 8414, OpenID Connect Discovery) and `/jwks` (RFC 7517): bytes made beforehand."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec
from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.answers import Ready
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth import metadata

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


def routes(app: App, *, jwks_max_age: timedelta, more: Mapping[str, Any]) -> list[Route]:
    """Public, for everybody's scripts. Keys are published long enough before use for caches of `jwks_max_age`. `more`
    is of what is served only where the settings say so.
    """
    age = f"public, max-age={int(jwks_max_age.total_seconds())}"
    registry, keys = app.services.registry, app.services.keys

    @lru_cache(maxsize=1)
    def document(generation: int) -> Ready:
        return Ready.of(msgspec.json.encode({**metadata.document(registry), **more}), answers.JSON)

    @lru_cache(maxsize=1)
    def key_set(octets: bytes) -> Ready:
        return Ready.of(octets, "application/jwk-set+json", cache_control=age)

    # The resources that the database keeps may change, and the keys do.
    rows = [_row(path, lambda: document(registry.generation)) for path in PATHS]
    rows.append(_row("/jwks", lambda: key_set(keys.snapshot.jwks_bytes)))
    return rows


def _row(path: str, ready: Callable[[], Ready]) -> Route:
    async def answer(call: Call) -> Response:
        return ready().response()

    return Route(path=path, handlers={"GET": answer}, ready=ready, face=Face.JSON, cors=CorsPolicy.EVERYBODY)
