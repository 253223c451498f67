"""A web application whose server signs people in: Authlib speaks to the issuer, and no token reaches the browser.

    .venv/bin/uvicorn --app-dir examples/web_app app:app --port 8413          beside `make demo`
    open http://localhost:8413

What it needs of Admit is its metadata address, a client id and a secret; `pip install authlib httpx2 starlette`.
"""

import html
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

SETTINGS = Path(os.environ.get("WEB_APP_SETTINGS", ".demo/web.json"))
try:
    GIVEN = json.loads(SETTINGS.read_text("utf-8"))
except FileNotFoundError:
    sys.exit(f"{SETTINGS} is not there: is `make demo` running? WEB_APP_SETTINGS may name another file")
SIGNED_IN: dict[str, dict[str, Any]] = {}
"""Tokens by session. A real application keeps them in its database; the browser holds the key alone."""

oauth = OAuth()
oauth.register(
    "admit",
    client_id=GIVEN["client_id"],
    client_secret=GIVEN["client_secret"],
    server_metadata_url=f"{GIVEN['issuer']}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email orders:own", "code_challenge_method": "S256"},
    update_token=lambda token, refresh_token=None, access_token=None: kept(
        token, access_token, refresh_token
    ),
)


async def kept(token: dict[str, Any], access_token: str | None, refresh_token: str | None) -> None:
    """Authlib has refreshed: the session of the old token has the new one."""
    for held in SIGNED_IN.values():
        if refresh_token is not None and held.get("refresh_token") == refresh_token:
            held.update(token)


def page(*lines: str) -> Response:
    """A page with these lines."""
    return HTMLResponse("<!doctype html><meta charset=utf-8><title>Orders</title>" + "".join(lines))


async def home(request: Request) -> Response:
    """Who is here."""
    held = SIGNED_IN.get(request.session.get("id", ""))
    if held is None:
        return page('<p>Nobody is signed in.<p><a href="/login">Sign in</a>')
    name = html.escape(held["userinfo"]["name"])
    return page(
        f"<h1>Hello, {name}</h1>",
        '<p><a href="/orders">Your orders</a>',
        '<form method="post" action="/logout"><button>Sign out</button></form>',
    )


async def login(request: Request) -> Response:
    """To the issuer. Authlib makes state, nonce and PKCE, and keeps them in this session."""
    response: Response = await oauth.admit.authorize_redirect(request, f"{GIVEN['home']}/callback")
    return response


async def callback(request: Request) -> Response:
    """Back from the issuer. Authlib checks state and ID token; a new session begins, so that no old id is worth it."""
    try:
        token = await oauth.admit.authorize_access_token(request)
    except OAuthError as error:
        return page(f'<p>Not signed in: {html.escape(error.error)}.<p><a href="/">Back</a>')
    request.session.clear()
    request.session["id"] = secrets.token_urlsafe(32)
    SIGNED_IN[request.session["id"]] = dict(token)
    return RedirectResponse("/", 303)


async def orders(request: Request) -> Response:
    """The API, called with the person's token, which is refreshed where it has run out."""
    held = SIGNED_IN.get(request.session.get("id", ""))
    if held is None:
        return RedirectResponse("/login", 303)
    try:
        answer = await oauth.admit.get(f"{GIVEN['api']}/api/orders/mine", token=held)
    except OAuthError:
        answer = None
    if answer is None or answer.status_code == 401:  # ended at the issuer meanwhile
        del SIGNED_IN[request.session.pop("id")]
        return RedirectResponse("/", 303)
    return JSONResponse(answer.json(), answer.status_code)


async def logout(request: Request) -> Response:
    """Here, and at the issuer too."""
    held = SIGNED_IN.pop(request.session.pop("id", ""), None)
    if held is None:
        return RedirectResponse("/", 303)
    url = (await oauth.admit.create_logout_url(f"{GIVEN['home']}/", held["id_token"]))["url"]
    return RedirectResponse(url, 303)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/login", login),
        Route("/callback", callback),
        Route("/orders", orders),
        Route("/logout", logout, methods=["POST"]),
    ],
    middleware=[
        Middleware(
            SessionMiddleware,
            secret_key=GIVEN["client_secret"],
            session_cookie="orders-web",
            https_only=GIVEN["home"].startswith("https:"),
        )
    ],
)
