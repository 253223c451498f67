"""`Bff` in Django.

urlpatterns = [*urls(bff), ...]                     # under ASGI: aurls(bff)
who = signed_in(bff, request)                       # an Identity, or None
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Self

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.passing import Passing

__all__ = ["asigned_in", "aurls", "check_csrf", "signed_in", "urls"]


def urls(bff: Bff) -> list[URLPattern]:
    """The routes below the `mount` of a `Bff`. Django's own CSRF defence leaves them out: they have one.

    They are answered in a thread: for an application under ASGI `aurls` is better, where a stream takes none. For the
    path as it was sent see `flask.blueprint`.

    Raises:
        ConfigError: an API has WebSockets, which Django has not.
    """
    body.check_no_websockets(bff)

    def handle(request: HttpRequest) -> HttpResponseBase:
        found = _request(bff, request)
        if found is None:
            return _response(body.too_large())
        answer = bff.handle(found)
        if answer.passing is None:
            return _response(answer)
        loop = hasattr(request, "scope")
        return _response(answer, _InThreads(answer.passing) if loop else answer.passing)

    return [_route(bff, handle)]


def aurls(bff: Bff) -> list[URLPattern]:
    """`urls` for an application under ASGI, answered in its event loop.

    Raises:
        ConfigError: an API has WebSockets, which Django has not.
    """
    body.check_no_websockets(bff)

    async def handle(request: HttpRequest) -> HttpResponseBase:
        found = _request(bff, request)
        if found is None:
            return _response(body.too_large())
        if found.upload is not None:
            found = replace(found, upload=_apieces(request))
        answer = await bff.ahandle(found)
        return _response(answer, None if answer.passing is None else _InLoop(answer.passing))

    return [_route(bff, handle)]


def signed_in(bff: Bff, request: HttpRequest) -> Identity | None:
    """Who is signed in, for a view of the application's own. One that changes things holds `check_csrf` too.

    Raises:
        UnavailableError: the session store does not answer.
    """
    return bff.session(_headers(request))


async def asigned_in(bff: Bff, request: HttpRequest) -> Identity | None:
    """`signed_in` for an asynchronous view.

    Raises:
        UnavailableError: the session store does not answer.
    """
    return await bff.asession(_headers(request))


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


def _route(bff: Bff, view: Callable[..., Any]) -> URLPattern:
    below = rf"^{bff.config.mount.removeprefix('/')}/.*$"
    made: URLPattern = re_path(below, csrf_exempt(view), name="admit-bff")
    return made


def _request(bff: Bff, request: HttpRequest) -> Request | None:
    """What was asked; None where more was sent than is held."""
    headers, path = _headers(request), body.sent_path(request.META, getattr(request, "scope", None))
    sent, upload = b"", None
    if body.is_upload(bff, path, headers):
        upload = iter(lambda: request.read(body.PIECE), b"")
    else:
        sent = request.read(body.HELD + 1)
        if len(sent) > body.HELD:
            return None
    query = request.META.get("QUERY_STRING", "")
    return Request(request.method or "GET", path, query, headers, sent, upload)


async def _apieces(request: HttpRequest) -> AsyncIterator[bytes]:
    # Under ASGI, Django keeps a body in memory or on its disk before it asks any view.
    while piece := await asyncio.to_thread(request.read, body.PIECE):
        yield piece


def _response(answer: Answer, pieces: "Passing | _InThreads | _InLoop | None" = None) -> HttpResponseBase:
    response: HttpResponseBase
    if pieces is None:
        response = HttpResponse(answer.body, status=answer.status)
    else:
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


class _InLoop:
    """An answer that is read in the event loop, and let go of there, from whichever thread Django closes it."""

    def __init__(self, passing: Passing) -> None:
        self._passing = passing
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._passing)

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over, and its connections with it
            self._loop.call_soon_threadsafe(self._begin_closing)

    def _begin_closing(self) -> None:
        if self._closing is None:
            self._closing = self._loop.create_task(self._passing.aclose())
