"""A small Django project whose people come by mozilla-django-oidc. Settings from a JSON file; served by uvicorn.

`/` needs a signed-in person and says who it is as JSON; `/bye` is where people are sent after signing out. With
`renew` seconds of 0 each request renews the sign-in, by prompt=none, as `SessionRefresh` does when it is over.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlencode

import django
import uvicorn
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

GIVEN = json.loads(Path(sys.argv[1]).read_text("utf-8"))
ISSUER = GIVEN["issuer"]

settings.configure(
    SECRET_KEY="of this test alone",
    DEBUG=False,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": GIVEN["database"]}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "mozilla_django_oidc",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    LOGIN_URL="oidc_authentication_init",
    LOGIN_REDIRECT_URL="/",
    LOGIN_REDIRECT_URL_FAILURE="/failed",
    LOGOUT_REDIRECT_URL="/bye",
    ALLOW_LOGOUT_GET_METHOD=True,
    OIDC_RP_CLIENT_ID=GIVEN["client_id"],
    OIDC_RP_CLIENT_SECRET=GIVEN["secret"],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_RP_SCOPES="openid profile email",
    OIDC_OP_AUTHORIZATION_ENDPOINT=f"{ISSUER}/authorize",
    OIDC_OP_TOKEN_ENDPOINT=f"{ISSUER}/token",
    OIDC_OP_USER_ENDPOINT=f"{ISSUER}/userinfo",
    OIDC_OP_JWKS_ENDPOINT=f"{ISSUER}/jwks",
    OIDC_OP_LOGOUT_URL_METHOD=f"{__name__}.logout_url",
    OIDC_STORE_ID_TOKEN=True,
    OIDC_USE_PKCE=True,
    OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS=GIVEN["renew"],
    USE_TZ=True,
)


def logout_url(request: HttpRequest) -> str:
    """Where signing out goes on to: the issuer, and from there back to us."""
    query = {"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": GIVEN["bye"]}
    return f"{ISSUER}/logout?{urlencode(query)}"


@login_required
def home(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"email": request.user.email, "username": request.user.get_username()})


def people(request: HttpRequest) -> HttpResponse:
    from django.contrib.auth import get_user_model

    found = get_user_model().objects.order_by("pk").values_list("email", flat=True)
    return JsonResponse({"people": list(found)})


def said(text: str) -> HttpResponse:
    return JsonResponse({"page": text})


urlpatterns = [
    path("", home),
    path("people", people),
    path("health", lambda request: said("health")),
    path("bye", lambda request: said("bye")),
    path("failed", lambda request: said("failed")),
    path("oidc/", include("mozilla_django_oidc.urls")),
]

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    uvicorn.run(
        get_asgi_application(), host="127.0.0.1", port=GIVEN["port"], log_level="warning", lifespan="off"
    )
