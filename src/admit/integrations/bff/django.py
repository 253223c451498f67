"""`Bff` in Django.

urlpatterns = [*urls(bff), ...]
who = signed_in(bff, request)                       # an Identity, or None
"""

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff.http import Answer, Request

__all__ = ["check_csrf", "signed_in", "urls"]


def urls(bff: Bff) -> list[URLPattern]:
    """The routes below the `mount` of a `Bff`. Django's own CSRF defence leaves them out: they have one.

    They are answered in a thread, under WSGI and ASGI alike. For the path as it was sent see `flask.blueprint`.
    """
    most = body.limit(bff)

    @csrf_exempt  # type: ignore[untyped-decorator]  # Django has no types of its own
    def handle(request: HttpRequest) -> HttpResponse:
        sent = request.read(most + 1)
        if len(sent) > most:
            return _response(body.too_large())
        return _response(
            bff.handle(
                Request(
                    request.method or "GET",
                    body.sent_path(request.META, getattr(request, "scope", None)),
                    request.META.get("QUERY_STRING", ""),
                    _headers(request),
                    sent,
                )
            )
        )

    return [re_path(rf"^{bff.config.mount.removeprefix('/')}/.*$", handle, name="admit-bff")]


def signed_in(bff: Bff, request: HttpRequest) -> Identity | None:
    """Who is signed in, for a view of the application's own. One that changes things holds `check_csrf` too.

    Raises:
        UnavailableError: the session store does not answer.
    """
    return bff.session(_headers(request))


def check_csrf(bff: Bff, request: HttpRequest) -> None:
    """Hold that a page of this application made the request.

    Raises:
        CsrfError: another may have.
        SessionError: there is no session cookie.
    """
    bff.check_csrf(request.method or "GET", _headers(request))


def _headers(request: HttpRequest) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in request.headers.items()
    ]


def _response(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers:
        if name == "set-cookie":
            response.cookies.load(value)
        else:
            response[name] = value
    return response
