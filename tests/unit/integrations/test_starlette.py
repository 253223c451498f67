"""`admit.integrations.starlette`: what is Starlette's own. `tests/contract` has what all guards share."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute

from admit.errors import ConfigError, MissingCredentialError
from admit.integrations import fastapi
from admit.integrations.starlette import Guard, GuardMiddleware, Refused
from tests.contract import asgi
from tests.contract.services import PAGES, Issuer, by_session, by_token


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return Guard(issuer.verifier, sessions=issuer, origins={PAGES})


def shows(guard: Guard) -> Any:
    async def show(request: Request) -> Response:
        who = guard.visitor(request)
        return JSONResponse(who and who.subject)

    return show


async def test_an_own_handler_replaces_the_answer(guard: Guard) -> None:
    causes: list[Any] = []

    async def own(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        causes.append(error.cause_)
        return JSONResponse({"own": error.status_code}, error.status_code, error.headers)

    for registered in (Refused, HTTPException, 401):
        routes = [Route("/x", guard.requires("orders:read")(shows(guard)))]
        answer = await asgi.call(Starlette(routes=routes, exception_handlers={registered: own}), "/x")
        assert (answer.status, answer.json) == (401, {"own": 401})
        assert answer.headers["www-authenticate"] == 'Bearer scope="orders:read"'
    assert [type(cause) for cause in causes] == [MissingCredentialError] * 3


async def test_a_guard_tells_of_nobody_whom_another_let_in(issuer: Issuer, guard: Guard) -> None:
    second = Guard(issuer.verifier)

    async def show(request: Request) -> Response:
        return JSONResponse([guard.principal(request).subject, second.principal(request).subject])

    app = Starlette(
        routes=[
            Route("/one", guard.requires()(show)),
            Route("/both", guard.requires()(second.requires()(show))),
            Route("/wrapped", second(Starlette(routes=[Route("/wrapped", guard.welcomes()(show))]))),
        ],
    )
    around = Starlette(
        routes=[Route("/one", show), Route("/both", guard.requires()(show))],
        middleware=[Middleware(GuardMiddleware, guard=second)],
    )
    for whole, path in ((app, "/both"), (app, "/wrapped"), (around, "/both")):
        assert (await asgi.call(whole, path, by_token(issuer))).json == ["u_alice", "u_alice"]
    for whole in (app, around):
        assert (await asgi.call(whole, "/one", by_token(issuer))).status == 401


async def test_what_the_framework_makes_of_it_by_itself_has_status_and_headers(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admit.integrations.starlette._HANDLERS", "some.other.place")
    answer = await asgi.call(Starlette(routes=[Route("/x", guard.requires()(shows(guard)))]), "/x")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_the_middleware_guards_all_routes_and_lets_preflights_to_cors_before_it(
    issuer: Issuer, guard: Guard
) -> None:
    app = Starlette(
        routes=[Route("/x", shows(guard))],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=[PAGES], allow_headers=["authorization"]),
            Middleware(GuardMiddleware, guard=guard, scopes=["orders:read"]),
        ],
    )
    assert (await asgi.call(app, "/x", by_token(issuer))).json == "u_alice"
    refused = await asgi.call(app, "/x", [(b"origin", PAGES.encode())])
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, PAGES)
    assert (await asgi.call(app, "/nowhere")).status == 401, "who may not come in is not told what is there"
    asks = [(b"origin", PAGES.encode()), (b"access-control-request-method", b"GET")]
    assert (await asgi.call(app, "/x", asks, "OPTIONS")).status == 200
    strangers = Middleware(GuardMiddleware, guard=guard, optional=True)
    app = Starlette(routes=[Route("/x", shows(guard))], middleware=[strangers])
    assert (await asgi.call(app, "/x")).json is None
    assert (await asgi.call(app, "/x", [(b"authorization", b"Bearer x")])).status == 401


async def test_a_middleware_and_a_decorator_verify_once(issuer: Issuer, guard: Guard) -> None:
    inner = [Route("/x", guard.requires("orders:read")(shows(guard)))]
    app = Starlette(
        routes=[Mount("/inner", app=guard(Starlette(routes=inner)))],
        middleware=[Middleware(GuardMiddleware, guard=guard)],
    )
    assert (await asgi.call(app, "/inner/x", by_session(issuer))).json == "u_alice"
    assert issuer.questions == 1


async def test_a_whole_web_socket_endpoint_is_wrapped(issuer: Issuer, guard: Guard) -> None:
    class Socket(WebSocketEndpoint):
        async def on_connect(self, websocket: Any) -> None:
            await websocket.accept()
            await websocket.send_json(guard.principal(websocket).subject)
            await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/s", guard(Socket, "orders:read"))])  # type: ignore[arg-type]  # a class that is an ASGI application
    assert (await asgi.connect(app, "/s", by_token(issuer))).json == "u_alice"
    assert (await asgi.connect(app, "/s")).status == 401
    assert (await asgi.connect(app, "/s", denial=False)).closed == 1008


def test_what_is_no_endpoint_is_refused_when_it_is_made(guard: Guard) -> None:
    with pytest.raises(ConfigError):
        guard.requires()(HTTPEndpoint)
    with pytest.raises(ConfigError):
        guard.requires("two words")
    with pytest.raises(ConfigError):
        GuardMiddleware(Starlette(), guard=guard, role="")


def test_a_guard_of_applications_put_on_an_endpoint_is_told_so(guard: Guard) -> None:
    async def endpoint(request: Request) -> Response:
        return Response()

    slips: list[Any] = [
        lambda: guard("orders:read")(endpoint),  # type: ignore[arg-type,call-arg]  # the slip
        lambda: guard(endpoint),  # type: ignore[arg-type]  # as above
        lambda: guard(endpoint, "orders:read"),  # type: ignore[arg-type]  # as above
        lambda: guard()(endpoint),  # type: ignore[arg-type,call-arg]  # as above
        lambda: guard.optional()(endpoint),  # type: ignore[arg-type,call-arg]  # as above
        lambda: guard.optional("orders:read"),  # type: ignore[arg-type]  # as above
    ]
    for slip in slips:
        with pytest.raises(ConfigError, match=r"@guard\.requires"):
            slip()


async def test_the_middleware_takes_a_guard_of_fastapi_and_nothing_that_is_none(issuer: Issuer) -> None:
    guard = fastapi.Guard(issuer.verifier)
    app = Starlette(
        routes=[Route("/x", lambda request: Response())],
        middleware=[Middleware(GuardMiddleware, guard=guard)],
    )
    assert (await asgi.call(app, "/x", by_token(issuer))).status == 200
    assert (await asgi.call(app, "/x")).status == 401
    for wrong in (issuer.verifier, None, fastapi.Guard):
        with pytest.raises(ConfigError, match="GuardMiddleware"):
            GuardMiddleware(app, guard=wrong)  # type: ignore[arg-type]  # the slip


async def test_an_argument_that_is_no_request_is_a_mistake_that_shows(guard: Guard) -> None:
    @guard.requires()
    async def job(name: str) -> None: ...

    with pytest.raises(ConfigError):
        await job("orders")
