"""From a right password to a session: the one gate, for every way in (MFA-3 of the threat ledger).

What has only shown a password is a waiting sign-in: a row that its own browser alone can go on with, for a few minutes,
and that names nobody to any endpoint but the pages below `/login/second-factor`. The session begins here, when
`factors.assurance` says that enough was shown, and says what was shown.
"""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from starlette.responses import Response

from admit.errors import SessionError
from admit.issuer.accounts.records import User
from admit.issuer.app import after_sign_in, flow
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import device_of, set_device
from admit.issuer.clients.records import ACR_1FA
from admit.issuer.factors.assurance import Assurance, Next, Proof, reached
from admit.issuer.grants.interactions import noting
from admit.issuer.oauth.errors import UntrustedTargetError
from admit.issuer.sessions.records import NewSession, Session
from admit.issuer.storage import Steps

PROVE: Final = "/login/second-factor"
ADD: Final = "/login/second-factor/add"
DONE: Final = "/login/second-factor/done"


class Begun(NamedTuple):
    """A session that was just begun, and the browser's new secret, by which its user's tries are known."""

    new: NewSession
    device: bytes


def nothing() -> Steps[None]:
    """Nothing was counted that would have to be given back."""
    yield from ()


async def after_password(
    app: App,
    call: Call,
    user: User,
    transaction: flow.Transaction | None,
    *,
    next: str = "",
    give_back: Callable[[], Steps[None]] = nothing,
) -> Response:
    """The password was right: a session where that is enough, else the page of the next step. `next` is the name of the
    page of ours to go on to (`after_sign_in.PLACES`). `give_back` is the price of the try, given back with what is
    begun.

    Raises:
        SessionError: the account was disabled, or its credentials were changed, since the password was checked.
    """
    proofs = frozenset({Proof.PASSWORD})
    asked = transaction.request.acr if transaction is not None else ACR_1FA
    step = await app.services.factors.next_step(user, proofs, asked=asked)
    if step is Next.SESSION:
        return await finish(app, call, user, transaction, proofs, next=next, give_back=give_back)
    return await wait(app, call, user, transaction, enrol=step is Next.ENROL, next=next, give_back=give_back)


async def wait(
    app: App,
    call: Call,
    user: User,
    transaction: flow.Transaction | None,
    *,
    enrol: bool,
    next: str,
    give_back: Callable[[], Steps[None]],
) -> Response:
    """Keep the sign-in, and show the page that it waits at. Whatever session the browser has stays as it is."""
    call.outcome = "second_factor"
    binding = app.cookies.ensure_pre_session(call)
    handle = await app.services.factors.begin_sign_in(
        user, binding=binding, enrol=enrol, next=next, now=call.now, along=give_back
    )
    response = app.redirect(app.there(call, ADD if enrol else PROVE, **carried(handle, transaction)))
    app.cookies.set_pre_session(response, binding)
    return response


def carried(handle: str, transaction: flow.Transaction | None) -> dict[str, str]:
    """What the address of a waiting sign-in's page says."""
    return {"p": handle} if transaction is None else {"p": handle, "i": transaction.handle}


async def finish(
    app: App,
    call: Call,
    user: User,
    transaction: flow.Transaction | None,
    proofs: Collection[Proof],
    *,
    next: str = "",
    give_back: Callable[[], Steps[None]] = nothing,
) -> Response:
    """A session under a new id, and on with the transaction. Raises what `session_for` does."""
    new, device = await session_for(
        app, call, user, reached(proofs), transaction=transaction, give_back=give_back
    )
    call.outcome = "succeeded"
    if transaction is None:
        response = app.redirect(app.there(call, after_sign_in.path_of(next)))
    else:
        response = await go_on(app, call, transaction, new)
    app.cookies.set_session(response, new.raw)
    set_device(app, response, device)
    return response


async def go_on(app: App, call: Call, transaction: flow.Transaction, new: NewSession) -> Response:
    """The next step of the transaction; where that is over meanwhile, the page that says so. The cookie goes with it
    all the same: the session is there, and the browser's old id is worth nothing.
    """
    try:
        noted = await flow.resume(app, call, transaction.handle)
        return await flow.proceed(app, call, transaction.request, new.session, transaction=noted)
    except UntrustedTargetError as error:
        call.refused = error
        return app.error_page(call, error)


async def session_for(
    app: App,
    call: Call,
    user: User,
    shown: Assurance,
    *,
    transaction: flow.Transaction | None,
    give_back: Callable[[], Steps[None]] = nothing,
) -> Begun:
    """The person's own live session under a new id, so that signing in again for one application signs no other out;
    else a new session, and whatever other session the browser brought is ended.

    One COMMIT makes the session, makes the browser known to its user, notes that the transaction has had its sign-in,
    and gives back what the try of the password took.

    Raises:
        SessionError: the account was disabled, or its credentials were changed, since they were checked.
    """
    # Whole seconds, as tokens tell it: both must say the same.
    signed_in_at = float(int(call.now))
    raw, sessions = app.cookies.session(call), app.services.sessions
    devices, brought = app.services.accounts.devices, device_of(app, call)
    secret = devices.new_secret(brought, now=call.now)

    def along(session: Session) -> Steps[None]:
        if transaction is not None:
            yield noting(transaction.handle, transaction.binding, session.id, call.now)
        yield from secret.known_to(session.user)
        yield from give_back()

    if raw is not None:
        try:
            new = await sessions.renew(
                raw,
                user=user,
                acr=shown.acr,
                amr=shown.amr,
                info=call.info,
                now=signed_in_at,
                along=along,
            )
            return Begun(new, secret.raw)
        except SessionError:
            pass  # over, somebody else's, or of other credentials, which no new one begins with either
    known = await devices.find(brought, user, call.now)
    new = await sessions.start(
        user,
        auth_time=signed_in_at,
        acr=shown.acr,
        amr=shown.amr,
        info=call.info,
        now=call.now,
        replace=raw,
        familiar=True if known is not None else None,
        along=along,
    )
    return Begun(new, secret.raw)
