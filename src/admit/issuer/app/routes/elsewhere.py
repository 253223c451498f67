"""In the place of the pages that make and change accounts, where an application keeps them: what they say."""

from typing import Final

from starlette.responses import Response

from admit.issuer.accounts.errors import AccountElsewhereError
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route

PATHS: Final = ("/signup", "/forgot", "/reset", "/verify", "/account/password", "/account/email")


def routes(app: App) -> list[Route]:
    """404 for each, on a page that tells where such things are done. Nothing that is sent is read."""

    async def answer(call: Call) -> Response:
        raise AccountElsewhereError("an application keeps the accounts")

    return [
        Route(
            path=path,
            handlers={"GET": answer, "POST": answer},
            face=Face.PAGE,
            exempt="nothing is read and nothing is done",
        )
        for path in PATHS
    ]
