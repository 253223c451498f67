"""`Bff` in Django.

urlpatterns = [*urls(bff), ...]
who = signed_in(bff, request)                       # an Identity, or None
"""

import asyncio
from typing import Self

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.passing import Passing

__all__ = ["check_csrf", "signed_in", "urls"]


def urls(bff: Bff) -> list[URLPattern]:
    """The routes below the `mount` of a `Bff`. Django's own CSRF defence leaves them out: they have one.

    They are answered in a thread, under WSGI and ASGI alike. For the path as it was sent see `flask.blueprint`.

    Raises:
        ConfigError: an API has WebSockets, which Django has not.
    """
    body.check_no_websockets(bff)

    @csrf_exempt  # type: ignore[untyped-decorator]  # Django has no types of its own
    def handle(request: HttpRequest) -> HttpResponseBase:
        scope = getattr(request, "scope", None)
        headers, path = _headers(request), body.sent_path(request.META, scope)
        sent, upload = b"", None
        if body.is_upload(bff, path, headers):
            upload = iter(lambda: request.read(body.PIECE), b"")
        else:
            sent = request.read(body.HELD + 1)
        if len(sent) > body.HELD:
            return _response(body.too_large())
        query = request.META.get("QUERY_STRING", "")
        answer = bff.handle(Request(request.method or "GET", path, query, headers, sent, upload))
        return _response(answer, in_loop=scope is not None)

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


def _response(answer: Answer, *, in_loop: bool = False) -> HttpResponseBase:
    response: HttpResponseBase
    if answer.passing is None:
        response = HttpResponse(answer.body, status=answer.status)
    else:
        pieces = _InThreads(answer.passing) if in_loop else answer.passing
        response = StreamingHttpResponse(pieces, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        if name == "set-cookie":
            response.cookies.load(value)
        else:
            response[name] = value
    return response


class _InThreads:
    """An answer that is read in threads. Under ASGI, Django reads an iterable to its end before it sends any."""

    def __init__(self, passing: Passing) -> None:
        self._passing = passing

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await asyncio.to_thread(next, self._passing, None)
        if piece is None:
            raise StopAsyncIteration
        return piece

    def close(self) -> None:
        self._passing.close()
