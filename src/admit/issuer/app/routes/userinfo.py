"""`/userinfo`, OpenID Connect Core §5.3: GET, or POST with the token in the header or the form."""

from typing import Final

from starlette.responses import Response

from admit import credentials
from admit.credentials import BearerCredential
from admit.credentials.cors import CorsPolicy
from admit.errors import MissingCredentialError
from admit.issuer.app import answers
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth import userinfo

SIGNED: Final = "application/jwt"


def routes(app: App) -> list[Route]:
    """GET and POST answer the same."""

    async def answer(call: Call) -> Response:
        body = await call.body() if call.method == "POST" else None
        url = call.scope["path"] + "?" + call.scope.get("query_string", b"").decode("latin-1")
        found = credentials.read(call.headers, call.method, url, form=body)
        if not isinstance(found, BearerCredential):
            raise MissingCredentialError("no bearer token")
        told = await userinfo.userinfo(app.services, found.token, call.now)
        call.client_id = told.client.id
        signed = userinfo.signed(app.services, told)
        return Response(signed, media_type=SIGNED) if signed is not None else answers.json(told.claims)

    return [
        Route(
            path="/userinfo", handlers={"GET": answer, "POST": answer}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED, exempt="no cookie is read, nothing is changed", who=Who.USER,
        )
    ]  # fmt: skip
