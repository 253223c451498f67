"""A page with a backend of its own: people sign in with Admit, the backend keeps the tokens, the page has a cookie.

    .venv/bin/uvicorn --app-dir examples/bff app:app --port 8413          beside `make demo`
    open http://localhost:8413

It needs its issuer's address, a client id and a secret; `pip install 'admit[starlette]' uvicorn`. On several machines
it keeps sessions in the Redis that `BFF_REDIS` names: `pip install 'admit[redis]'`.
"""

import json
import os
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from admit import AdmitError
from admit.client import AuthorizationServer, ClientRegistration, ClientSecret
from admit.integrations.bff.starlette import routes, signed_in
from admit.relying_party import Api, Bff, Provider, RedisSessionStore, SqliteSessionStore

HERE = Path(__file__).resolve().parent
SETTINGS = Path(os.environ.get("BFF_SETTINGS", ".demo/web.json"))
try:
    GIVEN = json.loads(SETTINGS.read_text("utf-8"))
except FileNotFoundError:
    sys.exit(f"{SETTINGS} is not there: is `make demo` running? BFF_SETTINGS may name another file")

admit = ClientRegistration(
    AuthorizationServer(GIVEN["issuer"]), GIVEN["client_id"], ClientSecret(GIVEN["client_secret"])
)
redis = os.environ.get("BFF_REDIS")
bff = Bff(
    GIVEN["home"],
    providers=[Provider("id", admit, scopes=("openid", "profile", "email", "orders:own"))],
    apis=[Api("orders", f"{GIVEN['api']}/api/orders", audience=GIVEN["api"])],
    store=RedisSessionStore(redis) if redis else SqliteSessionStore(SETTINGS.with_name("bff-sessions.db")),
)


async def greeting(request: Request) -> Response:
    """A route of the application's own: it asks the same session."""
    who = await signed_in(bff, request)
    return JSONResponse({"hello": None if who is None else who.claims.get("name", who.subject)})


async def changed(request: Request) -> Response:
    """One that changes something, so it holds that a page of ours asked for it."""
    try:
        bff.check_csrf(request.method, request.scope["headers"])
    except AdmitError as error:
        return JSONResponse({"error": error.code}, error.status)
    return JSONResponse({"changed": await signed_in(bff, request) is not None})


app = Starlette(
    routes=[
        *routes(bff),
        Route("/greeting", greeting),
        Route("/change", changed, methods=["POST"]),
        Mount("/", StaticFiles(directory=HERE / "page", html=True)),
    ]
)
