"""`/health/live` and `/health/ready`: is the process up; can it do its work."""

from starlette.responses import Response

from admit.issuer.app import answers
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.revocation.store.lists import SELECT_HEAD


def routes(app: App) -> list[Route]:
    """GET only; neither tells more than one word."""

    async def live(call: Call) -> Response:
        return answers.json({"status": "live"})

    async def ready(call: Call) -> Response:
        await app.services.db.read(SELECT_HEAD())
        return answers.json({"status": "ready"})

    return [
        Route(path="/health/live", handlers={"GET": live}, face=Face.JSON),
        Route(path="/health/ready", handlers={"GET": ready}, face=Face.JSON),
    ]
