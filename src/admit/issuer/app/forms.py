"""What the routes with forms share: a form shown to a browser nobody is signed in to, bound to the pre-session; a try
that was not made, with the time to come again; what is wrong with a new password.
"""

from dataclasses import replace
from typing import TypeAlias, TypeVar

from starlette.responses import Response

from admit.credentials import csrf
from admit.errors import ThrottledError, TooBusyError
from admit.issuer.accounts.errors import (
    CommonPasswordError,
    ContextPasswordError,
    LongPasswordError,
    PasswordError,
)
from admit.issuer.app.call import Call
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.flow import Transaction
from admit.issuer.app.pages.views import FormView, Problem

NotNow: TypeAlias = ThrottledError | TooBusyError
"""Nothing was tried, whatever was sent: it may be right or wrong."""
Form = TypeVar("Form", bound=FormView)


def show(
    app: App, call: Call, form: FormView, transaction: Transaction | None = None, *, status: int | None = None
) -> Response:
    """A form with its CSRF token and the cookie that it is held to, in the language that the client asked for."""
    raw = app.cookies.ensure_pre_session(call)
    request = transaction.request if transaction is not None else None
    response = app.page(
        call,
        replace(form, csrf=csrf.token(raw)),
        status=status,
        form_target=request.target.redirect_uri if request is not None else None,
        ui_locales=chosen_locales(call) or (request.ui_locales if request is not None else None),
    )
    app.cookies.set_pre_session(response, raw)
    return response


def put_off(form: Form, error: NotNow) -> Form:
    """The form again, with why nothing was tried, and until when where the wait is the sender's own."""
    if isinstance(error, ThrottledError):
        return replace(form, problem=Problem.TOO_MANY, wait_seconds=error.retry_after)
    return replace(form, problem=Problem.TOO_BUSY)


def later(response: Response, error: NotNow) -> Response:
    """The answer with the time after which to try again, RFC 6585 §4."""
    response.headers["retry-after"] = str(int(error.retry_after))
    return response


def show_put_off(
    app: App, call: Call, form: FormView, error: NotNow, transaction: Transaction | None = None
) -> Response:
    """All of it, for a browser nobody is signed in to."""
    return later(show(app, call, put_off(form, error), transaction, status=error.status), error)


def outcome(error: NotNow) -> str:
    """How a sign-in went that was put off, in the operator's words."""
    return "throttled" if isinstance(error, ThrottledError) else "busy"


def password_problem(password: str, error: PasswordError) -> Problem:
    """What is wrong with a new password that was refused, for its field."""
    if not password:
        return Problem.PASSWORD_MISSING
    match error:
        case CommonPasswordError():
            return Problem.PASSWORD_COMMON
        case ContextPasswordError():
            return Problem.PASSWORD_CONTEXT
        case LongPasswordError():
            return Problem.PASSWORD_LONG
        case _:
            return Problem.PASSWORD_SHORT
