"""Sign-ins by JSON: the same gate as on our pages, for clients that settings let ask for passwords (contracts §7).

The shape is that of OAuth 2.0 for First-Party Applications: the client calls step by step, and gets a code bound to
PKCE at the end, never a token. What a step has to show is decided where the pages ask it too: tries are counted and
hashed by `accounts`, `factors.assurance` says what is still missing, and a session begins when nothing is.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.responses import Response

from admit.credentials import cookies, csrf
from admit.errors import AdmitError, CsrfError, SessionError, ThrottledError, TooBusyError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import may_sign_in
from admit.issuer.app import answers, flow, sign_in_gate
from admit.issuer.app.api import login_steps as steps
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import device_of, set_device
from admit.issuer.app.forms import outcome
from admit.issuer.audit import RequestInfo
from admit.issuer.clients import profiles
from admit.issuer.clients.records import Client
from admit.issuer.clients.rules import origin_of
from admit.issuer.factors import rules as codes
from admit.issuer.factors.assurance import Next, Proof, reached
from admit.issuer.factors.driver import new_held
from admit.issuer.factors.records import Pending, Refusal, Refused
from admit.issuer.grants import flows
from admit.issuer.grants.codes import event_of, new_code
from admit.issuer.grants.errors import ReusedChallengeError
from admit.issuer.grants.records import Authorization
from admit.issuer.oauth import refusals
from admit.issuer.oauth.authorize import direct
from admit.issuer.oauth.authorize.request import AuthorizeRequest
from admit.issuer.oauth.errors import (
    InsufficientAuthorizationError,
    InvalidSessionError,
    RedirectToWebError,
)
from admit.issuer.sessions.records import Session
from admit.issuer.storage import Steps

PASSWORD: Final = ("password",)
CODES: Final = ("totp", "recovery_code")
_TELLS: Final = {
    Refusal.WRONG: "The code is not right.",
    Refusal.SPENT: "The code was used already. Wait for the next one.",
}


def check_page(app: App, call: Call, client: Client, *, for_session: bool = False) -> None:
    """A page that calls is the client's own or ours, as far as the browser tells; programs are no pages, and have no
    session given to them: `for_session` wants a page.

    Raises:
        CsrfError: another page made the request, or none did that could keep a session.
    """
    uris = (*client.redirect_uris, app.issuer)
    csrf.check_origin(call.headers, {origin for uri in uris if (origin := origin_of(uri)) is not None})
    if for_session and call.header(b"origin") is None:
        raise CsrfError("a session is for a page of the client's own")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A step that was won: of which client, for which request, with what the next one would be told."""

    client: Client
    request: AuthorizeRequest
    for_session: bool
    step: flows.Step
    info: RequestInfo
    device: bytes | None

    def members(self, next: tuple[str, ...], now: float) -> dict[str, Any]:
        """What a client needs to go on."""
        return going_on(self.step.handle, next, self.step.flow.expires_at - now)


def going_on(handle: str, next: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """A `flow`, and the steps that it is good for."""
    return {"flow": handle, "next": list(next), "expires_in": int(seconds)}


def refuse(call: Call, error: AdmitError, **more: Any) -> Response:
    """An error that the sign-in survives, with what it takes to go on."""
    call.refused = error
    body = {"error": error.code, "error_description": getattr(error, "description", error.public)}
    if error.status >= 500:
        body["error_id"] = call.request_id
    response = answers.json(body | more, status=error.status)
    if (wait := getattr(error, "retry_after", None)) is not None:
        response.headers["retry-after"] = str(int(wait))
    return response


async def begin(app: App, call: Call, client: Client, sent: steps.Begin) -> Response:
    """The first step: the request is judged and kept, and nothing is known of a person.

    Raises:
        OAuthError: the request's own error, as an authorization request has it.
        ThrottledError: this network has begun as many sign-ins as it may.
    """
    check_page(app, call, client, for_session=sent.session)
    asked = sent.asked
    direct.judge(asked, client, flow.known(app, call), for_session=sent.session)
    binding = app.cookies.ensure_pre_session(call) if sent.session else None
    handle, expires_at = await app.services.flows.begin(
        {"parameters": asked, "session": sent.session},
        client_id=client.id,
        binding=binding,
        info=call.info if client.public else None,
        now=call.now,
    )
    response = answers.json(going_on(handle, PASSWORD, expires_at - call.now))
    if binding is not None:
        app.cookies.set_pre_session(response, binding)
    return response


async def _taken(app: App, call: Call, client: Client, sent: steps.Shown, *, waits: bool) -> UnderWay:
    """The step, won by this call alone. The request is judged again: what settings no longer allow does not go on.

    Raises:
        InvalidSessionError: the handle is good for no such step.
        OAuthError: as `begin`.
    """
    check_page(app, call, client)
    step = await app.services.flows.advance(
        sent.flow, client_id=client.id, browser=app.cookies.pre_session(call), waits=waits, now=call.now
    )
    if step is None:
        raise InvalidSessionError("unknown, expired or spent, another's, or for another step")
    kept = step.flow.request
    for_session: bool = kept["session"]
    check_page(app, call, client, for_session=for_session)
    return UnderWay(
        client=client,
        request=direct.judge(kept["parameters"], client, flow.known(app, call), for_session=for_session),
        for_session=for_session,
        step=step,
        info=replace(call.info, client_id=client.id),
        device=device_of(app, call) if for_session else device_in(sent.device),
    )


def device_in(text: str) -> bytes | None:
    """The secret that a client keeps for its device; None for none, or for a malformed one."""
    try:
        return cookies.decode_session_id(text.encode("ascii")) if text else None
    except (SessionError, UnicodeEncodeError):
        return None


async def try_password(app: App, call: Call, client: Client, sent: steps.Password) -> Response:
    """The password: a code or session where it is enough, else what has to follow. A wrong one, an unknown name and a
    disabled account have one answer, at one cost.

    Raises:
        InvalidSessionError, OAuthError: as `_taken`.
    """
    at = await _taken(app, call, client, sent, waits=False)
    try:
        right = await app.services.accounts.try_password(
            email=sent.username, password=sent.password, info=at.info, now=call.now, device=at.device
        )
    except (ThrottledError, TooBusyError) as error:
        call.outcome = outcome(error)
        return refuse(call, error, **at.members(PASSWORD, call.now))
    if right is None:
        call.outcome = "wrong"
        return _wrong_password(call, at)
    try:
        if app.services.links.must_verify(right.user):
            await app.services.links.refuse_unverified(right.user, info=at.info, now=call.now)
            raise SessionError("the address is not proven")
        return await _after_password(app, call, at, right.user, right.give_back)
    except SessionError:  # disabled, unproven, or another password was set, since this one was checked
        call.outcome = "refused"
        await app.services.db.run(right.give_back)
        return _wrong_password(call, at)


def _wrong_password(call: Call, at: UnderWay) -> Response:
    error = InsufficientAuthorizationError("wrong", public="The username or the password is not right.")
    return refuse(call, error, **at.members(PASSWORD, call.now))


async def _after_password(
    app: App, call: Call, at: UnderWay, user: User, give_back: Callable[[], Steps[None]]
) -> Response:
    proofs = frozenset({Proof.PASSWORD})
    next = await app.services.factors.next_step(user, proofs, asked=at.request.acr)
    if next is Next.SESSION:
        return await finish(app, call, at, user, proofs, give_back)
    call.outcome = "second_factor"
    if next is Next.ENROL:  # its secret is shown on our own pages only
        await app.services.flows.drop(at.step.handle, call.now)
        await app.services.db.run(give_back)
        raise RedirectToWebError("an authenticator app has to be added first")
    of = new_held(binding_of(at))

    def along() -> Steps[None]:
        if not (yield from flows.wait(at.step.handle, of.id_hash, call.now)):
            raise InvalidSessionError("over since the password was checked")
        yield from give_back()

    await app.services.factors.begin_held(user, of, now=call.now, along=along)
    return answers.json(at.members(CODES, call.now))


def binding_of(at: UnderWay) -> bytes:
    """What a sign-in that waits for a second factor is held to, beside its flow: the client and the PKCE challenge."""
    return f"sign-in by JSON\0{at.client.id}\0{at.request.code_challenge or ''}".encode()


async def try_code(app: App, call: Call, client: Client, sent: steps.Totp | steps.RecoveryCode) -> Response:
    """The second factor of a sign-in whose password was right.

    Raises:
        InvalidSessionError, OAuthError: as `_taken`; or too many codes were wrong, or the account was changed.
    """
    at = await _taken(app, call, client, sent, waits=True)
    # What is of another kind than its step says is a wrong code of that kind, and counted.
    form = codes.typed_code if isinstance(sent, steps.Totp) else codes.typed_recovery_code
    typed = sent.code if form(sent.code) is not None else ""
    of = replace(new_held(binding_of(at)), id_hash=at.step.flow.waiting or b"")
    proved = await app.services.factors.prove_held(of, typed, info=at.info, now=call.now)
    if isinstance(proved, Refused):
        return await _wrong_code(app, call, at, proved)
    user = await user_of(app, proved.pending)
    if user is not None:
        try:
            return await finish(app, call, at, user, frozenset({Proof.PASSWORD, proved.proof}))
        except SessionError:  # disabled, or the credentials were changed, since the password was checked
            pass
    call.outcome = "refused"
    await app.services.flows.drop(at.step.handle, call.now)
    raise InvalidSessionError("disabled or changed since the password was checked")


async def _wrong_code(app: App, call: Call, at: UnderWay, why: Refused) -> Response:
    if why.reason is Refusal.TOO_MANY:
        error: AdmitError = ThrottledError("second factors", retry_after=why.retry_after)
        return refuse(call, error, **at.members(CODES, call.now))
    if why.reason in _TELLS:
        error = InsufficientAuthorizationError(why.reason.value, public=_TELLS[why.reason])
        return refuse(call, error, **at.members(CODES, call.now))
    await app.services.flows.drop(at.step.handle, call.now)
    raise InvalidSessionError(why.reason.value)


async def user_of(app: App, pending: Pending) -> User | None:
    """The user, with the credentials as of the password: what was changed since is found out by that."""
    user = await app.services.accounts.get(pending.user_id)
    if user is None or not may_sign_in(user):
        return None
    return replace(user, credential_version=pending.credential_version)


async def finish(
    app: App,
    call: Call,
    at: UnderWay,
    user: User,
    proofs: Collection[Proof],
    give_back: Callable[[], Steps[None]] = sign_in_gate.nothing,
) -> Response:
    """What the flow led to, in one COMMIT with its end.

    Raises:
        SessionError: the account was disabled, or its credentials were changed, since they were checked.
        ReusedChallengeError: the client sent this `code_challenge` or `nonce` before, and settings refuse that.
    """

    def ended() -> Steps[None]:
        if not (yield from flows.finish(at.step.handle, call.now)):
            raise InvalidSessionError("over since it was advanced")
        yield from give_back()

    made = _session if at.for_session else _code
    try:
        response = await made(app, call, at, user, proofs, ended)
    except ReusedChallengeError as error:
        await app.services.flows.drop(at.step.handle, call.now)
        event, reason = event_of(error.detail), "sign-in by JSON"
        await refusals.of_client(app.services, event, at.client.id, reason, info=at.info, now=call.now)
        raise
    call.outcome = "succeeded"
    return response


async def _session(
    app: App,
    call: Call,
    at: UnderWay,
    user: User,
    proofs: Collection[Proof],
    ended: Callable[[], Steps[None]],
) -> Response:
    """A session of this browser, as the sign-in page gives it."""
    new, device = await sign_in_gate.session_for(
        app, call, user, reached(proofs), transaction=None, give_back=ended
    )
    response = answers.json({"session": told(new.raw, new.session)})
    app.cookies.set_session(response, new.raw)
    set_device(app, response, device)
    return response


def told(raw: bytes, session: Session) -> dict[str, Any]:
    """A session to the page that has its cookie, as GET /api/session tells it."""
    return {
        "csrf_token": csrf.token(raw),
        "sid": session.id,
        "sub": session.user.id,
        "name": session.user.name,
        "expires_at": int(session.expires_at),
    }


async def _code(
    app: App,
    call: Call,
    at: UnderWay,
    user: User,
    proofs: Collection[Proof],
    ended: Callable[[], Steps[None]],
) -> Response:
    """A code for the token endpoint. The session that its grant hangs from is there, listed and ended like any other;
    its id is given to nobody. No cookie is read or set.
    """
    shown, code, services = reached(proofs), new_code(), app.services
    devices = services.accounts.devices
    secret = devices.new_secret(at.device, now=call.now)
    request, longest = at.request, profiles.settled(at.client).code_lifetime
    signed_in_at = float(int(call.now))  # whole seconds, as tokens tell it

    def along(session: Session) -> Steps[None]:
        yield from ended()
        authorization = Authorization(
            client_id=at.client.id,
            user_id=session.user.id,
            session_id=session.id,
            redirect_uri="",
            scope=request.scope,
            audience=request.audience,
            code_challenge=request.code_challenge,
            nonce=request.nonce,
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
            offline="offline_access" in request.scope,
            claims=request.granted_claims(request.asked_scope),
        )
        yield from services.codes.issuing(code, authorization, info=at.info, now=call.now, longest=longest)
        yield from secret.known_to(session.user)

    known = await devices.find(at.device, user, call.now)
    await services.sessions.start(
        user,
        auth_time=signed_in_at,
        acr=shown.acr,
        amr=shown.amr,
        info=at.info,
        now=call.now,
        familiar=True if known is not None else None,
        along=along,
    )
    return answers.json(
        {
            "authorization_code": code,
            "iss": app.issuer,
            "expires_in": int(services.codes.lifetime(longest).total_seconds()),
            "device": cookies.encode_session_id(secret.raw),
        }
    )
