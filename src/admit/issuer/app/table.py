"""The table of all endpoints: what an issuer serves, in one place."""

from typing import Any

from admit.issuer.app.api.caller import Callers
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Route
from admit.issuer.app.readiness import Readiness
from admit.issuer.app.routes import (
    account,
    account_email,
    account_password,
    account_second_factor,
    api_clients,
    api_consents,
    api_factors,
    api_grants,
    api_keys,
    api_login,
    api_openapi,
    api_session,
    api_sessions,
    api_users,
    authorize,
    consent,
    elsewhere,
    forgot,
    health,
    introspect,
    login,
    logout,
    metadata,
    own_login,
    par,
    register,
    reset,
    revoke,
    second_factor,
    select_account,
    session_lookup,
    signup,
    static,
    status,
    token,
    userinfo,
    verify,
)
from admit.issuer.app.settings import Settings
from admit.issuer.clients.registration import Registration
from admit.issuer.clients.rules import origin_of
from admit.issuer.grants.answers import Answers
from admit.issuer.sessions.lookup import DirectLookup
from admit.verifier import AsyncVerifier


def table_of(
    app: App,
    settings: Settings,
    *,
    sessions: DirectLookup,
    verifier: AsyncVerifier,
    readiness: Readiness,
    first_party_origins: frozenset[str],
    answers: Answers,
) -> tuple[Route, ...]:
    """Every endpoint below the issuer."""
    table: tuple[Route, ...] = ()

    def serves(path: str) -> bool:
        """Whether there is a page with this path, for links to it."""
        if path == "/account/email" and not app.services.links.is_on:
            return False
        if app.services.accounts.is_elsewhere and path in elsewhere.PATHS:
            return False
        return any(route.path == path for route in table)

    table = (
        *authorize.routes(app),
        *par.routes(app),
        *(own_login.routes(app, answers, settings.login_url) if settings.login_url else login.routes(app)),
        *select_account.routes(app),
        *(elsewhere.routes(app) if app.services.accounts.is_elsewhere else _own_accounts(app)),
        *consent.routes(app, settings.grants),
        *token.routes(app),
        *revoke.routes(app),
        *introspect.routes(app),
        *userinfo.routes(app),
        *logout.routes(app),
        *second_factor.routes(app),
        *account.routes(app, serves),
        *account_second_factor.routes(app),
        *metadata.routes(app, jwks_max_age=settings.keys.jwks_max_age, more=_on(app, settings)),
        *register.routes(app, Registration(app.services.db, app.services.registry, settings.registration)),
        *session_lookup.routes(app, sessions),
        *_api(app, verifier, first_party_origins),
        *status.routes(app, stream_life=settings.revocation.stream_life),
        *health.routes(readiness),
        *static.routes(app),
    )
    return table


def _own_accounts(app: App) -> list[Route]:
    """What makes and changes accounts, where they are kept here."""
    pages = (signup, account_email, forgot, reset, verify, account_password)
    return [route for page in pages for route in page.routes(app)]


def _on(app: App, settings: Settings) -> dict[str, Any]:
    """Metadata of what is served only where the settings say so."""
    found: dict[str, Any] = {}
    if settings.registration.enabled:
        found["registration_endpoint"] = app.issuer + register.PATH
    if settings.metadata_documents.enabled:
        found["client_id_metadata_document_supported"] = True
    if any(client.api_login for client in settings.client):
        found["admit_login_endpoint"] = app.issuer + api_login.PATH
    return found


def _api(app: App, verifier: AsyncVerifier, first_party_origins: frozenset[str]) -> list[Route]:
    """JSON below `/api/`, and its description."""
    own = origin_of(app.issuer)
    origins = first_party_origins | ({own} if own is not None else set())
    callers = Callers(app, verifier, origins)
    described = [
        *api_login.routes(app),
        *api_session.routes(app, origins),
        *api_sessions.routes(app, callers),
        *api_grants.routes(app, callers),
        *api_consents.routes(app, callers),
        *api_users.routes(app, callers),
        *api_clients.routes(app, callers),
        *api_keys.routes(app, callers),
        *api_factors.routes(app, callers, origins),
    ]
    return [*described, *api_openapi.routes(app, described)]
