"""An API behind several worker processes: `verifying.py SERVER PORT ISSUER`, where SERVER is gunicorn or uvicorn.

`/health` is for the one who waits; `/who` answers 200 or the refusal's status and code, and which process said so.
With `gunicorn-used` the verifier was used, so has threads, before workers are forked off.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from admit.errors import AdmitError
from admit.verifier import AsyncVerifier, Revocation, TrustedIssuer, Verifier
from tests.fixtures.status_issuer import AUDIENCE

REVOCATION = Revocation(max_staleness=timedelta(seconds=90), poll=timedelta(seconds=30))
"""Whatever is known sooner came by the stream."""


def told(status: int, **more: Any) -> bytes:
    return json.dumps({"status": status, "pid": os.getpid(), **more}).encode()


def wsgi(verifier: Verifier) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "application/json"), ("Connection", "close")])
        if environ["PATH_INFO"] == "/health":
            return [told(200)]
        try:
            verifier.verify(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
        except AdmitError as error:
            return [told(error.status, code=error.code)]
        stream = verifier.health().issuers[0].stream
        return [told(200, stream=stream)]

    return app


class Asgi:
    """The same for event loops."""

    def __init__(self, verifier: AsyncVerifier) -> None:
        self.verifier = verifier

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/health":
            body = told(200)
        else:
            bearer = dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer ")
            try:
                await self.verifier.verify(bearer)
                body = told(200, stream=self.verifier.health().issuers[0].stream)
            except AdmitError as error:
                body = told(error.status, code=error.code)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})


def asgi() -> Asgi:
    """For the workers of uvicorn, which import it anew."""
    return Asgi(AsyncVerifier(trust(os.environ["VERIFYING_ISSUER"])))


def trust(issuer: str) -> TrustedIssuer:
    return TrustedIssuer(issuer, audience=AUDIENCE, revocation=REVOCATION)


def run_gunicorn(port: str, issuer: str, *, used: bool) -> None:
    from gunicorn.app.base import BaseApplication

    class Preloaded(BaseApplication):
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{port}")
            self.cfg.set("workers", 2)
            self.cfg.set("preload_app", True)
            self.cfg.set(
                "control_socket_disable", True
            ) if "control_socket_disable" in self.cfg.settings else None

        def load(self) -> Any:
            verifier = Verifier(trust(issuer))
            while used and not verifier.ready():
                pass
            return wsgi(verifier)

    Preloaded().run()


def main() -> None:
    server, port, issuer = sys.argv[1:]
    if server == "uvicorn":
        import uvicorn

        os.environ["VERIFYING_ISSUER"] = issuer
        uvicorn.run(
            "tests.system.apps.verifying:asgi", factory=True, port=int(port), workers=2, log_level="error"
        )
    else:
        run_gunicorn(port, issuer, used=server == "gunicorn-used")


if __name__ == "__main__":
    main()
