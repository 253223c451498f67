"""`/static/{version}/{name}`: stylesheet, scripts and mark of the pages."""

from urllib.parse import urlsplit

from starlette.responses import Response

from admit.issuer.app import answers
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route


def routes(app: App) -> list[Route]:
    """One row: the version in the path is that of the files now."""
    assets = app.pages.assets
    https = urlsplit(app.issuer).scheme == "https"

    async def get(call: Call) -> Response:
        response = assets.response(assets.version, call.path_value, https=https)
        if response is None:
            raise answers.NotFoundError
        return response

    return [Route(path=f"/static/{assets.version}/*", handlers={"GET": get}, face=Face.PAGE)]
