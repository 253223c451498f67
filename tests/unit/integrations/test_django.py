"""What Django's glue adds to the shared behaviour: laziness, users, Django's own CSRF check, classes, async views."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import pytest
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_GET
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from admit.credentials import cookies, csrf
from admit.errors import AdmitError, ConfigError, FetchError
from admit.integrations.django import AdmitMiddleware, AdmitRequest, RequiresMixin, current, requires
from admit.integrations.django import principal as principal_of
from admit.integrations.django.requests import Users, known
from admit.integrations.django.rest_framework import HasScope
from admit.testing import TestIssuer, principal
from tests.contract.services import COOKIE, PAGES, RAW, Issuer, shown

assert tests.fixtures.django.APPS


class User:
    """What a project calls a user."""

    is_authenticated = True

    def __init__(self, name: str, is_active: bool = True) -> None:
        self.name, self.is_active = name, is_active

    def __str__(self) -> str:
        return self.name


USERS: dict[tuple[str, str], User] = {}
ASKED: list[tuple[str, str]] = []


def user_of(principal: Any) -> User | None:
    ASKED.append(principal.key)
    return USERS.get(principal.key)


async def user_of_async(principal: Any) -> User | None:
    await asyncio.sleep(0)
    return user_of(principal)


def lazy(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(request.principal)})


def careless(request: AdmitRequest) -> HttpResponse:
    return HttpResponse("public")


async def lazy_async(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(await request.aprincipal()), "again": shown(request.principal)})


async def held_up(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(request.principal)})


@requires("orders:read")
def change(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(request.principal)})


@requires("orders:read")
async def change_async(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(request.principal)})


@requires(optional=True)
def open_change(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(request.principal)})


@requires(optional=True)
async def open_change_async(request: AdmitRequest) -> HttpResponse:
    return JsonResponse({"who": shown(request.principal)})


class Mixed(RequiresMixin, View):
    required_scopes = ("orders:read",)
    required_role = "admin"

    def get(self, request: AdmitRequest) -> HttpResponse:
        return JsonResponse({"who": shown(request.principal)})

    post = get


class MixedAsync(RequiresMixin, View):
    required_scopes = ("orders:read",)
    required_role = "admin"

    async def get(self, request: AdmitRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return JsonResponse({"who": shown(request.principal)})

    post = get


@requires("orders:read", role="admin")
class Decorated(View):
    def get(self, request: AdmitRequest) -> HttpResponse:
        return JsonResponse({"who": shown(request.principal)})

    post = get


@method_decorator(requires("orders:read", role="admin"), name="dispatch")
class DecoratedAsync(View):
    async def get(self, request: AdmitRequest) -> HttpResponse:
        return JsonResponse({"who": shown(request.principal)})

    post = get


@requires("orders:read")
@require_GET
def streamed(request: AdmitRequest) -> StreamingHttpResponse:
    assert request.principal is not None
    return StreamingHttpResponse([request.principal.subject.encode(), b"\n"] * 3)


def named(request: Any) -> HttpResponse:
    return JsonResponse({"user": str(request.user), "in": request.user.is_authenticated})


async def named_async(request: Any) -> HttpResponse:
    user = await request.auser()
    return JsonResponse({"user": str(user), "in": user.is_authenticated})


def broken(request: HttpRequest) -> HttpResponse:
    raise FetchError("another service did not answer")


def token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


COUNTED: list[str] = []


def surely(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"who": principal_of(request).subject})


def prices(request: HttpRequest) -> HttpResponse:
    COUNTED.append("prices")
    return HttpResponse("1 EUR")


def own_prices(request: HttpRequest) -> HttpResponse:
    COUNTED.append(principal_of(request).subject)
    return HttpResponse("1 EUR")


@requires()
def own_control(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x", headers={"Cache-Control": "max-age=60", "Vary": "Accept-Language"})


class Api(APIView):
    permission_classes = (HasScope("orders:read"),)

    def get(self, request: Request) -> Response:
        return Response({"who": request.auth.subject})


urlpatterns = [
    path("lazy", lazy),
    path("surely", surely),
    path("cached", cache_page(600)(Mixed.as_view())),
    path("cached-lazy", cache_page(600)(lazy)),
    path("cached-drf", cache_page(600)(Api.as_view())),
    path("drf", Api.as_view()),
    path("prices", requires()(cache_page(600)(prices))),
    path("own-prices", requires()(cache_page(600)(own_prices))),
    path("own-control", own_control),
    path("careless", careless),
    path("lazy-async", lazy_async),
    path("held-up", held_up),
    path("change", change),
    path("change-async", change_async),
    path("open-change", open_change),
    path("open-change-async", open_change_async),
    path("mixed", Mixed.as_view()),
    path("mixed-async", MixedAsync.as_view()),
    path("decorated", Decorated.as_view()),
    path("decorated-async", DecoratedAsync.as_view()),
    path("streamed", streamed),
    path("user", named),
    path("user-async", named_async),
    path("broken", broken),
    path("token", token),
]
CLASSES = ["/mixed", "/mixed-async", "/decorated", "/decorated-async"]
ADMIT = "admit.integrations.django.AdmitMiddleware"
DJANGO = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


@contextlib.contextmanager
def site(issuer: Issuer, middleware: list[str], **more: Any) -> Iterator[None]:
    """A Django site with these routes."""
    given = {"VERIFIER": issuer.verifier, "SESSIONS": issuer, "ORIGINS": {PAGES}, "REALM": "orders", **more}
    with override_settings(ROOT_URLCONF=__name__, ADMIT=given, MIDDLEWARE=middleware):
        yield


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    ASKED.clear()
    USERS.clear()
    with site(made, [*DJANGO, ADMIT]):
        yield made


def bearer(issuer: Issuer) -> dict[str, str]:
    return {"authorization": f"Bearer {issuer.token()}"}


def cookie() -> dict[str, str]:
    return {"cookie": f"{COOKIE}={cookies.encode_session_id(RAW)}"}


def own_page() -> dict[str, str]:
    return {**cookie(), "origin": PAGES, "x-csrf-token": csrf.token(RAW)}


def client() -> Client:
    return Client(enforce_csrf_checks=True)


async def both(url: str, headers: dict[str, str], method: str = "get") -> Any:
    """The same request through the threaded handler and through the async one; they answer alike."""
    threaded = await sync_to_async(getattr(client(), method))(url, headers=headers)
    looped = await getattr(AsyncClient(enforce_csrf_checks=True), method)(url, headers=headers)
    assert threaded.status_code == looped.status_code
    assert threaded.content == looped.content
    return threaded


async def test_nothing_is_verified_until_somebody_asks(issuer: Issuer) -> None:
    assert (await both("/careless", {"authorization": "Bearer junk.junk.junk"})).content == b"public"
    assert (await both("/careless", cookie())).content == b"public"
    assert issuer.questions == 0
    assert (await both("/lazy", {"authorization": "Bearer junk.junk.junk"})).status_code == 401


async def test_who_asks_for_the_principal_gets_it_none_or_an_answer_is_made(issuer: Issuer) -> None:
    for url in ("/lazy", "/lazy-async"):
        for headers in (bearer(issuer), cookie()):
            assert (await both(url, headers)).json()["who"]["subject"] == "u_alice"
        assert (await both(url, {})).json()["who"] is None
        refused = await both(url, {"authorization": "Bearer junk.junk.junk"})
        assert refused.headers["www-authenticate"].startswith('Bearer realm="orders", error="invalid_token"')
        assert refused.json()["error"] == "invalid_token"
        assert refused.headers["cache-control"] == "no-store"


async def test_none_is_really_none() -> None:
    request = known(RequestFactory().get("/"))
    assert await request.aprincipal() is None
    assert request.principal is None
    assert isinstance(request, AdmitRequest)
    assert type(known(request)).__mro__.count(AdmitRequest) == 1


async def test_a_loop_is_never_held_up(issuer: Issuer) -> None:
    with pytest.raises(SynchronousOnlyOperation, match="aprincipal"):
        await AsyncClient().get("/held-up", headers=bearer(issuer))


async def test_a_request_is_verified_once_however_many_ask(issuer: Issuer) -> None:
    await both("/change", cookie())
    assert issuer.questions == 2, "once by each of the two handlers"


@pytest.mark.parametrize("url", CLASSES)
async def test_class_views_are_guarded_sync_and_async(issuer: Issuer, url: str) -> None:
    for headers in (bearer(issuer), cookie()):
        assert (await both(url, headers)).json()["who"]["subject"] == "u_alice"
    assert (await both(url, {})).status_code == 401
    assert (await both(url, bearer(issuer), "options")).status_code == 200
    assert (await both(url, {}, "options")).status_code == 401
    issuer.roles = frozenset()
    assert (await both(url, bearer(issuer))).status_code == 403


def test_a_mixin_that_asks_wrongly_is_refused_where_its_class_is_made() -> None:
    with pytest.raises(ConfigError, match="one by one"):

        class OneText(RequiresMixin, View):
            required_scopes = "orders:read"

    with pytest.raises(ConfigError, match="required_scope'"):

        class Forgotten(RequiresMixin, View):
            required_scope = ("orders:write",)

    with pytest.raises(ConfigError, match="required_roles"):

        class Inherits(Mixed):
            required_roles = "admin"


def test_a_route_of_a_class_may_ask_more(issuer: Issuer) -> None:
    request = RequestFactory(headers=bearer(issuer)).get("/")
    assert Mixed.as_view()(request).status_code == 200
    assert Mixed.as_view(required_role="owner")(request).status_code == 403


async def test_a_guarded_view_has_a_principal_that_is_never_none(issuer: Issuer) -> None:
    assert (await both("/surely", bearer(issuer))).json() == {"who": "u_alice"}
    assert (await both("/surely", {})).status_code == 401


@pytest.mark.parametrize("url", ["/cached", "/cached-drf"])
@pytest.mark.parametrize("by", ["session", "token"])
def test_djangos_cache_of_a_view_keeps_nobodys_answer_for_the_next(issuer: Issuer, url: str, by: str) -> None:
    served_anew(issuer, url, by)


@pytest.mark.threat("6819-4.6.6", off="admit.integrations.django.requests:not_to_be_cached")
@pytest.mark.parametrize("by", ["session", "token"])
def test_nor_that_of_a_view_that_asks_who_it_is(issuer: Issuer, by: str) -> None:
    served_anew(issuer, "/cached-lazy", by)


@pytest.mark.parametrize("by", ["session", "token"])
def test_djangos_cache_of_a_site_keeps_nobodys_answer_for_the_next(issuer: Issuer, by: str) -> None:
    whole = [
        "django.middleware.cache.UpdateCacheMiddleware",
        ADMIT,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    with site(issuer, whole):
        for url in ("/lazy", "/mixed", "/drf"):
            served_anew(issuer, url, by)


def served_anew(issuer: Issuer, url: str, by: str) -> None:
    cache.clear()
    issuer.sign_in_anew()
    raw = {"cookie": f"{COOKIE}={cookies.encode_session_id(issuer.raw)}"}
    sent = bearer(issuer) if by == "token" else raw
    assert b"alice" in client().get(url, headers=sent).content
    other = client().get(url)
    assert b"alice" not in other.content
    issuer.end()
    ended = client().get(url, headers=sent)
    assert (ended.status_code, b"alice" in ended.content) == (401, False)


def test_what_is_the_same_for_all_is_kept_within_the_guard_and_what_is_not_is_not(issuer: Issuer) -> None:
    cache.clear()
    for url, calls in (("/prices", 1), ("/own-prices", 2)):
        COUNTED.clear()
        for _ in range(2):
            answer = client().get(url, headers=cookie())
            assert answer.status_code == 200
        assert len(COUNTED) == calls
        assert client().get(url).status_code == 401


def test_what_a_view_says_to_caches_stays(issuer: Issuer) -> None:
    cache.clear()
    answer = client().get("/own-control", headers=cookie())
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers["vary"] == "Accept-Language, Authorization, Cookie"
    assert client().get("/lazy").headers.get("cache-control") is None, "nobody's"


def test_a_mixin_behind_the_view_would_guard_nothing_and_is_refused() -> None:
    with pytest.raises(ConfigError, match="first"):

        class Open(View, RequiresMixin):
            pass

    class Fine(Mixed):
        def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return super().dispatch(request, *args, **kwargs)

    assert Fine.as_view()(RequestFactory().get("/")).status_code == 401


async def test_guarded_views_need_no_middleware() -> None:
    made = Issuer()
    with site(made, []):
        for url in ("/change", "/change-async", *CLASSES):
            assert (await both(url, bearer(made))).json()["who"]["subject"] == "u_alice"
            assert (await both(url, {})).status_code == 401


@pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_token")
@pytest.mark.parametrize("url", ["/change", "/change-async", *CLASSES])
async def test_a_change_by_cookie_needs_admits_token_and_one_by_bearer_none(issuer: Issuer, url: str) -> None:
    assert (await both(url, bearer(issuer), "post")).status_code == 200
    assert (await both(url, own_page(), "post")).status_code == 200
    assert (await both(url, cookie(), "post")).status_code == 403
    assert (await both(url, {**own_page(), "origin": "https://evil.example"}, "post")).status_code == 403


@pytest.mark.parametrize("url", ["/open-change", "/open-change-async"])
async def test_a_stranger_on_an_open_view_still_meets_djangos_check(issuer: Issuer, url: str) -> None:
    assert (await both(url, bearer(issuer), "post")).status_code == 200
    assert (await both(url, own_page(), "post")).status_code == 200
    refused = await both(url, {}, "post")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "text/html; charset=utf-8")
    browser = client()
    shown_token = (await sync_to_async(browser.get)("/token")).content.decode()
    answered = await sync_to_async(browser.post)(url, headers={"x-csrftoken": shown_token})
    assert answered.json() == {"who": None}
    with site(issuer, [ADMIT]):
        assert (await both(url, {}, "post")).json() == {"who": None}, "a project without that check has none"


async def test_head_has_no_body_and_streams_are_let_through(issuer: Issuer) -> None:
    assert (
        await sync_to_async(client().get)("/streamed", headers=bearer(issuer))
    ).getvalue() == b"u_alice\n" * 3
    assert (await both("/change", bearer(issuer), "head")).content == b""
    refused = await both("/streamed", {}, "head")
    assert (refused.status_code, refused.content) == (401, b"")
    assert refused.headers["www-authenticate"] == 'Bearer realm="orders", scope="orders:read"'


async def test_other_troubles_stay_djangos(issuer: Issuer) -> None:
    with pytest.raises(FetchError):
        await AsyncClient().get("/broken")


@pytest.fixture(params=["user_of", "user_of_async"])
def users(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    made = Issuer()
    ASKED.clear()
    USERS.clear()
    with site(made, [*DJANGO, ADMIT], USER=f"{__name__}.{request.param}"):
        yield made


@pytest.mark.parametrize("url", ["/user", "/user-async"])
async def test_the_projects_user_is_found_by_issuer_and_subject(users: Issuer, url: str) -> None:
    USERS[("https://id.example.com", "u_alice")] = User("Alice")
    for headers in (bearer(users), cookie()):
        assert (await both(url, headers)).json() == {"user": "Alice", "in": True}
    assert set(ASKED) == {("https://id.example.com", "u_alice")}


@pytest.mark.parametrize("url", ["/user", "/user-async"])
async def test_who_is_no_user_of_the_project_is_anonymous(users: Issuer, url: str) -> None:
    nobody = {"user": "AnonymousUser", "in": False}
    USERS[("https://other.example", "u_alice")] = User("another Alice")
    assert (await both(url, bearer(users))).json() == nobody
    USERS[("https://id.example.com", "u_alice")] = User("Alice", is_active=False)
    assert (await both(url, bearer(users))).json() == nobody
    assert (await both(url, {})).json() == nobody
    assert (await both(url, {"authorization": "Bearer junk.junk.junk"})).json() == nobody
    USERS[("https://id.example.com", "u_alice")] = User("Alice")
    users.end()
    for headers in (bearer(users), cookie()):
        assert (await both(url, headers)).json() == nobody


class Overriding:
    """Middleware that looks at the user, then takes the method, or another caller, that a header names."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> Any:
        first = request.user
        assert first is request.user
        assert str(first)
        request.method = request.headers.get("x-method", request.method)
        if "x-caller" in request.headers:
            caller = request.headers["x-caller"]
            request.META["HTTP_AUTHORIZATION"] = caller
            if hasattr(request, "scope"):
                request.scope["headers"] = [(b"authorization", caller.encode())]
        return self._get_response(request)


@pytest.mark.threat("WEB-csrf", off="admit.integrations.gate:still_holds")
@pytest.mark.parametrize("url", ["/user", "/user-async"])
async def test_a_user_by_cookie_is_none_for_a_change_that_was_made_of_a_read(users: Issuer, url: str) -> None:
    USERS[("https://id.example.com", "u_alice")] = User("Alice")
    nobody, alice = {"user": "AnonymousUser", "in": False}, {"user": "Alice", "in": True}
    with override_settings(MIDDLEWARE=[DJANGO[0], DJANGO[2], ADMIT, f"{__name__}.Overriding"]):
        assert (await both(url, cookie())).json() == alice
        assert (await both(url, {**cookie(), "x-method": "DELETE"})).json() == nobody
        assert (await both(url, {**own_page(), "x-method": "DELETE"})).json() == alice
        assert (await both(url, {**bearer(users), "x-method": "DELETE"})).json() == alice
        assert (await both(url, {**bearer(users), "x-caller": "Bearer junk.a.b"})).json() == nobody
        caller = {"x-caller": bearer(users)["authorization"]}
        assert (await both(url, {**bearer(users), **caller})).json() == alice


async def test_a_user_whom_the_project_sets_itself_stays(users: Issuer) -> None:
    request = HttpRequest()
    asked = known(request)
    assert not hasattr(asked, "user")
    asked.user = "first"
    Users(lambda: "lazy").give(asked)
    assert asked.user == "lazy"
    asked.user = "set"
    request.method = "POST"
    assert asked.user == "set"


async def test_whether_it_is_a_user_that_cannot_be_told_is_503(users: Issuer) -> None:
    users.fail()
    for headers in (bearer(users), cookie()):
        assert (await both("/user", headers)).status_code == 503


def test_a_projects_own_tests_use_the_callers_of_admit_testing(issuer: Issuer) -> None:
    with TestIssuer() as trusted:
        caller = trusted.client(Client(), current())
        assert caller.get("/change").status_code == 401
        assert caller.as_(principal("alice")).get("/change").status_code == 403
        for by in ("token", "session"):
            alice = caller.as_(principal("alice", scopes={"orders:read"}), by=by)
            assert alice.get("/change").json()["who"]["subject"] == "alice"
        with current().gate.override(principal("bob", scopes={"orders:read"})):
            assert Client().get("/change").json()["who"]["subject"] == "bob"
    assert Client().get("/change").status_code == 401


async def test_settings_that_cannot_work_stop_the_start() -> None:
    with override_settings(ADMIT={"ISSUER": "https://id.example.com"}), pytest.raises(AdmitError):
        AdmitMiddleware(lambda request: HttpResponse())
