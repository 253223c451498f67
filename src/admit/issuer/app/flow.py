"""How an authorization request goes on: to a sign-in, to consent, or back to the client.

`proceed` is the only place that carries out what `oauth.authorize.decide` decided, wherever the browser comes from:
`/authorize` itself, the sign-in, the sign-up or the consent page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from admit.errors import OAuthError
from admit.issuer.app import consenting
from admit.issuer.app.call import Call
from admit.issuer.app.consenting import Yes
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.pages.views import ClientCard, FormPostView, LeavingView
from admit.issuer.clients import profiles
from admit.issuer.clients.rules import loopback_parts
from admit.issuer.grants.codes import event_of
from admit.issuer.grants.errors import ReusedChallengeError
from admit.issuer.grants.pushed import is_reference
from admit.issuer.grants.records import Authorization, Interaction
from admit.issuer.oauth import refusals
from admit.issuer.oauth.authorize import respond, steps
from admit.issuer.oauth.authorize.decide import (
    Consent,
    Issue,
    Login,
    Progress,
    Refuse,
    Select,
    SignedIn,
    decide,
)
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Known, ResponseMode, Target
from admit.issuer.oauth.errors import AccessDeniedError, UntrustedTargetError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.issuer.sessions.records import Session

SELECT: Final = "/login/account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An authorization request that waits in the database, and the browser it is bound to."""

    handle: str
    binding: bytes
    interaction: Interaction
    request: AuthorizeRequest


async def resume(app: App, call: Call, handle: str | None) -> Transaction | None:
    """The transaction of a page's handle; None when no handle was given.

    The stored request is judged again: what settings no longer allow does not go on.

    Raises:
        UntrustedTargetError: unknown, finished or expired, or another browser's.
    """
    if not handle:
        return None
    binding = app.cookies.pre_session(call)
    found = await app.services.interactions.get(handle, binding, call.now) if binding is not None else None
    if found is None or binding is None or "parameters" not in found.request:
        raise ExpiredInteractionError("no such authorization request of this browser")
    try:
        request = await judged_again(app, call, found.request)
    except steps.RedirectableError as error:
        raise UntrustedTargetError("the stored request is no longer allowed") from error
    return Transaction(handle=handle, binding=binding, interaction=found, request=request)


def known(app: App, call: Call) -> Known:
    """What the steps judge a request of now by."""
    return Known(registry=app.services.registry, hint_keys=app.services.keys.snapshot.hint_keys, now=call.now)


async def judged(app: App, call: Call, parameters: Parameters) -> AuthorizeRequest:
    """The request that a browser brings, itself or by the reference that its client pushed it under. The client is
    taken as it is registered now; of a pushed request nothing but the reference and `client_id` is read (RFC 9126 §4).

    Raises:
        UntrustedTargetError, RedirectableError: as the steps say.
        SpentReferenceError: the reference is good for nothing.
    """
    client = await app.services.clients.find(parameters.get("client_id"))
    call.client_id = client.id if client is not None else None  # also where it is refused on a page
    reference = parameters.get("request_uri")
    if reference is None or not is_reference(reference):
        return steps.judge(parameters, client, known(app, call))
    client = steps.check_client(parameters, client)
    found = await app.services.pushed.find(reference, client_id=client.id, now=call.now)
    if found is None:
        raise SpentReferenceError("request_uri is unknown, expired, spent or another client's")
    return await judged_again(app, call, found.request)


async def judged_again(app: App, call: Call, kept: Mapping[str, Any]) -> AuthorizeRequest:
    """A request that was kept, as it would be judged now. Raises what `judged` does."""
    return await judged_kept(app.services, kept, call.now)


async def judged_kept(services: Services, kept: Mapping[str, Any], now: float) -> AuthorizeRequest:
    """The same, whoever asks. Raises what `judged` does."""
    parameters, pushed = Parameters(kept["parameters"]), kept["pushed"]
    client = await services.clients.find(parameters.get("client_id"))
    return steps.judge(
        parameters,
        client,
        Known(registry=services.registry, hint_keys=services.keys.snapshot.hint_keys, now=now),
        pushed=bytes.fromhex(pushed) if pushed is not None else None,
        hinted=kept["hinted"],
    )


class ExpiredInteractionError(UntrustedTargetError):
    """The sign-in was begun too long ago, in another browser, or is already done."""

    code = "interaction_expired"


class SpentReferenceError(UntrustedTargetError):
    """A pushed request is begun in time, by its own client, and answered once, RFC 9126 §2.2, §4."""

    code = "invalid_request_uri"


async def proceed(
    app: App,
    call: Call,
    request: AuthorizeRequest,
    session: Session | None,
    *,
    transaction: Transaction | None = None,
    chosen: bool = False,
    said: Yes | None = None,
) -> Response:
    """The next step: a page of ours, or the answer to the client. `chosen`: the person said just now as whom to go on;
    `said`: was asked, and said yes.
    """
    before = await consenting.recall(app, request, session) if session is not None and said is None else None
    progress = Progress(
        session_id=transaction.interaction.session_id if transaction is not None else None,
        chosen=chosen,
        consented=said is not None,
        agreed=before is not None,
    )
    signed_in = (
        SignedIn(session.id, session.user.id, session.auth_time, session.acr) if session is not None else None
    )
    match decide(request, signed_in, progress, now=call.now):
        case Refuse(error):
            call.refused, call.client_id = error, request.client.id
            if session is not None:  # of somebody; that nobody is signed in is no news of anybody
                await refusals.of_person(app.services, request, session, error, info=call.info, now=call.now)
            return await give_up(app, call, request, error)
        case Login():
            return await _to_page(app, call, request, transaction, "/login")
        case Select():
            return await _to_page(app, call, request, transaction, SELECT)
        case Consent():
            return await _to_page(app, call, request, transaction, "/consent")
        case Issue() if session is not None:
            return await _issue(app, call, request, session, transaction, said=said, before=before)
    raise UntrustedTargetError("nothing is issued for nobody")


def answer(
    app: App,
    call: Call,
    target: Target,
    parameters: Mapping[str, str],
    ui_locales: str | None,
    *,
    by_itself: bool = True,
) -> Response:
    """Send a response to the proven target, in the mode that was asked; a form `by_itself`, or when its button is
    pressed.
    """
    whole = respond.answer(target, parameters, issuer=app.issuer)
    if target.response_mode is ResponseMode.QUERY:
        return app.redirect(respond.location(target, whole))
    shown = FormPostView(
        action=target.redirect_uri, fields=whole, client=card_of(target), by_itself=by_itself
    )
    return app.page(
        call, shown, form_target=target.redirect_uri, ui_locales=chosen_locales(call) or ui_locales
    )


def refuse(
    app: App, call: Call, target: Target, error: OAuthError, *, ui_locales: str | None = None
) -> Response:
    """Send an error to the proven target. To a client that nobody here let in only the person sends it: anybody could
    register one, and have our address send browsers on to theirs, RFC 9700 §4.11.2.
    """
    sent_on = may_be_sent_on(target)
    if sent_on or target.response_mode is ResponseMode.FORM_POST:
        return answer(app, call, target, respond.error(error), ui_locales, by_itself=sent_on)
    whole = respond.answer(target, respond.error(error), issuer=app.issuer)
    leaving = LeavingView(client=card_of(target), return_url=respond.location(target, whole))
    return app.page(call, leaving, ui_locales=chosen_locales(call) or ui_locales)


async def give_up(app: App, call: Call, request: AuthorizeRequest, error: OAuthError) -> Response:
    """Send an error that ends the request; what it was pushed under is spent by it."""
    if request.pushed is not None:
        await app.services.pushed.spend(request.pushed, call.now)
    return refuse(app, call, request.target, error, ui_locales=request.ui_locales)


def may_be_sent_on(target: Target) -> bool:
    """Whether a browser may be sent to this target without its person having done anything."""
    return target.client.trusted


async def deny(app: App, call: Call, transaction: Transaction, session: Session) -> Response:
    """The person said no: the transaction is over and the client is told."""
    refused = await app.services.interactions.refuse(
        transaction.handle,
        transaction.binding,
        user_id=session.user.id,
        session_id=session.id,
        info=call.info,
        now=call.now,
        reference=transaction.request.pushed,
    )
    if refused is None:
        raise ExpiredInteractionError("finished already")
    request = transaction.request
    # Asked on a page that names the host, and answered: nobody is sent on unawares.
    return answer(app, call, request.target, respond.error(AccessDeniedError()), request.ui_locales)


async def _to_page(
    app: App, call: Call, request: AuthorizeRequest, transaction: Transaction | None, path: str
) -> Response:
    if transaction is not None:
        return app.redirect(app.there(call, path, i=transaction.handle))
    binding = app.cookies.ensure_pre_session(call)
    handle = await app.services.interactions.begin(
        client_id=request.client.id, request=request.kept(), binding=binding, now=call.now, info=call.info
    )  # fmt: skip
    response = app.redirect(f"{app.here(path)}?i={handle}")
    app.cookies.set_pre_session(response, binding)
    return response


async def _issue(
    app: App,
    call: Call,
    request: AuthorizeRequest,
    session: Session,
    transaction: Transaction | None,
    *,
    said: Yes | None,
    before: Yes | None,
) -> Response:
    # A client that settings call first-party has neither: it gets what it asks for.
    yes = said or before or Yes(scope=request.asked_scope)
    try:
        code = await _code(app, call, request, session, transaction, yes=yes, said=said is not None)
    except ReusedChallengeError as error:
        call.refused, call.client_id = error, request.client.id
        event = event_of(error.detail)
        await refusals.of_person(
            app.services, request, session, error, info=call.info, now=call.now, event=event
        )
        return await give_up(app, call, request, error)
    if code is None:
        raise ExpiredInteractionError("finished already")
    return answer(app, call, request.target, {"code": code}, request.ui_locales)


async def _code(
    app: App,
    call: Call,
    request: AuthorizeRequest,
    session: Session,
    transaction: Transaction | None,
    *,
    yes: Yes,
    said: bool,
) -> str | None:
    return await app.services.codes.issue(
        Authorization(
            client_id=request.client.id,
            user_id=session.user.id,
            session_id=session.id,
            redirect_uri=request.target.redirect_uri,
            scope=yes.scope & request.scope,
            audience=request.audience,
            code_challenge=request.code_challenge,
            nonce=request.nonce,
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
            offline="offline_access" in yes.scope,
            claims=request.granted_claims(yes.scope),
        ),
        info=call.info,
        now=call.now,
        interaction=(transaction.handle, transaction.binding) if transaction is not None else None,
        reference=request.pushed,
        longest=profiles.settled(request.client).code_lifetime,
        consented=said,
        along=yes.along,
        told=yes.told,
    )


def card(request: AuthorizeRequest) -> ClientCard:
    """The client that asks, as the pages show it."""
    return card_of(request.target)


def card_of(target: Target) -> ClientCard:
    """The client as the pages show it."""
    here = loopback_parts(target.redirect_uri) is not None
    shown = None if here else respond.host(target.redirect_uri)
    return ClientCard(name=target.client.name, host=shown, verified=target.client.trusted)
