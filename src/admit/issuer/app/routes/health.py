"""`/health/live` and `/health/ready`: is the process up; can it do its work."""

from starlette.responses import Response

from admit.issuer.app import answers
from admit.issuer.app.call import Call
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.readiness import Readiness

RETRY_AFTER = "5"


def routes(readiness: Readiness) -> list[Route]:
    """GET only; neither tells more than a word or two. What is not ready is no refusal: a probe asks each second."""

    async def live(call: Call) -> Response:
        return answers.json({"status": "live"})

    async def ready(call: Call) -> Response:
        why = await readiness.why_not()
        if why is None:
            return answers.json({"status": "ready"})
        return answers.json({"status": why}, status=503, headers={"retry-after": RETRY_AFTER})

    return [
        Route(path="/health/live", handlers={"GET": live}, face=Face.JSON),
        Route(path="/health/ready", handlers={"GET": ready}, face=Face.JSON),
    ]
