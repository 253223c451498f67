"""A guarded API behind a server as people start it, with its log of requests: `guarded_servers.py SERVER PORT ISSUER`.

SERVER is `uvicorn`, `uvicorn-h11`, `uvicorn-reload` (and the folder it watches), `gunicorn-sync` or `gunicorn-gthread`,
which are preloaded after the verifier was used. `/who` tells the caller and the process, `/files` takes a token in the
query, `/health` is for the one who waits.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from admit import TrustedIssuer, Verifier
from admit.integrations import asgi, wsgi
from admit.jose import Waive
from tests.fixtures.status_issuer import AUDIENCE

ISSUER = "GUARDED_ISSUER"


def told(who: Any) -> bytes:
    return json.dumps({"who": who and who.subject, "pid": os.getpid()}).encode()


def in_loops() -> Any:
    """For uvicorn, whose workers import it anew."""
    guard = asgi.Guard(Verifier(TrustedIssuer(os.environ[ISSUER], audience=AUDIENCE)))

    async def said(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = told(scope.get(asgi.PRINCIPAL))
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    guarded = guard(said)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (said if scope.get("path") == "/health" else guarded)(scope, receive, send)

    return asgi.QueryTokens(app, Waive.QUERY_TOKEN, paths=["/files"])


def in_threads(issuer: str) -> Any:
    """For gunicorn, used before its workers are forked off."""
    verifier = Verifier(TrustedIssuer(issuer, audience=AUDIENCE))
    guard = wsgi.Guard(verifier)

    def said(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = told(environ.get(wsgi.PRINCIPAL))
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    guarded = guard(said)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return (said if environ["PATH_INFO"] == "/health" else guarded)(environ, start)

    while not verifier.ready():
        pass
    return wsgi.QueryTokens(app, Waive.QUERY_TOKEN, paths=["/files"])


def run_gunicorn(port: str, issuer: str, **more: Any) -> None:
    from gunicorn.app.base import BaseApplication

    class Preloaded(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            given = {"bind": f"127.0.0.1:{port}", "preload_app": True, "accesslog": "-", "workers": 2, **more}
            for name, value in given.items():
                self.cfg.set(name, value)
            if "control_socket_disable" in self.cfg.settings:
                self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return in_threads(issuer)

    Preloaded().run()


def run_uvicorn(port: str, issuer: str, **more: Any) -> None:
    import uvicorn

    os.environ[ISSUER] = issuer
    uvicorn.run("tests.system.apps.guarded_servers:in_loops", factory=True, port=int(port), **more)


def main() -> None:
    server, port, issuer, *folder = sys.argv[1:]
    match server:
        case "uvicorn":
            run_uvicorn(port, issuer, workers=2)
        case "uvicorn-h11":
            run_uvicorn(port, issuer, http="h11")
        case "uvicorn-reload":
            run_uvicorn(port, issuer, reload=True, reload_dirs=folder)
        case "gunicorn-sync":
            run_gunicorn(port, issuer, worker_class="sync")
        case "gunicorn-gthread":
            run_gunicorn(port, issuer, worker_class="gthread", threads=4, keepalive=30)


if __name__ == "__main__":
    main()
