"""From a right password to a session: the one gate, for every way in (MFA-3 of the threat ledger).

What has only shown a password is a waiting sign-in: a row that its own browser alone can go on with, for a few minutes,
and that names nobody to any endpoint but the pages below `/login/second-factor`. The session begins here, when
`factors.assurance` says that enough was shown, and says what was shown.
"""

from collections.abc import Collection
from typing import Final

from starlette.responses import Response

from admit.errors import SessionError
from admit.issuer.accounts.records import User
from admit.issuer.app import flow, returns
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import device_of, know_device
from admit.issuer.clients.records import ACR_1FA
from admit.issuer.factors.assurance import Assurance, Next, Proof, reached
from admit.issuer.sessions.records import NewSession

PROVE: Final = "/login/second-factor"
ADD: Final = "/login/second-factor/add"
DONE: Final = "/login/second-factor/done"


async def after_password(
    app: App, call: Call, user: User, transaction: flow.Transaction | None, *, next: str = ""
) -> Response:
    """The password was right: a session where that is enough, else the page of the next step. `next` is the name of the
    page of ours to go on to (`returns.PLACES`).

    Raises:
        SessionError: the account was disabled, or its credentials were changed, since the password was checked.
    """
    proofs = frozenset({Proof.PASSWORD})
    asked = transaction.request.acr if transaction is not None else ACR_1FA
    step = await app.services.factors.next_step(user, proofs, asked=asked)
    if step is Next.SESSION:
        return await finish(app, call, user, transaction, proofs, next=next)
    return await wait(app, call, user, transaction, enrol=step is Next.ENROL, next=next)


async def wait(
    app: App, call: Call, user: User, transaction: flow.Transaction | None, *, enrol: bool, next: str
) -> Response:
    """Keep the sign-in, and show the page that it waits at. Whatever session the browser has stays as it is."""
    call.outcome = "second_factor"
    binding, fresh = app.cookies.ensure_pre_session(call)
    handle = await app.services.factors.begin_sign_in(
        user, binding=binding, enrol=enrol, next=next, now=call.now
    )
    response = app.redirect(app.there(call, ADD if enrol else PROVE, **carried(handle, transaction)))
    if fresh:
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
) -> Response:
    """A session under a new id, and on with the transaction. Raises what `session_for` does."""
    new = await session_for(app, call, user, reached(proofs))
    call.outcome = "succeeded"
    if transaction is None:
        response = app.redirect(app.there(call, returns.path_of(next)))
    else:
        await note(app, call, transaction, new)
        noted = await flow.resume(app, call, transaction.handle)
        response = await flow.proceed(app, call, transaction.request, new.session, transaction=noted)
    app.cookies.set_session(response, new.raw)
    await know_device(app, call, response, new.session.user)
    return response


async def note(app: App, call: Call, transaction: flow.Transaction, new: NewSession) -> None:
    """The transaction has had its sign-in: this one."""
    await app.services.interactions.note_session(
        transaction.handle, transaction.binding, new.session.id, call.now
    )


async def session_for(app: App, call: Call, user: User, shown: Assurance) -> NewSession:
    """The person's own live session under a new id, so that signing in again for one application signs no other out;
    else a new session, and whatever other session the browser brought is ended.

    Raises:
        SessionError: the account was disabled, or its credentials were changed, since they were checked.
    """
    # Whole seconds, as tokens tell it: both must say the same.
    signed_in_at = float(int(call.now))
    raw, sessions = app.cookies.session(call), app.services.sessions
    if raw is not None:
        try:
            return await sessions.renew(
                raw, user_id=user.id, acr=shown.acr, amr=shown.amr, info=call.info, now=signed_in_at
            )
        except SessionError:
            pass  # over, or somebody else's
    known = await app.services.accounts.devices.find(device_of(app, call), user, call.now)
    return await sessions.start(
        user,
        auth_time=signed_in_at,
        acr=shown.acr,
        amr=shown.amr,
        info=call.info,
        now=call.now,
        replace=raw,
        familiar=True if known is not None else None,
    )
