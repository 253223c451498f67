"""FastAPI, Starlette and plain ASGI."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import jwt as pyjwt
from fastapi import Depends, FastAPI, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import BaseUserDatabase

from admit.integrations import asgi as admit_asgi
from admit.integrations import fastapi as admit_fastapi
from benchmarks.integrations import caller
from benchmarks.integrations.caller import API, ISSUER, ROLE, SCOPE, SECRET
from benchmarks.integrations.floor import Floor, StandardLibrary
from benchmarks.integrations.row import ANEW, BARE, FLOOR, NOTHING, REMEMBERED, STANDARD, Row, asgi


def rows() -> Iterator[Row]:
    """Each application with a token that it takes."""
    token = caller.token()
    remembering, forgetting = caller.verifier(10_000), caller.verifier(0)
    for name, verifier in ((REMEMBERED, remembering), (ANEW, forgetting)):
        guard = admit_fastapi.Guard(verifier)
        yield asgi("FastAPI", name, _depending(guard(SCOPE, role=ROLE)), token)
        yield asgi("ASGI", name, admit_asgi.Guard(verifier)(_plain, SCOPE, role=ROLE), token)
    by_security = Security(admit_fastapi.Guard(remembering), scopes=[SCOPE])
    yield asgi("FastAPI", "Admit, remembered, by Security(…)", _depending(by_security), token)
    yield asgi("FastAPI", BARE, _bare(), token)
    yield asgi("FastAPI", NOTHING, _depending(Depends(_nothing)), token)
    floor = Floor(SECRET, ISSUER, API)
    yield asgi("FastAPI", FLOOR, _depending(Depends(floor)), token)
    yield asgi("ASGI", FLOOR, floor.around(_plain), token)
    yield asgi("FastAPI", STANDARD, _depending(Depends(StandardLibrary(SECRET, ISSUER, API))), token)
    yield asgi("FastAPI", "PyJWT by hand", _depending(Depends(_by_hand)), token)
    yield asgi("FastAPI", "fastapi-users, one user in memory", *_fastapi_users())
    yield asgi("ASGI", BARE, _plain, token)


def turning() -> tuple[Row, Row]:
    """Plain ASGI, bare and guarded, where the loop turns between two requests. In no table: the loop costs the most."""
    token, guard = caller.token(), admit_asgi.Guard(caller.verifier(10_000))
    guarded = guard(_plain, SCOPE, role=ROLE)
    return asgi("ASGI", BARE, _plain, token, turning=True), asgi(
        "ASGI", REMEMBERED, guarded, token, turning=True
    )


def _bare() -> FastAPI:
    app = FastAPI()

    @app.get("/x")
    async def route() -> None: ...

    return app


def _depending(dependency: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/x")
    async def route(who: Annotated[Any, dependency]) -> None: ...

    return app


async def _plain(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _nothing(request: Request) -> None: ...


_BEARER = HTTPBearer()


async def _by_hand(found: Annotated[HTTPAuthorizationCredentials, Depends(_BEARER)]) -> str:
    """What its documentation and most tutorials end up with, done with care."""
    try:
        claims = pyjwt.decode(
            found.credentials,
            SECRET,
            algorithms=["HS256"],
            audience=API,
            issuer=ISSUER,
            options={"require": ["exp", "sub"]},
        )
    except pyjwt.InvalidTokenError:
        raise HTTPException(401) from None
    if SCOPE not in claims.get("scope", "").split() or ROLE not in claims.get("roles", ()):
        raise HTTPException(403)
    subject: str = claims["sub"]
    return subject


class _User:
    def __init__(self) -> None:
        self.id, self.email = uuid.uuid4(), "alice@example.com"
        self.is_active = self.is_verified = True
        self.is_superuser = False
        self.hashed_password = ""


def _fastapi_users() -> tuple[FastAPI, str]:
    """Its JWT says who, and no more: it looks the user up for each request, here in a dict."""
    alice: Any = _User()
    there = {alice.id: alice}

    class Users(BaseUserDatabase[Any, Any]):
        async def get(self, id: Any) -> Any:
            return there.get(id)

    class Manager(UUIDIDMixin, BaseUserManager[Any, uuid.UUID]):
        pass

    async def manager() -> AsyncIterator[Manager]:
        yield Manager(Users())

    strategy: Any = JWTStrategy(secret=SECRET.hex(), lifetime_seconds=3_000)
    backend: Any = AuthenticationBackend(
        name="jwt", transport=BearerTransport(tokenUrl="token"), get_strategy=lambda: strategy
    )
    users: Any = FastAPIUsers(manager, [backend])
    token: str = asyncio.run(strategy.write_token(alice))
    return _depending(Depends(users.current_user(active=True))), token
