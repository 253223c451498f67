"""Answers `admit doctor`'s question how its request arrived. For everybody else there is nothing at that path."""

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from admit.issuer.app import answers, probe
from admit.issuer.app.dispatch import check_host
from admit.issuer.storage import Keyring


class Probed:
    """ASGI middleware. It is no route: one would tell that it is there by the methods that it refuses."""

    def __init__(self, app: ASGIApp, keyring: Keyring, *, issuer: str, clock: Callable[[], float]) -> None:
        self._app = app
        self._keyring = keyring
        self._clock = clock
        self._host = urlsplit(issuer).netloc.lower()
        self._path = urlsplit(issuer).path + probe.PATH

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in (self._path, probe.PATH):
            answer = self._answer(scope)
            if answer is not None:
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        asked = [value for name, value in scope["headers"] if name == probe.HEADER.encode()]
        if scope["method"] != "GET" or len(asked) != 1 or not check_host(scope, self._host):
            return None
        now = self._clock()
        nonce = probe.nonce_of(self._keyring, asked[0].decode("latin-1"), now=now)
        if nonce is None:
            return None
        body = msgspec.json.encode(probe.seen(scope, now=now))
        proof = probe.answer_mac(self._keyring, nonce, body)
        return Response(body, media_type=answers.JSON, headers={probe.HEADER: proof})
