"""`/signup`: the page that makes an account and signs in with it."""

from dataclasses import replace

from starlette.responses import Response

from admit.errors import CsrfError, ThrottledError, TooBusyError
from admit.issuer.accounts.errors import EmailError, EmailTakenError, PasswordError, PersonNameError
from admit.issuer.app import flow
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import password_problem, show, show_put_off
from admit.issuer.app.pages.views import Problem, SignUpView
from admit.issuer.app.pages.views_mail import Told, ToldView
from admit.issuer.app.routes.login import begin_session


def routes(app: App) -> list[Route]:
    """GET shows the form, POST makes the account."""

    async def get(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.get("i"))
        return show(app, call, view(app, transaction), transaction)

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
            return show(app, call, replace(shown, problem=Problem.FORM_STALE), transaction, status=403)
        try:
            user = await app.services.accounts.sign_up(
                email=email, name=name, password=password, info=call.info, now=call.now,
                locale=app.lang(call), welcome=app.services.links.welcome,
            )  # fmt: skip
        except (ThrottledError, TooBusyError) as error:
            return show_put_off(app, call, shown, error, transaction)
        except EmailTakenError:
            if not app.services.links.is_on:
                return show(app, call, replace(shown, fields={"email": Problem.EMAIL_TAKEN}), transaction)
            await app.services.links.tell_owner(email, now=call.now)
            return look_in_mail(app, call, shown)
        except EmailError:
            problem = Problem.EMAIL_INVALID if email else Problem.EMAIL_MISSING
            return show(app, call, replace(shown, fields={"email": problem}), transaction)
        except PersonNameError:
            problem = Problem.NAME_INVALID if name else Problem.NAME_MISSING
            return show(app, call, replace(shown, fields={"name": problem}), transaction)
        except PasswordError as error:
            problem = password_problem(password, error)
            return show(app, call, replace(shown, fields={"password": problem}), transaction)
        if app.services.links.is_on:
            return look_in_mail(app, call, shown)
        return await begin_session(app, call, user, transaction)

    return [Route(path="/signup", handlers={"GET": get, "POST": post}, face=Face.PAGE)]


def look_in_mail(app: App, call: Call, form: SignUpView) -> Response:
    """The answer to a sign-up where mails are sent: the same whether the address was free or not, so that it tells
    nobody who has an account. Nobody is signed in by it.
    """
    return app.page(call, ToldView(told=Told.SIGN_UP_SENT, interaction=form.interaction))


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
