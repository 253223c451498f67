"""What REST framework's glue adds: users, composed permissions, its own exceptions, and drf-spectacular's document."""

import contextlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec
from typing import Any, ClassVar

from tests.fixtures.django import Site, settings  # isort: skip  # settings come before what needs them
import pytest
import rest_framework
from django.test import Client, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from admit.errors import ConfigError
from admit.integrations.django import requires
from admit.integrations.django.rest_framework import (
    AdmitAuthentication,
    HasGroup,
    HasRole,
    HasScope,
    PrincipalUser,
    SignedIn,
)
from admit.principal import ByReference, Principal
from tests.contract.services import COOKIE, PAGES, Issuer, shown
from tests.unit.integrations.test_django import USERS, User, bearer, cookie, own_page, user_of

HANDLER = "rest_framework.views.exception_handler"


class Told(APIView):
    def get(self, request: Request) -> Response:
        return Response({"who": shown(request.auth), "user": str(request.user)})

    post = get


class Late(Told):
    """The principal is looked at by hand, where only the middleware's request has it."""

    permission_classes: ClassVar[list[Any]] = [AllowAny]
    authentication_classes: ClassVar[list[Any]] = []

    def get(self, request: Any) -> Response:
        return Response({"who": shown(request.principal)})


class Owned(Told):
    """One object of a person's own."""

    permission_classes: ClassVar[list[Any]] = [HasScope("orders:read")]

    def get(self, request: Request) -> Response:
        self.check_object_permissions(request, object())
        return Response({"who": shown(request.auth)})


class Nobodys(HasScope):
    def has_object_permission(self, request: Request, view: Any, obj: object) -> bool:
        return False


class Methods(APIView):
    """Guarded as any class of Django's; one method asks for more."""

    permission_classes: ClassVar[list[Any]] = []

    @method_decorator(requires("orders:read"))
    def get(self, request: Request) -> Response:
        return Response(shown(request.principal))

    @requires("orders:read")
    def post(self, request: Request) -> Response:
        return Response("never")


def told(*permissions: Any, **more: Any) -> Any:
    return Told.as_view(permission_classes=list(permissions), **more)


ROUTES = [
    path("plain", told(IsAuthenticated)),
    path("any", told(HasScope)),
    path("read", told(HasScope("orders:read"))),
    path("both", told(HasScope("orders:read") & HasRole("admin"))),
    path("two", told(HasScope("orders:read"), HasScope("orders:list"))),
    path("either", told(HasScope("orders:write") | HasRole("admin"))),
    path("either-way", told(AllowAny | HasScope("orders:write"))),
    path("not", told(IsAuthenticated & ~HasScope("orders:write"))),
    path("with-class", told(IsAuthenticated & HasGroup("staff"))),
    path("staff-or-admin", told(HasGroup("staff") | HasRole("admin"))),
    path("strong", told(SignedIn(acr="urn:admit:acr:2fa"))),
    path("late", Late.as_view()),
    path("methods", Methods.as_view()),
    path("owned", Owned.as_view()),
    path("nobodys", Owned.as_view(permission_classes=[Nobodys("orders:read")])),
    path(
        "session-first", told(HasScope, authentication_classes=[SessionAuthentication, AdmitAuthentication])
    ),
    path("other-only", told(HasScope, authentication_classes=[SessionAuthentication])),
]


@contextlib.contextmanager
def serving(issuer: Issuer, rest_framework: dict[str, Any] | None = None, **more: Any) -> Iterator[Client]:
    options = {"sessions": issuer, "origins": {PAGES}, "realm": "orders", **more}
    framework = {**settings.REST_FRAMEWORK, **(rest_framework or {})}
    with Site(ROUTES, issuer.verifier, options, REST_FRAMEWORK=framework)():
        yield Client(enforce_csrf_checks=True)


@pytest.fixture
def issuer() -> Issuer:
    USERS.clear()
    return Issuer()


@pytest.fixture
def site(issuer: Issuer) -> Iterator[Client]:
    with serving(issuer) as client:
        yield client


def get(site: Client, url: str, headers: dict[str, str] | None = None, method: str = "get") -> Any:
    return getattr(site, method)(url, headers=headers or {})


def test_the_principal_is_request_auth_and_the_user_a_stand_in(site: Client, issuer: Issuer) -> None:
    for headers in (bearer(issuer), cookie()):
        answer = get(site, "/plain", headers)
        assert answer.json()["who"]["subject"] == "u_alice"
        assert answer.json()["user"] == "u_alice"


def test_the_projects_user_is_request_user_and_who_is_none_is_anonymous(issuer: Issuer) -> None:
    with serving(issuer, user=user_of) as site:
        assert get(site, "/read", bearer(issuer)).json()["user"] == "AnonymousUser"
        assert get(site, "/plain", bearer(issuer)).status_code == 403
        USERS[("https://id.example.com", "u_alice")] = User("Alice")
        assert get(site, "/plain", bearer(issuer)).json()["user"] == "Alice"
        USERS[("https://id.example.com", "u_alice")] = User("Alice", is_active=False)
        assert get(site, "/plain", bearer(issuer)).status_code == 403


@pytest.mark.rfc("6750", "3.1")
def test_a_stranger_gets_401_with_the_challenge_of_what_is_asked(site: Client) -> None:
    for url, challenge in (
        ("/plain", 'Bearer realm="orders"'),
        ("/any", 'Bearer realm="orders"'),
        ("/read", 'Bearer realm="orders", scope="orders:read"'),
    ):
        answer = get(site, url)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)
        assert answer.json() == {"error": "unauthorized", "error_description": "Sign in first."}
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.rfc("6750", "3.1")
def test_without_the_scope_it_is_403_with_a_challenge_that_names_it(site: Client, issuer: Issuer) -> None:
    issuer.scopes = frozenset()
    for url in ("/read", "/both"):
        answer = get(site, url, bearer(issuer))
        assert answer.status_code == 403
        assert answer.json()["error"] == "insufficient_scope"
        assert 'scope="orders:read"' in answer.headers["www-authenticate"]
    two = get(site, "/two", bearer(issuer))
    assert 'scope="orders:list orders:read"' in two.headers["www-authenticate"], "all at once"


def test_permissions_are_joined_as_any_others(site: Client, issuer: Issuer) -> None:
    for url in ("/both", "/either", "/either-way", "/not", "/with-class", "/staff-or-admin"):
        answer = get(site, url, bearer(issuer))
        assert (answer.status_code, "www-authenticate" in answer.headers) == (200, False), url
    issuer.roles = frozenset()
    assert get(site, "/both", bearer(issuer)).status_code == 403
    assert get(site, "/either", bearer(issuer)).status_code == 403
    assert get(site, "/either-way").status_code == 200
    issuer.groups = frozenset()
    assert get(site, "/with-class", bearer(issuer)).status_code == 403
    issuer.scopes = frozenset({"orders:write"})
    assert get(site, "/either", bearer(issuer)).status_code == 200
    assert get(site, "/not", bearer(issuer)).status_code == 403


def test_what_cannot_be_told_is_503_however_it_is_joined(site: Client, issuer: Issuer) -> None:
    issuer.groups = ByReference("https://id.example.com/userinfo")
    answer = get(site, "/staff-or-admin", bearer(issuer))
    assert (answer.status_code, answer.json()["error"]) == (503, "groups_unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.rfc("9470", "3")
def test_a_weak_sign_in_is_told_what_to_do(site: Client, issuer: Issuer) -> None:
    answer = get(site, "/strong", bearer(issuer))
    assert answer.status_code == 401
    assert 'acr_values="urn:admit:acr:2fa"' in answer.headers["www-authenticate"]


def test_a_refusal_of_an_object_is_rest_frameworks_own(site: Client, issuer: Issuer) -> None:
    assert get(site, "/owned", bearer(issuer)).status_code == 200
    answer = get(site, "/nobodys", bearer(issuer))
    assert (answer.status_code, list(answer.json())) == (403, ["detail"])


def test_a_principal_that_is_asked_for_by_hand_is_refused_alike(site: Client, issuer: Issuer) -> None:
    assert get(site, "/late", bearer(issuer)).json()["who"]["subject"] == "u_alice"
    refused = get(site, "/late", {"authorization": "Bearer junk.junk.junk"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    with serving(issuer, {"EXCEPTION_HANDLER": HANDLER}) as bare:
        assert get(bare, "/late", {"authorization": "Bearer junk.junk.junk"}).status_code == 401


def test_with_another_handler_the_statuses_are_the_same(issuer: Issuer) -> None:
    with serving(issuer, {"EXCEPTION_HANDLER": HANDLER}) as site:
        assert get(site, "/read", bearer(issuer)).status_code == 200
        stranger = get(site, "/read")
        assert stranger.status_code == 401
        assert stranger.headers["www-authenticate"] == 'Bearer realm="orders", scope="orders:read"'
        bad = get(site, "/read", {"authorization": "Bearer junk.junk.junk"})
        assert (bad.status_code, bad.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in bad.headers["www-authenticate"]
        issuer.scopes = frozenset()
        assert get(site, "/read", bearer(issuer)).status_code == 403
        issuer.fail()
        assert int(get(site, "/read", bearer(issuer)).headers["retry-after"]) > 0


def test_only_what_rest_framework_authenticated_counts(site: Client, issuer: Issuer) -> None:
    assert get(site, "/session-first", bearer(issuer)).status_code == 200
    assert get(site, "/other-only", bearer(issuer)).status_code in (401, 403)


@pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_token")
def test_a_change_by_cookie_needs_the_token(site: Client, issuer: Issuer) -> None:
    assert get(site, "/any", bearer(issuer), "post").status_code == 200
    assert get(site, "/any", own_page(), "post").status_code == 200
    assert get(site, "/any", {**cookie(), "origin": PAGES}, "post").status_code == 403


def test_a_test_may_put_a_principal_there_by_rest_frameworks_own_means(site: Client) -> None:
    who = Principal(
        issuer="https://id.example.com",
        subject="u_bob",
        client_id="spa",
        audience=frozenset(),
        scopes=frozenset({"orders:read"}),
    )
    request = APIRequestFactory().get("/read")
    force_authenticate(request, PrincipalUser(who), who)
    assert told(HasScope("orders:read"))(request).data["who"]["subject"] == "u_bob"


def test_a_method_may_be_guarded_too_and_how_is_told(site: Client, issuer: Issuer) -> None:
    assert get(site, "/methods", bearer(issuer)).json()["subject"] == "u_alice"
    assert get(site, "/methods").status_code == 401
    with pytest.raises(ConfigError, match="method_decorator"):
        get(site, "/methods", bearer(issuer), "post")


def test_a_stand_in_is_one_for_throttling_and_never_two_issuers_same() -> None:
    def user(issuer: str, subject: str) -> PrincipalUser:
        return PrincipalUser(Principal(issuer=issuer, subject=subject, client_id="spa", audience=frozenset()))

    class Throttle(UserRateThrottle):
        rate = "1/min"

    one, same, other = (
        user("https://a.example", "u x"),
        user("https://a.example", "u x"),
        user("https://b.example", "u x"),
    )
    assert (one, hash(one), one.pk) == (same, hash(same), same.pk)
    assert one != other
    assert one.pk != other.pk
    assert one != "u x"
    assert one.is_authenticated
    assert not one.has_perm("shop.view_order")
    assert not one.has_perms([])
    assert not any((one.is_staff, one.is_superuser, one.is_anonymous))
    request = APIRequestFactory().get("/")
    force_authenticate(request, one)
    asked = APIView().initialize_request(request)
    assert str(Throttle().get_cache_key(asked, APIView())).isascii()
    assert user("a", "b\ud800").pk


@pytest.mark.parametrize(
    "wrong", [lambda: HasScope("orders:read orders:write"), lambda: HasRole(""), lambda: HasGroup("")]
)
def test_what_nobody_can_have_is_refused_when_it_is_written(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        wrong()


def document(hooks: list[str]) -> dict[str, Any]:
    from drf_spectacular.settings import patched_settings

    with patched_settings({"POSTPROCESSING_HOOKS": hooks}):
        made: dict[str, Any] = SchemaGenerator(patterns=SHOWN).get_schema(request=None, public=True)
    return made


SHOWN = [
    path("read", told(HasScope("orders:read") & (HasScope("orders:list") & HasRole("admin")))),
    path("either", told(HasScope("orders:read") | HasRole("admin"))),
    path("open", told(AllowAny, authentication_classes=[])),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_document_tells_of_scheme_scopes_and_refusals(issuer: Issuer) -> None:
    with serving(issuer):
        made = document(["admit.integrations.django.spectacular.describe"])
    schemes = made["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["session"] == {"type": "apiKey", "in": "cookie", "name": COOKIE}
    read, either = made["paths"]["/read"]["get"], made["paths"]["/either"]["get"]
    assert read["security"] == [{"bearer": ["orders:list", "orders:read"]}, {"session": []}]
    assert either["security"] == [{"bearer": []}, {"session": []}]
    assert {"200", "401", "403"} <= set(read["responses"])
    assert "WWW-Authenticate" in read["responses"]["401"]["headers"]
    assert made["paths"]["/open"]["get"]["security"] == [{}]
    assert set(made["paths"]["/open"]["get"]["responses"]) == {"200"}
    with override_settings(ADMIT={"VERIFIER": issuer.verifier}):
        made = document([])
    assert list(made["components"]["securitySchemes"]) == ["bearer"]
    assert made["paths"]["/read"]["get"]["security"] == [{"bearer": ["orders:list", "orders:read"]}]
    assert "401" not in made["paths"]["/read"]["get"]["responses"]


def test_rest_framework_is_told_of_all_this() -> None:
    assert [AdmitAuthentication] == api_settings.DEFAULT_AUTHENTICATION_CLASSES


def test_the_module_may_be_the_first_that_a_project_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """REST framework's views ask the settings for their classes, which are in this module: it is loaded before them."""
    spec = find_spec("admit.integrations.django.rest_framework")
    assert spec is not None
    assert spec.loader is not None
    for name in ("views", "schemas"):
        monkeypatch.delattr(rest_framework, name)
        monkeypatch.setitem(sys.modules, f"rest_framework.{name}", None)
    fresh = module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert fresh.AdmitAuthentication.__name__ == "AdmitAuthentication"
