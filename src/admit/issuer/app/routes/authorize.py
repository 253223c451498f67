"""`/authorize`: the authorization endpoint, RFC 6749 §3.1, OpenID Connect Core §3.1.2."""

from typing import Final

from starlette.responses import Response

from admit.issuer.app import flow
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages.views import ErrorView, Trouble
from admit.issuer.oauth.authorize import steps
from admit.issuer.oauth.errors import InvalidRequestError, UntrustedTargetError
from admit.issuer.oauth.parameters import MAX_QUERY, Parameters, as_query


def check_length(query: bytes) -> None:
    """What anybody may have kept until a person answers is as long as what can be posted here, and no longer.

    Raises:
        InvalidRequestError: longer than a URL can be relied on to carry.
    """
    if len(query) > MAX_QUERY:
        raise InvalidRequestError("too long for a query")


_OF_TOKEN: Final = frozenset(
    {"client_secret", "client_assertion", "client_assertion_type", "code", "code_verifier"}
)


def carried(form: Parameters) -> str:
    """A posted request as a query, without what belongs to the token endpoint and is a secret: addresses are kept by
    browsers and logs. What occurs twice does so there, and is judged there: the error may be the client's to hear.

    Raises:
        InvalidRequestError: longer than a URL can be relied on to carry.
    """
    kept = {name: value for name, value in form.items() if name not in _OF_TOKEN}
    return as_query(Parameters(kept, form.repeated))


def routes(app: App) -> list[Route]:
    """GET judges; POST is turned into GET."""

    async def get(call: Call) -> Response:
        check_length(call.scope.get("query_string", b""))
        try:
            request = await flow.judged(app, call, call.query)
        except steps.RedirectableError as error:
            call.refused, call.client_id = error.error, call.query.get("client_id")
            return flow.refuse(app, call, error.target, error.error)
        except flow.SpentReferenceError:
            raise  # told by the page of what came too late
        except UntrustedTargetError as error:
            call.refused = error
            trouble = Trouble.REDIRECT_URI if "redirect_uri" in error.detail else Trouble.CLIENT_UNKNOWN
            return app.page(call, ErrorView(trouble=trouble, id=call.request_id), status=error.status)
        found = await app.session(call)
        return await flow.proceed(app, call, request, found[1] if found is not None else None)

    async def post(call: Call) -> Response:
        # A form posted from another site brings no Lax cookie. As a GET of the same request it does.
        return app.redirect(f"{app.here('/authorize')}?{carried(await call.form_as_it_is())}")

    return [
        Route(
            path="/authorize", handlers={"GET": get, "POST": post}, face=Face.PAGE, get_changes=True,
            exempt="comes from other sites by its nature; changes nothing before a page of ours is answered",
        )
    ]  # fmt: skip
