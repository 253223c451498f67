"""What a person is asked to allow an application, what is remembered of it, and how it is kept with the code."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from admit.issuer.app.context import App
from admit.issuer.app.pages.apps import reaches_everybody
from admit.issuer.app.pages.views import ConsentView
from admit.issuer.clients.rules import grantable_scopes
from admit.issuer.consents import rules
from admit.issuer.consents.records import Answer, Remembered
from admit.issuer.grants.codes import Along, Told
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Prompt
from admit.issuer.sessions.records import Session

DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Yes:
    """What a code may be issued for, and what is written with it. `along` is None where nothing is remembered,
    `told` where nobody is told of it.
    """

    scope: frozenset[str]
    along: Along | None = None
    told: Told | None = None


def shown_scope(app: App, request: AuthorizeRequest, session: Session) -> frozenset[str]:
    """What the consent page names: of the scopes asked for, and of those that hold a
    claim asked for, those that this user may have now. A yes is to no more:
    a role that the user is given later gives this client nothing that nobody was asked about.
    """
    resource = app.services.registry.resource(request.audience)
    return request.asked_scope & grantable_scopes(request.client, resource, session.user.roles)


def shown(app: App, request: AuthorizeRequest, session: Session) -> Mapping[str, str]:
    """Those scopes with the versions of the words they are shown in."""
    resource = app.services.registry.resource(request.audience)
    texts = resource.scopes if resource is not None else {}
    return {
        name: rules.version_of(
            client=request.client,
            text=texts.get(name),
            everybodys=reaches_everybody(name, session.user),
        )
        for name in shown_scope(app, request, session)
    }


def digest(app: App, request: AuthorizeRequest, session: Session, view: ConsentView) -> str:
    """A name for what a person is asked: who asks, where the answer goes, as whom it is given, for which API, each
    scope in its words, and how long it lasts. Not how the boxes stand, nor what was answered before.
    """
    asked = [
        [view.client.name, view.client.host, view.client.verified, request.client.id],
        request.target.redirect_uri,
        session.user.id,
        [request.audience, view.resource],
        sorted(shown(app, request, session).items()),
        [view.remembered, view.lasts_seconds],
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:DIGITS]


def is_what_was_shown(answered: str | None, now: str) -> bool:
    """Whether an answer is to what is asked now. A client may describe itself anew, and a resource its scopes, between
    a page and its answer.
    """
    return answered == now


def is_asked_anyway(request: AuthorizeRequest) -> bool:
    """Whether what is remembered changes nothing, so that it need not be read."""
    return request.client.first_party or Prompt.CONSENT in request.prompt


async def recall(app: App, request: AuthorizeRequest, session: Session) -> Yes | None:
    """The yes that was said before to all that this request would be granted; None where something is to be asked."""
    if is_asked_anyway(request):
        return None
    remembered = await app.services.consents.recall(
        session.user.id, request.client, request.audience, redirect_uri=request.target.redirect_uri
    )
    if remembered is None:
        return None
    asked = shown(app, request, session)
    if rules.unanswered(asked, remembered):
        return None
    return Yes(
        scope=rules.granted_of(asked, remembered),
        along=app.services.consents.relying(session.user.id, remembered),
    )


async def said(
    app: App, request: AuthorizeRequest, session: Session, *, kept: frozenset[str], now: float
) -> Yes:
    """The yes that is said now, with the scopes that were left ticked."""
    asked = shown(app, request, session)
    granted = rules.ticked(asked, kept)
    known = await before(app, request, session)
    return Yes(
        scope=granted,
        told=app.services.consents.telling(
            session.user,
            request.client,
            request.audience,
            granted,
            known,
            outbox=app.services.outbox,
            now=now,
        ),
        along=app.services.consents.remembering(
            session.user.id,
            request.client,
            request.audience,
            Answer(granted=granted, shown=asked),
            redirect_uri=request.target.redirect_uri,
            now=now,
        ),
    )


async def before(app: App, request: AuthorizeRequest, session: Session) -> Remembered | None:
    """What was answered before, for the page that asks for more."""
    return await app.services.consents.recall(
        session.user.id, request.client, request.audience, redirect_uri=request.target.redirect_uri
    )
