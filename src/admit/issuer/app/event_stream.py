"""An answer that stays open: what a subscription is given, as it comes, until somebody ends it."""

import asyncio
import contextlib
import random
import signal
from datetime import timedelta
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from admit.issuer.revocation import events
from admit.issuer.revocation.stream import Subscription

COMMENT_EVERY: Final = 10.0
_LAST_WORD: Final = 1.0  # seconds that the end of an answer may take to be written
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold events back until its buffer is full
}


class EventStream(Response):
    """`text/event-stream` of one subscription, and a comment each `COMMENT_EVERY` seconds.

    Ends when the reader goes, when the subscription is closed (the server stops), and after `life`, less up to a
    fifth of it: streams that were opened together do not come back together. A reader that stopped reading cannot
    outlive it either.
    """

    media_type = events.MEDIA_TYPE

    def __init__(self, subscription: Subscription, *, life: timedelta) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._subscription = subscription
        self._life = life.total_seconds() * random.uniform(0.8, 1.0)  # noqa: S311  # spreads load, hides nothing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        subscription, loop = self._subscription, asyncio.get_running_loop()
        watching = loop.create_task(_close_when_gone(subscription, receive))
        self._arm(loop)
        try:
            async with asyncio.timeout(self._life):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                while (piece := await subscription.next()) is not None:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            pass
        finally:
            subscription.close()
            watching.cancel()
            self._timer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(COMMENT_EVERY, self._comment, loop)

    def _comment(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._subscription.idle:
            self._subscription.offer(events.COMMENT, events.COMMENT)
        self._arm(loop)


def head_only() -> Response:
    """The answer to HEAD: what GET would begin with."""
    answer = Response(headers=_HEADERS, media_type=events.MEDIA_TYPE)
    del answer.headers["content-length"]
    return answer


async def _close_when_gone(subscription: Subscription, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscription.close()


def server_is_stopping() -> bool:
    """Whether the server around us was told to stop, as far as can be known: it waits for open answers first.

    uvicorn tells applications nothing before their last answer is over. But the handler that it has for SIGTERM is a
    method of its server, and that says whether it is to exit.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True
