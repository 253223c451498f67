"""`/introspect`: token introspection, RFC 7662, and its signed answers, RFC 9701."""

from typing import Final

from starlette.responses import Response

from admit.issuer.app import answers
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.client_call import client_of
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.token import refuse_query
from admit.issuer.oauth import introspect, resource_auth
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.introspect import Caller
from admit.issuer.oauth.parameters import Parameters
from admit.tokens import introspection

SIGNED: Final = f"application/{introspection.TYP}"


def routes(app: App) -> list[Route]:
    """POST only, for APIs and clients that have a secret."""

    async def post(call: Call) -> Response:
        refuse_query(call)
        form = await call.form()
        caller = await authenticated(app, call, form)
        members = await introspect.introspect(app.services, caller, form, call.now)
        if wants_signed(call.headers):
            return Response(introspect.signed(app.services, caller, members, call.now), media_type=SIGNED)
        return answers.json(members)

    return [
        Route(
            path="/introspect", handlers={"POST": post}, face=Face.JSON,
            exempt="no cookie is read; the caller's secret is the proof", who=Who.RESOURCE,
        )
    ]  # fmt: skip


async def authenticated(app: App, call: Call, form: Parameters) -> Caller:
    """The API that calls, by its secret in a Basic header; else the confidential client, in any way that it has.

    Raises:
        InvalidClientError: neither; or a public client, whom its id proves nothing about (RFC 7662 §2.1).
    """
    authorization = call.header(b"authorization")
    if authorization is not None:
        resource = await resource_auth.if_claimed(app.services, authorization, info=call.info, now=call.now)
        if resource is not None:
            return resource
    client = await client_of(app, call, form)
    check_confidential(client.public)
    return client


def check_confidential(public: bool) -> None:
    """Nobody without a secret asks: anybody knows the id of a public client.

    Raises:
        InvalidClientError: a public client.
    """
    if public:
        raise InvalidClientError("a public client asks")


def wants_signed(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether `Accept` names the signed form, RFC 9701 §4. One that takes anything is given JSON."""
    for name, value in headers:
        if name == b"accept":
            for item in value.decode("latin-1").lower().split(","):
                kind, _, parameters = item.partition(";")
                refused = parameters.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000")
                if kind.strip() == SIGNED and not refused:
                    return True
    return False
