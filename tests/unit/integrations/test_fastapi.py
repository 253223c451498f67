"""`admit.integrations.fastapi`: the idioms, OpenAPI, one verification a request. `tests/contract` has the rest."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException as StarletteHTTPException

from admit.credentials import cookies
from admit.errors import AdmitError, ConfigError, RevokedError
from admit.integrations import starlette
from admit.integrations.asgi import ForCaches
from admit.integrations.fastapi import Guard, Refused
from admit.jose import Waive
from admit.principal import Principal
from admit.verifier import AsyncVerifier, TrustedIssuer, Verifier
from admit.verifier.core import Pending
from tests.contract import asgi
from tests.contract.services import (
    API,
    COOKIE,
    ISSUER,
    PAGES,
    RAW,
    Answer,
    Headers,
    Issuer,
    by_session,
    by_token,
    shown,
)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return Guard(issuer.verifier, sessions=issuer, origins={PAGES})


class Counting(Verifier):
    """A verifier that counts."""

    def __init__(self, issuer: Issuer) -> None:
        self.core = issuer.verifier.core
        self.recall = lambda _: None  # by the rules: all are counted
        self.read_new = lambda *_: None
        self.wall, self.boottime = issuer.verifier.wall, issuer.verifier.boottime
        self.count = 0
        inner = self.core.settle

        def counted(*args: Any, **more: Any) -> Any:
            self.count += 1
            return inner(*args, **more)

        self.core.settle = counted  # type: ignore[method-assign]  # only in this test's own verifier


async def get(app: FastAPI, path: str, headers: Headers) -> Answer:
    return await asgi.call(app, path, headers)


async def test_all_four_idioms_guard(issuer: Issuer, guard: Guard) -> None:
    app = FastAPI()

    @app.get("/annotated")
    async def annotated(who: Annotated[Principal, guard("orders:read", role="admin")]) -> Any:
        return shown(who)

    @app.get("/security")
    async def security(who: Annotated[Principal, Security(guard, scopes=["orders:read"])]) -> Any:
        return shown(who)

    @app.get("/optional")
    async def optional(who: Annotated[Principal | None, guard.optional("orders:read")]) -> Any:
        return shown(who)

    @app.get("/dependencies", dependencies=[guard("orders:read")])
    async def dependencies() -> Any:
        return {"subject": "u_alice"}

    @app.get("/default")
    async def default(who: Principal = guard("orders:read")) -> Any:  # noqa: B008  # the idiom under test
        return shown(who)

    @app.get("/plain")
    async def plain(who: Annotated[Principal, Depends(guard)]) -> Any:
        return shown(who)

    @app.get("/depends")
    async def depends(who: Annotated[Principal, Depends(guard("orders:read"))]) -> Any:
        return shown(who)

    @app.get("/sync")
    def sync(who: Annotated[Principal, guard("orders:read")]) -> Any:
        return shown(who)

    paths = [
        "/annotated",
        "/security",
        "/optional",
        "/dependencies",
        "/default",
        "/plain",
        "/depends",
        "/sync",
    ]
    for path in paths:
        answer = await get(app, path, by_token(issuer))
        assert (answer.status, answer.json["subject"]) == (200, "u_alice"), path
        if path != "/optional":
            assert (await get(app, path, [])).status == 401
    issuer.scopes = frozenset()
    for path in paths:
        expected = 200 if path == "/plain" else 403
        assert (await get(app, path, by_token(issuer))).status == expected, path


async def test_scopes_of_outer_dependencies_are_asked_too(issuer: Issuer, guard: Guard) -> None:
    app = FastAPI()

    def current(who: Annotated[Principal, guard("orders:read")]) -> Principal:
        return who

    def plainly(who: Annotated[Principal, Security(guard)]) -> Principal:
        return who

    @app.get("/one")
    async def one(who: Annotated[Principal, Security(current, scopes=["orders:write"])]) -> Any:
        return shown(who)

    @app.get("/two")
    async def two(who: Annotated[Principal, Security(plainly, scopes=["orders:write"])]) -> Any:
        return shown(who)

    for path in ("/one", "/two"):
        answer = await get(app, path, by_token(issuer))
        assert answer.status == 403
        assert "orders:write" in answer.headers["www-authenticate"]
    issuer.scopes = frozenset({"orders:read", "orders:write"})
    for path in ("/one", "/two"):
        assert (await get(app, path, by_token(issuer))).status == 200


async def test_a_request_is_verified_once_however_many_guards_it_meets(issuer: Issuer) -> None:
    verifier = Counting(issuer)
    guard = Guard(verifier, sessions=issuer)
    app = FastAPI(dependencies=[guard()])

    @app.get(
        "/x",
        dependencies=[guard("orders:read"), guard(role="admin"), Security(guard, scopes=["orders:read"])],
    )
    async def x(
        who: Annotated[Principal, guard("orders:read", group="staff")],
        same: Annotated[Principal | None, guard.optional()],
    ) -> Any:
        assert who is same
        return shown(who)

    assert (await get(app, "/x", by_token(issuer))).status == 200
    assert verifier.count == 1
    assert (await get(app, "/x", by_session(issuer))).status == 200
    assert (verifier.count, issuer.questions) == (1, 1)
    assert (await get(app, "/x", [(b"authorization", b"Bearer x")])).status == 401
    assert verifier.count == 2


async def test_two_guards_of_different_verifiers_do_not_share_an_outcome(issuer: Issuer) -> None:
    other = Verifier(
        TrustedIssuer(
            "https://other.example", audience=API, secret=bytes(range(32)), revocation=Waive.REVOCATION
        )
    )
    app = FastAPI()

    @app.get("/x", dependencies=[Guard(issuer.verifier)()])
    async def x(who: Annotated[Principal, Guard(other)()]) -> None: ...

    assert (await get(app, "/x", by_token(issuer))).status == 401


async def test_an_outcome_is_not_carried_to_the_next_request(issuer: Issuer, guard: Guard) -> None:
    app = FastAPI()

    @app.get("/x")
    async def x(who: Annotated[Principal, guard()]) -> Any:
        return shown(who)

    async def one(headers: Headers) -> int:
        return (await get(app, "/x", headers)).status

    statuses = await asyncio.gather(*(one(by_token(issuer) if n % 2 else []) for n in range(20)))
    assert statuses == [401, 200] * 10


class TestOpenApi:
    """Contracts §2: scheme, scopes, 401, 403."""

    @pytest.fixture
    def app(self, guard: Guard) -> FastAPI:
        app = FastAPI()

        @app.get("/admin", responses={403: {"description": "Only for admins."}})
        async def admin(who: Annotated[Principal, guard("orders:read", role="admin")]) -> None: ...

        @app.get("/security", dependencies=[Security(guard, scopes=["orders:read", "orders:write"])])
        async def security() -> None: ...

        @app.get("/depends")
        async def depends(who: Annotated[Principal, Depends(guard("orders:read"))]) -> None: ...

        @app.get("/free")
        async def free() -> None: ...

        return app

    def test_scheme_and_scopes_are_shown(self, app: FastAPI) -> None:
        document = app.openapi()
        assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
        assert document["paths"]["/admin"]["get"]["security"] == [{"bearer": ["orders:read"]}]
        assert document["paths"]["/security"]["get"]["security"] == [
            {"bearer": ["orders:read", "orders:write"]}
        ]
        assert document["paths"]["/depends"]["get"]["security"] == [{"bearer": ["orders:read"]}]
        assert "security" not in document["paths"]["/free"]["get"]
        # A guard adds no parameters.
        assert "parameters" not in document["paths"]["/admin"]["get"]

    def test_refusals_and_the_cookie_are_shown_once_documented(self, app: FastAPI, guard: Guard) -> None:
        guard.document(app)
        document = app.openapi()
        assert app.openapi() == document
        admin = document["paths"]["/admin"]["get"]
        assert admin["security"] == [{"bearer": ["orders:read"]}, {"session": []}]
        assert set(admin["responses"]) == {"200", "401", "403", "503"}
        assert admin["responses"]["403"]["description"] == "Only for admins."
        session = document["components"]["securitySchemes"]["session"]
        assert (session["type"], session["in"], session["name"]) == ("apiKey", "cookie", COOKIE)
        assert set(document["paths"]["/free"]["get"]["responses"]) == {"200"}

    def test_without_sessions_no_cookie_is_shown(self, issuer: Issuer) -> None:
        app, guard = FastAPI(), Guard(issuer.verifier)
        guard.document(app)

        @app.get("/x")
        async def x(who: Annotated[Principal, guard()]) -> None: ...

        document = app.openapi()
        assert set(document["components"]["securitySchemes"]) == {"bearer"}
        assert set(document["paths"]["/x"]["get"]["responses"]) == {"200", "401", "403", "503"}

    def test_where_strangers_may_come_in_nothing_is_among_the_ways_in(self, guard: Guard) -> None:
        app, router = FastAPI(), APIRouter(prefix="/below", dependencies=[guard.optional()])
        key = APIKeyHeader(name="x-key")

        @app.get("/open")
        async def open_(who: Annotated[Principal | None, guard.optional("orders:read")]) -> None: ...

        @app.get("/shut", dependencies=[guard.optional()])
        async def shut(who: Annotated[Principal, guard()]) -> None: ...

        @app.get("/plain", dependencies=[guard.optional()])
        async def plain(who: Annotated[Principal, Security(guard)]) -> None: ...

        @app.get("/key", dependencies=[guard.optional(), Depends(key)])
        async def by_key() -> None: ...

        router.get("/open")(lambda: None)
        router.get("/shut", dependencies=[guard()])(lambda: None)
        app.include_router(router)
        guard.document(app)
        document = app.openapi()
        assert app.openapi() == document, "made again it says the same"
        assert document["paths"]["/open"]["get"]["security"] == [
            {"bearer": ["orders:read"]},
            {"session": []},
            {},
        ]
        assert {} in document["paths"]["/below/open"]["get"]["security"]
        for path in ("/shut", "/plain", "/key", "/below/shut"):
            assert {} not in document["paths"][path]["get"]["security"], path

    def test_two_guards_tell_of_themselves_under_names_of_their_own(
        self, issuer: Issuer, guard: Guard
    ) -> None:
        app = FastAPI()
        guard.document(app)
        guard.document(app)
        with pytest.raises(ConfigError, match="scheme_name"):
            Guard(issuer.verifier).document(app)
        other = Guard(issuer.verifier, scheme_name="partners")
        other.document(app)
        app.get("/x", dependencies=[guard("a")])(lambda: None)
        app.get("/y", dependencies=[other("b")])(lambda: None)
        paths = app.openapi()["paths"]
        assert {"bearer": ["a"]} in paths["/x"]["get"]["security"]
        assert paths["/y"]["get"]["security"] == [{"partners": ["b"]}]
        Guard(issuer.verifier).document(FastAPI())  # another application's names are its own


SCOPES = {"orders:read": "See orders", "openid": "Know who you are"}


class TestSigningInOnTheDocsPage:
    """Told a client id, the guard says in OpenAPI where people sign in. `tests/system/test_demo_docs.py` does it."""

    @staticmethod
    def app(guard: Guard, **more: Any) -> FastAPI:
        app = FastAPI(**more)
        guard.document(app, client_id="docs", scopes=SCOPES)

        @app.get("/x")
        async def x(who: Annotated[Principal, guard("orders:read", "orders:write")]) -> None: ...

        return app

    def test_the_scheme_names_the_issuers_endpoints_the_audience_and_each_scope_in_words(
        self, guard: Guard
    ) -> None:
        app = self.app(guard)
        document = app.openapi()
        assert app.openapi() == document, "made again it says the same"
        assert document["paths"]["/x"]["get"]["security"] == [
            {"bearer": ["orders:read", "orders:write"]},
            {"session": []},
        ]
        scheme = document["components"]["securitySchemes"]["bearer"]
        assert scheme["type"] == "oauth2"
        assert scheme["flows"] == {
            "authorizationCode": {
                "authorizationUrl": f"{ISSUER}/authorize?resource={quote(API, safe='')}",
                "tokenUrl": f"{ISSUER}/token",
                "refreshUrl": f"{ISSUER}/token",
                "scopes": {**SCOPES, "orders:write": "orders:write"},
            }
        }

    def test_without_a_client_id_nobody_is_told_of_a_sign_in(self, guard: Guard) -> None:
        app = FastAPI()
        guard.document(app)
        app.get("/x", dependencies=[guard("orders:read")])(lambda: None)
        assert app.openapi()["components"]["securitySchemes"]["bearer"]["type"] == "http"
        assert app.swagger_ui_init_oauth is None

    async def test_the_page_is_told_who_it_is_and_to_use_pkce(self, guard: Guard) -> None:
        page = (await get(self.app(guard), "/docs", [])).body.decode()
        assert '"clientId": "docs"' in page
        assert '"usePkceWithAuthorizationCodeGrant": true' in page
        assert "/docs/oauth2-redirect" in page

    def test_what_the_application_says_to_the_page_itself_stays(self, guard: Guard) -> None:
        app = self.app(guard, swagger_ui_init_oauth={"clientId": "own", "appName": "Orders"})
        assert app.swagger_ui_init_oauth == {
            "clientId": "own",
            "appName": "Orders",
            "scopes": list(SCOPES),
            "usePkceWithAuthorizationCodeGrant": True,
        }

    def test_addresses_of_other_issuers_and_their_parameters_are_named(self) -> None:
        auth0 = TrustedIssuer(ISSUER, audience=[API, "other"], revocation=Waive.REVOCATION)
        guard, app = Guard(Verifier(auth0)), FastAPI()
        urls = {"authorization_url": f"{ISSUER}/authorize?a=1", "token_url": f"{ISSUER}/oauth/token"}
        for wrong in ({}, urls, {**urls, "parameters": {}, "scopes": {"two words": ""}}):
            with pytest.raises(ConfigError):
                guard.document(app, client_id="docs", **wrong)  # type: ignore[arg-type]  # as dictionaries come
        assert app.swagger_ui_init_oauth is None, "what is refused leaves nothing behind"
        guard.document(app, client_id="docs", **urls, parameters={"audience": API})  # type: ignore[arg-type]  # as above
        app.get("/x", dependencies=[guard()])(lambda: None)
        flow = app.openapi()["components"]["securitySchemes"]["bearer"]["flows"]["authorizationCode"]
        assert flow["authorizationUrl"] == f"{ISSUER}/authorize?a=1&audience={quote(API, safe='')}"
        assert flow["tokenUrl"] == f"{ISSUER}/oauth/token"


class TestHandlers:
    """The application's own handlers are respected, and without any handler the answer is still right."""

    @staticmethod
    def app(guard: Guard) -> FastAPI:
        app = FastAPI()

        @app.get("/x")
        async def x(who: Annotated[Principal, guard("orders:read")]) -> None: ...

        return app

    async def test_a_handler_for_refusals_replaces_the_answer(self, issuer: Issuer, guard: Guard) -> None:
        app = self.app(guard)
        causes: list[AdmitError] = []

        @app.exception_handler(Refused)
        async def refused(request: Request, error: Refused) -> JSONResponse:
            causes.append(error.cause_)
            return JSONResponse({"own": True}, error.status_code, error.headers)

        issuer.end()
        answer = await get(app, "/x", by_token(issuer))
        assert (answer.status, answer.json) == (401, {"own": True})
        assert isinstance(causes[0], RevokedError)
        assert "www-authenticate" in answer.headers

    @pytest.mark.parametrize("kind", [HTTPException, StarletteHTTPException, starlette.Refused])
    async def test_a_handler_for_a_class_of_refusals_replaces_it_too(
        self, guard: Guard, kind: type[Exception]
    ) -> None:
        app = self.app(guard)

        @app.exception_handler(kind)
        async def enveloped(request: Request, error: HTTPException) -> JSONResponse:
            return JSONResponse({"own": error.status_code}, 418, error.headers)

        for _ in range(2):
            answer = await get(app, "/x", [])
            assert (answer.status, answer.json) == (418, {"own": 401})
            assert answer.headers["www-authenticate"] == 'Bearer scope="orders:read"'

    async def test_a_handler_for_other_exceptions_replaces_nothing(self, guard: Guard) -> None:
        app = self.app(guard)

        @app.exception_handler(ValueError)
        async def other(request: Request, error: ValueError) -> JSONResponse:
            return JSONResponse({"own": True}, 418)

        answer = await get(app, "/x", [])
        assert (answer.status, answer.json["error"]) == (401, "unauthorized")

    async def test_a_handler_for_a_status_replaces_it_too(self, guard: Guard) -> None:
        app = self.app(guard)

        @app.exception_handler(401)
        async def unauthorized(request: Request, error: HTTPException) -> JSONResponse:
            return JSONResponse({"own": 401}, 401)

        assert (await get(app, "/x", [])).json == {"own": 401}

    async def test_what_the_framework_makes_of_it_by_itself_has_status_headers_and_texts(
        self, guard: Guard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("admit.integrations.starlette._HANDLERS", "some.other.place")
        answer = await get(self.app(guard), "/x", [])
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer scope="orders:read"'
        assert answer.json["detail"]["error"] == "unauthorized"


@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
async def test_the_loop_goes_on_while_keys_are_fetched(
    issuer: Issuer, kind: type[Verifier | AsyncVerifier]
) -> None:
    """What would hold a thread up is awaited here, by both sorts of verifier."""
    trusted = TrustedIssuer(ISSUER, audience=API, source=issuer.source)
    verifier = kind(trusted, boottime=lambda: issuer.clock)
    fetched: Future[None] = Future()
    inner = verifier.core.settle

    def waiting(*args: Any, **more: Any) -> Any:
        return inner(*args, **more) if fetched.done() else Pending(fetched)

    verifier.core.settle = waiting  # type: ignore[method-assign]  # only in this test's own verifier
    verifier.read_new = verifier.core.read_new = lambda *_: None  # type: ignore[method-assign]  # as above
    guard = Guard(verifier)
    app = FastAPI()

    @app.get("/x")
    async def x(who: Annotated[Principal, guard()]) -> Any:
        return shown(who)

    task = asyncio.ensure_future(get(app, "/x", by_token(issuer)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    thread = threading.Thread(target=fetched.set_result, args=(None,))
    thread.start()
    assert (await task).status == 200
    thread.join()


@pytest.mark.parametrize(
    "changed",
    [
        {"origins": "https://app.example.com"}, {"origins": {"https://app.example.com/"}}, {"origins": {"*"}},
        {"origins": {"https://APP.example.com"}}, {"origins": {"null"}}, {"origins": {""}}, {"origins": {1}},
        {"realm": 'a"b'}, {"resource_metadata": "a\nb"},
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_the_guard_is_made(issuer: Issuer, changed: dict[str, Any]) -> None:
    assert Guard(issuer.verifier, sessions=issuer, origins={PAGES, "http://localhost:8411", "http://[::1]:1"})
    with pytest.raises(ConfigError):
        Guard(issuer.verifier, **changed)


def test_sessions_with_several_issuers_or_audiences_need_the_choice_made(issuer: Issuer) -> None:
    two = Verifier(TrustedIssuer(ISSUER, audience=[API, "https://b.example"], source=issuer.source))
    assert Guard(two)
    assert Guard(two, sessions=issuer, audience=API)
    with pytest.raises(ConfigError):
        Guard(two, sessions=issuer)


async def test_the_cookie_is_that_of_the_issuers_mode_and_no_other(issuer: Issuer) -> None:
    shared = COOKIE.replace("__Host-", "__Secure-")
    guard = Guard(issuer.verifier, sessions=issuer, cookie_mode="cookie_domain")
    for name, status in ((shared, 200), (COOKIE, 401), (f"x{shared}", 401)):
        app = FastAPI()
        app.get("/any", dependencies=[guard()])(lambda: None)
        value = cookies.encode_session_id(RAW)
        answer = await get(app, "/any", [(b"cookie", f"{name}={value}".encode())])
        assert answer.status == status, name
    with pytest.raises(ConfigError):
        Guard(issuer.verifier, sessions=issuer, cookie_mode="same_site")  # type: ignore[arg-type]  # no such mode


@pytest.mark.parametrize("scopes", [("orders:read orders:write",), ("",)])
def test_a_scope_that_can_be_none_is_refused_when_the_route_is_made(
    guard: Guard, scopes: tuple[str, ...]
) -> None:
    for make in (guard, guard.optional):
        with pytest.raises(ConfigError):
            make(*scopes)
        with pytest.raises(ConfigError):
            make(role="")
    with pytest.raises(TypeError):
        guard(roles="admin")  # type: ignore[call-overload]  # a misspelt keyword must not guard less


async def test_an_application_mounted_below_another_is_guarded_alike(issuer: Issuer, guard: Guard) -> None:
    inner, outer = FastAPI(), FastAPI()

    @inner.get("/x")
    async def x(who: Annotated[Principal, guard()]) -> Any:
        return shown(who)

    outer.mount("/inner", inner)
    assert (await get(outer, "/inner/x", by_token(issuer))).status == 200
    answer = await get(outer, "/inner/x", [])
    assert (answer.status, answer.json["error"]) == (401, "unauthorized")


async def test_a_tests_override_of_the_guard_is_heeded(issuer: Issuer, guard: Guard) -> None:
    app = FastAPI()

    @app.get("/x")
    async def x(who: Annotated[str, Security(guard, scopes=["orders:read"])]) -> str:
        return who

    async def somebody() -> AsyncIterator[str]:
        yield "somebody"

    app.dependency_overrides[guard] = somebody
    assert (await get(app, "/x", [])).json == "somebody"
    app.dependency_overrides.clear()
    assert (await get(app, "/x", [])).status == 401


async def test_a_tests_override_of_one_dependency_leaves_every_other_guarded(
    issuer: Issuer, guard: Guard
) -> None:
    app, wanted = FastAPI(), guard("orders:read")

    @app.get("/x")
    async def x(who: Annotated[str, wanted]) -> str:
        return who

    @app.get("/y", dependencies=[guard("orders:read", role="admin")])
    async def y(who: Annotated[str, wanted]) -> str:
        return who

    @app.get("/z")
    async def z(who: Annotated[str, Depends(guard("orders:read"))]) -> str:
        return who

    others = Guard(issuer.verifier)("orders:read"), guard.optional("orders:read"), guard("orders:write")
    for wrong in others:
        app.dependency_overrides = {wrong.dependency: lambda: "somebody"}
        for path in ("/x", "/y", "/z"):
            assert (await get(app, path, [])).status == 401
    for same in (guard("orders:read").dependency, guard("orders:read")):
        app.dependency_overrides = {same: lambda: "somebody"}
        assert (await get(app, "/x", [])).json == "somebody"
        assert (await get(app, "/z", [])).json == "somebody"
    assert (await get(app, "/y", [])).status == 401
    assert (await get(app, "/y", by_token(issuer))).json == "somebody"
    app.dependency_overrides.clear()
    assert (await get(app, "/x", [])).status == 401


def app_of_all_answers(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/own", response_model=None)
    async def own(who: Annotated[Principal, guard()]) -> Any:
        return JSONResponse(shown(who))

    @app.get("/gone")
    async def gone(who: Annotated[Principal, guard()]) -> Any:
        raise HTTPException(404, f"{who.subject} has no such order")

    @app.get("/number/{number}")
    async def number(number: int, who: Annotated[Principal, guard()]) -> Any:
        return shown(who)

    @app.get("/kept", response_model=None)
    async def kept(who: Annotated[Principal, guard()]) -> Any:
        headers = {"Cache-Control": "private, max-age=60", "Vary": "Accept"}
        return JSONResponse(shown(who), headers=headers)

    @app.get("/open", response_model=None)
    async def open_(who: Annotated[Principal | None, guard.optional()]) -> Any:
        return JSONResponse(None if who is None else shown(who))

    @app.get("/everybodys", response_model=None)
    async def everybodys() -> Any:
        return JSONResponse("prices")

    return app


@pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions")
@pytest.mark.parametrize(
    ("path", "status"), [("/own", 200), ("/gone", 404), ("/number/x", 422), ("/open", 200)]
)
async def test_whatever_a_route_answers_somebody_says_so_to_caches(
    issuer: Issuer, guard: Guard, path: str, status: int
) -> None:
    app = app_of_all_answers(guard)
    app.add_middleware(ForCaches)
    answer = await get(app, path, by_session(issuer))
    assert answer.status == status
    told = (answer.headers.get("vary"), answer.headers.get("cache-control"))
    assert told == ("Authorization, Cookie", "private")


async def test_caches_are_told_nothing_more_than_guards_found(issuer: Issuer, guard: Guard) -> None:
    app = app_of_all_answers(guard)
    app.add_middleware(ForCaches)
    app.mount("/inner", starlette.GuardMiddleware(app_of_all_answers(guard), guard=guard))

    said = (await get(app, "/kept", by_session(issuer))).headers
    assert (said["vary"], said["cache-control"]) == ("Accept, Authorization, Cookie", "private, max-age=60")
    stranger = (await get(app, "/open", [])).headers
    assert (stranger["vary"], "cache-control" in stranger) == ("Authorization, Cookie", False)
    prices = (await get(app, "/everybodys", by_session(issuer))).headers
    assert not {"vary", "cache-control"} & set(prices)
    twice = (await get(app, "/inner/own", by_session(issuer))).headers
    assert (twice["vary"], twice["cache-control"]) == ("Authorization, Cookie", "private")


async def test_around_the_application_it_sees_what_a_handler_of_every_error_answers(
    issuer: Issuer, guard: Guard
) -> None:
    app = app_of_all_answers(guard)

    @app.get("/broken")
    async def broken(who: Annotated[Principal, guard()]) -> Any:
        raise ValueError(who.subject)

    @app.exception_handler(Exception)
    async def sorry(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse(f"{error} has no such order", 404)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        with suppress(ValueError):  # which is raised again once it was answered
            await ForCaches(app)(scope, receive, send)

    answer = await asgi.call(around, "/broken", by_session(issuer))
    assert (answer.status, answer.json) == (404, "u_alice has no such order")
    told = (answer.headers.get("vary"), answer.headers.get("cache-control"))
    assert told == ("Authorization, Cookie", "private")


async def test_a_guard_of_tokens_alone_tells_caches_of_tokens_alone(issuer: Issuer) -> None:
    app = app_of_all_answers(Guard(issuer.verifier))
    app.add_middleware(ForCaches)
    answer = await get(app, "/own", by_token(issuer))
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Authorization", "private")


async def test_a_socket_passes_what_tells_caches(issuer: Issuer, guard: Guard) -> None:
    app = FastAPI()
    app.add_middleware(ForCaches)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, who: Annotated[Principal, guard()]) -> None:
        await websocket.accept()
        await websocket.send_json(shown(who))
        await websocket.close()

    assert (await asgi.connect(app, "/socket", by_token(issuer))).json["subject"] == "u_alice"
    assert (await asgi.connect(app, "/socket", [])).status == 401
