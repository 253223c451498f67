"""`/account/password`: a new password, against the current one, which is all the re-authentication that it wants."""

from dataclasses import replace

from starlette.responses import Response

from admit.credentials import csrf
from admit.errors import SessionError, ThrottledError, TooBusyError
from admit.issuer.accounts.errors import PasswordError
from admit.issuer.accounts.records import User
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import device_of, know_device
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import later, password_problem, put_off
from admit.issuer.app.pages.views import PasswordView, Problem
from admit.issuer.sessions.records import Session


def routes(app: App) -> list[Route]:
    """GET shows the form, POST sets the new password."""

    def view(raw: bytes, session: Session) -> PasswordView:
        user = session.user
        return PasswordView(
            csrf=csrf.token(raw),
            here=app.here("/account/password"),
            user_name=user.name,
            user_email=user.email_shown,
        )

    async def get(call: Call) -> Response:
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        return app.page(call, view(*found))

    async def post(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        current, new = form.get("current_password", ""), form.get("new_password", "")
        shown = replace(view(raw, session), here=None)
        if not current or not new:
            field = "current_password" if not current else "new_password"
            return app.page(call, replace(shown, fields={field: Problem.PASSWORD_MISSING}))
        try:
            # Before anything is hashed: what cannot be taken needs no proof.
            app.services.accounts.check_new_password(new, session.user.name, session.user.email)
            user = await reauthenticate(app, call, session, current)
            if user is None:
                return app.page(call, replace(shown, fields={"current_password": Problem.PASSWORD_WRONG}))
            hashed = await app.services.accounts.hash_new_password(user, new)
            changed = await app.services.sessions.change_password(
                raw, session, user, hashed, info=call.info, now=call.now
            )
        except PasswordError as error:
            return app.page(call, replace(shown, fields={"new_password": password_problem(new, error)}))
        except (ThrottledError, TooBusyError) as error:
            return later(app.page(call, put_off(shown, error), status=error.status), error)
        except SessionError:  # ended, or another password was set, since the current one was checked
            return app.redirect(app.there(call, "/login"))
        response = app.redirect(app.there(call, "/account", done="password"))
        app.cookies.set_session(response, changed.raw)
        await know_device(app, call, response, changed.session.user)
        return response

    return [
        Route(path="/account/password", handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION)
    ]


async def reauthenticate(app: App, call: Call, session: Session, password: str) -> User | None:
    """The session's own user, if this is the password: an unlocked browser alone changes nothing. Counted and throttled
    as any sign-in.

    Raises:
        ThrottledError, TooBusyError.
    """
    user = await app.services.accounts.check_password(
        email=session.user.email,
        whose=session.user,
        password=password,
        info=call.info,
        now=call.now,
        device=device_of(app, call),
    )
    return user if user is not None and user.id == session.user.id else None
