"""Flask, Django with REST framework, and plain WSGI."""

from collections.abc import Iterator
from functools import wraps
from types import ModuleType
from typing import Any

import django
import flask_jwt_extended as extended
import jwt as pyjwt
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from django.conf import settings
from flask import Flask, abort, request
from joserfc.jwk import KeySet, OctKey

from admit.integrations import flask as admit_flask
from admit.integrations import wsgi as admit_wsgi
from benchmarks.integrations import caller
from benchmarks.integrations.caller import API, ISSUER, ROLE, SCOPE, SECRET, SUBJECT
from benchmarks.integrations.floor import Floor
from benchmarks.integrations.row import ANEW, BARE, FLOOR, REMEMBERED, Row, wsgi


def rows() -> Iterator[Row]:
    """Each application with a token that it takes."""
    token = caller.token()
    for name, remember in ((REMEMBERED, 10_000), (ANEW, 0)):
        verifier = caller.verifier(remember)
        yield wsgi("WSGI", name, admit_wsgi.Guard(verifier)(_plain, SCOPE, role=ROLE), token)
        yield wsgi("Flask", name, _flask(admit_flask.Guard(verifier)(SCOPE, role=ROLE)), token)
    yield wsgi("WSGI", BARE, _plain, token)
    yield wsgi("WSGI", FLOOR, Floor(SECRET, ISSUER, API).around_wsgi(_plain), token)
    yield wsgi("Flask", BARE, _flask(lambda view: view), token)
    yield wsgi("Flask", "PyJWT by hand", _flask(_by_hand), token)
    yield wsgi("Flask", "Flask-JWT-Extended", *_flask_jwt_extended())
    yield wsgi("Flask", "Authlib, RFC 9068", _authlib(), token)
    yield from _django(token)


def _plain(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("content-length", "0")])
    return [b""]


def _flask(decorate: Any) -> Flask:
    app = Flask("bench")

    @app.get("/x")
    @decorate
    def route() -> str:
        return ""

    return app


def _by_hand(view: Any) -> Any:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            abort(401)
        try:
            claims = pyjwt.decode(
                token,
                SECRET,
                algorithms=["HS256"],
                audience=API,
                issuer=ISSUER,
                options={"require": ["exp", "sub"]},
            )
        except pyjwt.InvalidTokenError:
            abort(401)
        if SCOPE not in claims.get("scope", "").split() or ROLE not in claims.get("roles", ()):
            abort(403)
        return view(*args, **kwargs)

    return guarded


def _flask_jwt_extended() -> tuple[Flask, str]:
    def guarded(view: Any) -> Any:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            claims = extended.get_jwt()
            if SCOPE not in claims["scope"].split() or ROLE not in claims["roles"]:
                abort(403)
            return view(*args, **kwargs)

        return extended.jwt_required()(checked)

    app = _flask(guarded)
    app.config.update(
        JWT_SECRET_KEY=SECRET,
        JWT_DECODE_AUDIENCE=API,
        JWT_ENCODE_AUDIENCE=API,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_ISSUER=ISSUER,
    )
    extended.JWTManager(app)
    with app.app_context():
        said = {"scope": SCOPE, "roles": [ROLE]}
        token: str = extended.create_access_token(SUBJECT, additional_claims=said, expires_delta=False)
    return app, token


def _authlib() -> Flask:
    class Tokens(JWTBearerTokenValidator):  # type: ignore[misc]  # it has no types
        def get_jwks(self) -> Any:
            return KeySet([OctKey.import_key(SECRET, {"alg": "HS256"})])

    protector = ResourceProtector()
    protector.register_token_validator(Tokens(issuer=ISSUER, resource_server=API))
    return _flask(protector(SCOPE, roles=[ROLE]))


def _django(token: str) -> Iterator[Row]:
    urls, verifier = ModuleType("routes"), caller.verifier(10_000)
    settings.configure(
        ADMIT={"VERIFIER": verifier},
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework",
            "admit.integrations.django",
        ],
        LOGGING_CONFIG=None,
        MIDDLEWARE=["admit.integrations.django.AdmitMiddleware"],
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": []},
        ROOT_URLCONF=urls,
        SECRET_KEY=SECRET.hex(),
        SIMPLE_JWT={"SIGNING_KEY": SECRET, "AUDIENCE": API, "ISSUER": ISSUER, "JTI_CLAIM": None},
    )
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path
    from rest_framework.permissions import AllowAny, IsAuthenticated
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
    from rest_framework_simplejwt.tokens import AccessToken

    from admit.integrations.django import requires
    from admit.integrations.django.rest_framework import AdmitAuthentication, HasRole, HasScope

    def of_rest_framework(authentication: list[Any], permissions: list[Any]) -> Any:
        class View(APIView):  # type: ignore[misc]  # it has no types
            authentication_classes = authentication
            permission_classes = permissions

            def get(self, request: Any) -> Any:
                return Response()

        return View.as_view()

    def view(request: Any) -> HttpResponse:
        return HttpResponse()

    def admitted() -> Any:
        return of_rest_framework([AdmitAuthentication], [HasScope(SCOPE), HasRole(ROLE)])

    views = {
        ("Django", BARE): view,
        ("Django", REMEMBERED): requires(SCOPE, role=ROLE)(view),
        ("Django", ANEW): requires(SCOPE, role=ROLE)(view),
        ("REST framework", BARE): of_rest_framework([], [AllowAny]),
        ("REST framework", REMEMBERED): admitted(),
        ("REST framework", ANEW): admitted(),
        ("REST framework", "simplejwt, stateless"): of_rest_framework(
            [JWTStatelessUserAuthentication], [IsAuthenticated]
        ),
    }
    made: Any = AccessToken()
    made["user_id"] = SUBJECT
    vars(urls)["urlpatterns"] = [path(str(n), view) for n, view in enumerate(views.values())]
    handler = WSGIHandler()

    def forgetting(environ: Any, start_response: Any) -> Any:
        """There is one verifier in the settings, so for one request it remembers nothing."""
        kept, verifier.recall = verifier.recall, lambda _: None
        try:
            return handler(environ, start_response)
        finally:
            verifier.recall = kept

    for n, (framework, name) in enumerate(views):
        app = forgetting if name == ANEW else handler
        yield wsgi(framework, name, app, str(made) if "simplejwt" in name else token, path=f"/{n}")
