"""`/api/login`: sign-in by JSON, step by step, for first-party clients with `api_login` (contracts §7)."""

from types import MappingProxyType

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import first_party
from admit.issuer.app.api import login_steps as steps
from admit.issuer.app.api.described import Operation, Told, Who
from admit.issuer.app.call import Call
from admit.issuer.app.client_call import client_of
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.token import refuse_query
from admit.issuer.audit import AuditEvent
from admit.issuer.clients.records import Client
from admit.issuer.oauth import refusals
from admit.issuer.oauth.errors import ApiLoginNotAllowedError

PATH = "/api/login"
REFUSALS = MappingProxyType(
    {
        "400": Told(
            "The step or what is asked for is malformed or not allowed; or the sign-in is over.", "Error"
        ),
        "401": Told("The client is not known, or did not prove itself.", "Error"),
        "403": Told(
            "What was shown is not right, and `flow` is good for another try; or another site's page calls, or the "
            "person has to go on in the browser, and there is no `flow`.",
            "LoginRefused",
        ),
        "429": Told("Too many tries. With a `flow`, it is good for another one then.", "LoginRefused"),
        "503": Told("It cannot be told at the moment. With a `flow`, ask again with that.", "LoginRefused"),
    }
)


def may_take_passwords(app: App, client: Client) -> bool:
    """Whether the settings themselves say so of this client."""
    return app.services.registry.may_take_passwords(client)


def routes(app: App) -> list[Route]:
    """POST takes the next step. There is no such endpoint where no client may use it."""

    async def post(call: Call) -> Response:
        refuse_query(call)
        sent = await steps.read(call)
        client = await client_of(app, call, sent.proof)
        if not may_take_passwords(app, client):
            event, reason = AuditEvent.CLIENT_REFUSED, "api_login"
            await refusals.of_client(app.services, event, client.id, reason, info=call.info, now=call.now)
            raise ApiLoginNotAllowedError("api_login is not true in the settings of this client")
        match sent:
            case steps.Begin():
                return await first_party.begin(app, call, client, sent)
            case steps.Password():
                return await first_party.try_password(app, call, client, sent)
            case steps.Totp() | steps.RecoveryCode():
                return await first_party.try_code(app, call, client, sent)

    if not any(client.api_login for client in app.services.registry.clients()):
        return []
    return [
        Route(
            path=PATH, handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            exempt="JSON from the client's own pages, by Origin, or from no page; a session is held to the pre-session",
            told={
                "POST": Operation(
                    id="login", summary="The next step of a sign-in", who=Who.CLIENT, shape="LoginAnswer",
                    takes="LoginStep", refusals=REFUSALS, signs_in=True,
                ),
            },
        )
    ]  # fmt: skip
