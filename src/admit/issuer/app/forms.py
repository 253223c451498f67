"""Forms that are shown to browsers nobody is signed in to: bound to the pre-session, like the sign-in."""

from dataclasses import replace

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.pages.views import FormView


def show(
    app: App, call: Call, form: FormView, *, status: int | None = None, retry_after: float | None = None
) -> Response:
    """A form with its CSRF token and the cookie that it is held to."""
    raw = app.cookies.ensure_pre_session(call)
    response = app.page(call, replace(form, csrf=csrf.token(raw)), status=status)
    app.cookies.set_pre_session(response, raw)
    if retry_after is not None:
        response.headers["retry-after"] = str(int(retry_after))
    return response
