"""`/metrics`, `/health/live`, `/health/ready` on a listener of their own: for whoever operates this process.

No cookie, no token, nothing that changes anything. It answers whatever Host is asked for: probes call by address.
"""

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from admit.issuer.app import answers
from admit.issuer.app.gauges import IssuerGauges
from admit.issuer.app.routes.health import RETRY_AFTER

if TYPE_CHECKING:
    from admit.issuer.app.issuer import Issuer

log = logging.getLogger("admit.issuer")


def application(issuer: "Issuer") -> ASGIApp:
    """The ASGI application of that listener. Without `admit[metrics]`, `/metrics` says what is missing."""
    gauges = IssuerGauges(issuer)
    exposition = _exposition(issuer, gauges)
    if exposition is None:
        log.warning("there are no metrics: pip install 'admit[metrics]'")

    async def numbers(scope: Scope) -> Response:
        if exposition is None:
            return answers.plain_error(503, "no_metrics", "Install admit[metrics].")
        await gauges.refresh(monotonic())
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        text, media_type = exposition(accept.decode("latin-1"))
        return Response(text, headers={"content-type": media_type})

    async def live(scope: Scope) -> Response:
        return answers.json({"status": "live"})

    async def ready(scope: Scope) -> Response:
        why = await issuer.readiness.why_not()
        headers = {"retry-after": RETRY_AFTER} if why is not None else None
        return answers.json(
            {"status": why or "ready"}, status=503 if why is not None else 200, headers=headers
        )

    paths: dict[str, Callable[[Scope], Awaitable[Response]]] = {
        "/metrics": numbers,
        "/health/live": live,
        "/health/ready": ready,
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = paths.get(scope["path"])
        if answer is None:
            response = answers.plain_error(404, "not_found", "There is nothing here.")
        elif scope["method"] not in ("GET", "HEAD"):
            response = answers.plain_error(405, "method_not_allowed", "This method is not allowed here.")
        else:
            response = await answer(scope)
        response.headers["cache-control"] = "no-store"
        response.headers["x-content-type-options"] = "nosniff"
        await response(scope, receive, send)

    return app


def _exposition(issuer: "Issuer", gauges: IssuerGauges) -> Callable[[str], tuple[bytes, str]] | None:
    """What makes the text for a scraper; None where the library for it is not there."""
    try:
        from admit.issuer.app import metrics
        from admit.verifier.metrics import VerifierCollector
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("admit"):
            raise
        return None
    registry = metrics.registry_of(issuer.counts, gauges, VerifierCollector(issuer.verifier))
    return lambda accept: metrics.exposition(registry, accept)
