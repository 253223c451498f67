"""Who calls the JSON API (contracts §11): a session with its CSRF token, or an access token for the issuer alone."""

from dataclasses import dataclass, replace

from admit import credentials
from admit.credentials import BearerCredential, SessionCredential, csrf
from admit.errors import (
    AudienceError,
    InsufficientScopeError,
    MissingCredentialError,
    RevokedError,
    SessionError,
)
from admit.issuer.accounts import rules as accounts
from admit.issuer.accounts.records import User
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.rules import SESSIONS_SCOPE
from admit.issuer.sessions.errors import ReauthenticationError
from admit.issuer.sessions.rules import is_fresh
from admit.principal import Principal
from admit.verifier import AsyncVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A user, as the database knows the user now. `session_id` is the session that the credential belongs to,
    `auth_time` when its user last proved who they are; None for a token.
    """

    user: User
    session_id: str | None
    by_cookie: bool
    auth_time: float | None = None


def is_for_issuer_alone(principal: Principal, issuer: str) -> bool:
    """Whether nobody but the issuer was meant to see the token: another audience could use it here otherwise."""
    return principal.audience == {issuer}


def check_scope(principal: Principal, scope: str) -> None:
    """A token does what its user was asked for, and nothing else.

    Raises:
        InsufficientScopeError: it was not asked for.
    """
    if scope not in principal.scopes:
        raise InsufficientScopeError("the scope is missing", scope=scope)


class Callers:
    """Authenticates. `origins` are those whose pages may use the session cookie."""

    def __init__(self, app: App, verifier: AsyncVerifier, origins: frozenset[str]) -> None:
        self._app = app
        self._verifier = verifier
        self._origins = origins

    async def anybody(self, call: Call, scope: str = SESSIONS_SCOPE) -> Caller:
        """Any user, for what is the user's own. `scope` is what an access token wants for it.

        Raises:
            CredentialError: no credential, a malformed one, no live session, a CSRF token missing, a scope missing.
            TokenError: the access token is not valid, or not for the issuer alone.
            UnavailableError: it cannot be checked at the moment.
        """
        url = call.scope["path"] + "?" + call.scope.get("query_string", b"").decode("latin-1")
        found = credentials.read(
            call.headers, call.method, url, session_cookie=self._app.cookies.session_name
        )
        match found:
            case BearerCredential():
                return await self._by_token(found, scope)
            case SessionCredential():
                return await self._by_session(call, found)
        raise MissingCredentialError("neither a token nor a session")

    async def operator(self, call: Call, scope: str = SESSIONS_SCOPE) -> Caller:
        """A user who may see and end what belongs to others. Raises what `anybody` does.

        Raises:
            InsufficientScopeError: the role `admit:admin` is missing.
            ReauthenticationError: it changes something, and the session's sign-in was too long ago.
        """
        caller = await self.anybody(call, scope)
        if not accounts.may_operate(caller.user):  # by the roles of now, not the token's
            raise InsufficientScopeError("the role is missing")
        if call.method != "GET":
            self.check_fresh(call, caller)
        return caller

    def check_fresh(self, call: Call, caller: Caller) -> None:
        """For what is worst to lose: who calls by a session must have typed the password a short while ago. A token was
        given for such things by name, to a program that has nobody beside it; it passes.

        Raises:
            ReauthenticationError: it was too long ago.
        """
        within = self._app.services.sessions.config.fresh_for
        if caller.auth_time is not None and not is_fresh(
            auth_time=caller.auth_time, now=call.now, within=within
        ):
            raise ReauthenticationError("the sign-in is too old")

    async def _by_token(self, found: BearerCredential, scope: str) -> Caller:
        principal = await self._verifier.verify(found)
        if not is_for_issuer_alone(principal, self._app.issuer):
            raise AudienceError
        check_scope(principal, scope)
        user = await self._app.services.accounts.get(principal.subject)
        if user is None or user.is_disabled:
            raise RevokedError("the user is gone or disabled")
        if not self._app.services.factors.admits(user, principal.acr or ""):
            raise RevokedError("its sign-in is not enough by the settings of now")
        return Caller(user=user, session_id=principal.session_id, by_cookie=False)

    async def _by_session(self, call: Call, found: SessionCredential) -> Caller:
        session = await self._app.services.sessions.find(found.id_hash, call.now)
        if session is None:
            raise SessionError("no live session")
        csrf.check(call.headers, call.method, origins=self._origins, raw_id=found.raw)
        return Caller(user=session.user, session_id=session.id, by_cookie=True, auth_time=session.auth_time)


def as_operator(call: Call, caller: Caller) -> RequestInfo:
    """Who acts, where that is not the user that the record is about."""
    return replace(call.info, actor=caller.user.id)
