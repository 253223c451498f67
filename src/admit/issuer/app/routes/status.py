"""`/status`, `/status/head`, `/status/events`, `/status/{n}`: what is revoked.

Contracts §3; Token Status List §8.1, §9.
"""

from datetime import timedelta

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.event_stream import EventStream, head_only
from admit.issuer.revocation.events import read_id


def routes(app: App, *, stream_life: timedelta) -> list[Route]:
    """Public: a list tells nothing to whoever holds no token of it."""
    status = app.services.status

    async def aggregation(call: Call) -> Response:
        await status.refresh()
        return answers.json({"status_lists": status.uris})

    async def head(call: Call) -> Response:
        nonce = call.query.required("nonce")
        token = await status.head(nonce, call.now, app.services.keys.snapshot)
        return Response(
            token, media_type="application/admit-status-head+jwt", headers={"cache-control": "no-store"}
        )

    async def events(call: Call) -> Response:
        since = read_id(call.header(b"last-event-id"))
        if call.scope["method"] == "HEAD":
            return head_only()
        return EventStream(await status.subscribe(since, call.info.ip), life=stream_life)

    async def one(call: Call) -> Response:
        if not (call.path_value.isascii() and call.path_value.isdigit() and len(call.path_value) <= 12):
            raise answers.NotFoundError
        found = await status.list_token(int(call.path_value), call.now, app.services.keys.snapshot)
        if found is None:
            raise answers.NotFoundError
        token, etag = found
        if call.header(b"if-none-match") == etag.encode():
            return Response(status_code=304, headers={"etag": etag, "cache-control": "no-cache"})
        return Response(
            token,
            media_type="application/statuslist+jwt",
            headers={"etag": etag, "cache-control": "no-cache"},
        )

    return [
        Route(path="/status", handlers={"GET": aggregation}, face=Face.JSON, cors=CorsPolicy.EVERYBODY),
        Route(
            path="/status/head", handlers={"GET": head}, face=Face.JSON, cors=CorsPolicy.EVERYBODY_WHO_ASKS
        ),
        Route(path="/status/events", handlers={"GET": events}, face=Face.JSON, cors=CorsPolicy.EVERYBODY),
        Route(path="/status/*", handlers={"GET": one}, face=Face.JSON, cors=CorsPolicy.EVERYBODY),
    ]
