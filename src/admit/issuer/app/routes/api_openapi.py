"""`/api/openapi.json`: the description of the JSON API. It tells what this version can do, and nothing of anybody."""

from collections.abc import Sequence

from starlette.responses import Response

from admit.issuer.app import answers
from admit.issuer.app.api import openapi
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route


def routes(app: App, described: Sequence[Route]) -> list[Route]:
    """GET only. `described` are the API's other routes."""

    async def get(call: Call) -> Response:
        return answers.json(
            openapi.document([*described, route], issuer=app.issuer, session_cookie=app.cookies.session_name)
        )

    route = Route(
        path="/api/openapi.json", handlers={"GET": get}, face=Face.JSON,
        told={
            "GET": Operation(id="describe", summary="This description", who=Who.ANYBODY, shape="OpenAPI"),
        },
    )  # fmt: skip
    return [route]
