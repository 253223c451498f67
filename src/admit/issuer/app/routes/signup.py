"""`/signup`: the page that makes an account and signs in with it."""

from dataclasses import replace

from starlette.responses import Response

from admit.errors import CsrfError, ThrottledError, TooBusyError
from admit.issuer.accounts.errors import EmailError, EmailTakenError, PasswordError, PersonNameError
from admit.issuer.accounts.rules import PASSWORD_MAX_BYTES
from admit.issuer.app import flow
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages.views import Problem, SignUpView
from admit.issuer.app.routes.login import begin_session, show


def routes(app: App) -> list[Route]:
    """GET shows the form, POST makes the account."""

    async def get(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.get("i"))
        return show(app, call, transaction, view(app, transaction))

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        pre_session = app.cookies.pre_session(call)
        transaction = await flow.resume(app, call, form.get("i")) if pre_session is not None else None
        name, email, password = form.get("name", ""), form.get("email", ""), form.get("password", "")
        shown = replace(view(app, transaction), name=name, email=email)
        try:
            app.check_csrf(call, pre_session, form.get("csrf"))
        except CsrfError:
            return show(app, call, transaction, replace(shown, problem=Problem.FORM_STALE), status=403)
        try:
            user = await app.services.accounts.sign_up(
                email=email, name=name, password=password, info=call.info, now=call.now,
                locale=app.lang(call),
            )  # fmt: skip
        except ThrottledError as error:
            limited = replace(shown, problem=Problem.TOO_MANY, wait_seconds=error.retry_after)
            return show(app, call, transaction, limited, status=429, retry_after=error.retry_after)
        except TooBusyError as error:
            busy = replace(shown, problem=Problem.TOO_BUSY)
            return show(app, call, transaction, busy, status=503, retry_after=error.retry_after)
        except EmailTakenError:
            return show(app, call, transaction, replace(shown, fields={"email": Problem.EMAIL_TAKEN}))
        except EmailError:
            problem = Problem.EMAIL_INVALID if email else Problem.EMAIL_MISSING
            return show(app, call, transaction, replace(shown, fields={"email": problem}))
        except PersonNameError:
            problem = Problem.NAME_INVALID if name else Problem.NAME_MISSING
            return show(app, call, transaction, replace(shown, fields={"name": problem}))
        except PasswordError:
            return show(
                app, call, transaction, replace(shown, fields={"password": password_problem(password)})
            )
        return await begin_session(app, call, user, transaction)

    return [Route(path="/signup", handlers={"GET": get, "POST": post}, face=Face.PAGE)]


def password_problem(password: str) -> Problem:
    """What is wrong with a password that was refused."""
    if not password:
        return Problem.PASSWORD_MISSING
    return Problem.PASSWORD_LONG if len(password.encode()) > PASSWORD_MAX_BYTES else Problem.PASSWORD_SHORT


def view(app: App, transaction: flow.Transaction | None) -> SignUpView:
    """The empty form of this transaction."""
    handle = transaction.handle if transaction is not None else ""
    return SignUpView(
        csrf="",
        interaction=handle,
        here=app.here("/signup") + (f"?i={handle}" if handle else ""),
        client=flow.card(transaction.request) if transaction is not None else None,
        email=(transaction.request.login_hint or "") if transaction is not None else "",
    )
