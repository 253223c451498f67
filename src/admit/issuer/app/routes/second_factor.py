"""`/login/second-factor`: the step between a right password and a session.

The page names a waiting sign-in by a handle in its address; the browser that began it proves itself by its pre-session
cookie. Neither is a session: no other route takes them.
"""

from dataclasses import replace

from starlette.responses import Response

from admit.errors import SessionError, ThrottledError
from admit.issuer.accounts.errors import PersonNameError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import may_sign_in
from admit.issuer.app import after_sign_in, flow, sign_in_gate
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import set_device
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import show, show_put_off
from admit.issuer.app.pages.qr import qr_code
from admit.issuer.app.pages.views import FormView, Problem
from admit.issuer.app.pages.views_second_factor import (
    AddAppAtSignInView,
    ProveView,
    RecoveryCodesAtSignInView,
)
from admit.issuer.app.routes import login
from admit.issuer.factors import rules
from admit.issuer.factors.assurance import Proof, reached
from admit.issuer.factors.driver import after_change, held
from admit.issuer.factors.records import Enrolled, Enrolment, Pending, Refusal, Refused
from admit.issuer.oauth.errors import UnmetAuthenticationRequirementsError
from admit.issuer.oauth.parameters import Parameters

PROBLEMS = {
    Refusal.WRONG: Problem.CODE_WRONG,
    Refusal.SPENT: Problem.CODE_SPENT,
    Refusal.TOO_MANY: Problem.TOO_MANY,
    Refusal.FULL: Problem.FACTORS_CHANGED,
    Refusal.CHANGED: Problem.SIGN_IN_OVER,
    Refusal.OVER: Problem.SIGN_IN_OVER,
}
"""What is told of each refusal. Who reads it has shown the password."""
_BEGIN_ANEW = frozenset({Refusal.OVER, Refusal.CHANGED})


def routes(app: App) -> list[Route]:
    """The page that takes a code, the page that adds an app first, and the way on from there."""
    factors = app.services.factors

    async def waiting(call: Call, given: Parameters) -> tuple[Pending | None, flow.Transaction | None]:
        """The sign-in that this browser waits with, and the transaction that it is for."""
        binding, handle = app.cookies.pre_session(call), given.get("p")
        transaction = await flow.resume(app, call, given.get("i")) if binding is not None else None
        if binding is None or handle is None:
            return None, transaction
        return await factors.pending(handle, binding, call.now), transaction

    def over(call: Call, transaction: flow.Transaction | None) -> Response:
        """Back to the password."""
        shown = replace(login.view(app, call, transaction), problem=Problem.SIGN_IN_OVER)
        return show(app, call, shown, transaction)

    def refused(
        call: Call, transaction: flow.Transaction | None, form: FormView, why: Refused, field: str = "code"
    ) -> Response:
        if why.reason in _BEGIN_ANEW:
            return over(call, transaction)
        if why.reason is Refusal.TOO_MANY:
            limited = ThrottledError("second factors", retry_after=why.retry_after)
            return show_put_off(app, call, form, limited, transaction)
        problem = PROBLEMS[why.reason]
        if problem is Problem.CODE_WRONG and isinstance(form, ProveView) and form.recovery:
            problem = Problem.RECOVERY_WRONG
        return show(app, call, replace(form, fields={field: problem}), transaction)

    # A code

    def asking(handle: str, transaction: flow.Transaction | None, way: str | None) -> ProveView:
        interaction = transaction.handle if transaction is not None else ""
        recovery = way == "recovery"
        here = f"{app.here(sign_in_gate.PROVE)}?p={handle}"
        here += f"&i={interaction}" if interaction else ""
        return ProveView(
            csrf="",
            interaction=interaction,
            here=here + ("&way=recovery" if recovery else ""),
            handle=handle,
            client=flow.card(transaction.request) if transaction is not None else None,
            recovery=recovery,
        )

    async def get(call: Call) -> Response:
        pending, transaction = await waiting(call, call.query)
        if pending is None:
            return over(call, transaction)
        handle = call.query.required("p")
        if pending.enrolment is not None:
            return app.redirect(
                app.there(call, sign_in_gate.ADD, **sign_in_gate.carried(handle, transaction))
            )
        return show(app, call, asking(handle, transaction, call.query.get("way")), transaction)

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        binding = app.cookies.pre_session(call)
        app.check_csrf(call, binding, form.get("csrf"))
        pending, transaction = await waiting(call, form)
        if pending is None or binding is None or pending.enrolment is not None:
            return over(call, transaction)
        handle, typed = form.required("p"), form.get("code", "")
        shown = asking(handle, transaction, form.get("way"))
        if not typed.strip():
            return show(app, call, replace(shown, fields={"code": Problem.CODE_MISSING}), transaction)
        proved = await factors.prove(handle, binding, typed, info=call.info, now=call.now)
        if isinstance(proved, Refused):
            return refused(call, transaction, shown, proved)
        user = await user_of(proved.pending)
        if user is None:
            return over(call, transaction)
        proofs = frozenset({Proof.PASSWORD, proved.proof})
        try:
            return await sign_in_gate.finish(app, call, user, transaction, proofs, next=proved.pending.next)
        except SessionError:  # disabled, or the credentials were changed, since the password was checked
            return over(call, transaction)

    async def user_of(pending: Pending) -> User | None:
        """The user, with the credentials as of the password: what was changed since is found out by that."""
        user = await app.services.accounts.get(pending.user_id)
        if user is None or not may_sign_in(user):
            return None
        return replace(user, credential_version=pending.credential_version)

    # An app has to be added first

    async def adding(
        call: Call, handle: str, pending: Pending, transaction: flow.Transaction | None
    ) -> tuple[User, AddAppAtSignInView] | None:
        user, binding = await user_of(pending), app.cookies.pre_session(call)
        enrolment = await enrolment_of(handle, binding, pending, call.now) if user and binding else None
        if user is None or enrolment is None:
            return None
        interaction = transaction.handle if transaction is not None else ""
        return user, AddAppAtSignInView(
            csrf="",
            interaction=interaction,
            here=f"{app.here(sign_in_gate.ADD)}?p={handle}" + (f"&i={interaction}" if interaction else ""),
            handle=handle,
            qr=qr_code(rules.otpauth_uri(enrolment.secret, site=app.pages.site, account=user.email_shown)),
            secret=rules.grouped(rules.secret_text(enrolment.secret), " "),
            client=flow.card(transaction.request) if transaction is not None else None,
            may_refuse=transaction is not None and not factors.must_have(user),
        )

    async def enrolment_of(handle: str, binding: bytes, pending: Pending, now: float) -> Enrolment | None:
        begun_by = held(handle, binding).name
        return await factors.enrolment(pending.user_id, pending.enrolment or "", begun_by, now)

    async def get_add(call: Call) -> Response:
        pending, transaction = await waiting(call, call.query)
        found = (
            await adding(call, call.query.required("p"), pending, transaction)
            if pending is not None and pending.enrolment is not None
            else None
        )
        return over(call, transaction) if found is None else show(app, call, found[1], transaction)

    async def post_add(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        binding = app.cookies.pre_session(call)
        app.check_csrf(call, binding, form.get("csrf"))
        pending, transaction = await waiting(call, form)
        if pending is None or binding is None or pending.enrolment is None:
            return over(call, transaction)
        handle, name = form.required("p"), form.get("name", "")
        found = await adding(call, handle, pending, transaction)
        if found is None:
            return over(call, transaction)
        user, shown = found
        shown = replace(shown, name=name)
        if form.get("do") == "refuse" and shown.may_refuse and transaction is not None:
            return await do_without(call, transaction)
        if not form.get("code", "").strip():
            return show(app, call, replace(shown, fields={"code": Problem.CODE_MISSING}), transaction)
        try:
            enrolled = await factors.confirm_at_sign_in(
                user, handle, binding, form.get("code", ""), name=name, info=call.info, now=call.now
            )
        except PersonNameError:
            bad = replace(shown, fields={"name": Problem.APP_NAME_INVALID})
            return show(app, call, bad, transaction)
        if isinstance(enrolled, Refused):
            return refused(call, transaction, shown, enrolled)
        return await signed_in(call, user, transaction, pending, enrolled)

    async def signed_in(
        call: Call,
        user: User,
        transaction: flow.Transaction | None,
        pending: Pending,
        enrolled: Enrolled,
    ) -> Response:
        """The session, and the recovery codes before anything else is shown."""
        shown = reached({Proof.PASSWORD, Proof.TOTP})
        try:
            new, device = await sign_in_gate.session_for(
                app, call, after_change(user), shown, transaction=transaction
            )
        except SessionError:
            return over(call, transaction)
        if transaction is None:
            on = app.there(call, after_sign_in.path_of(pending.next))
        else:
            on = app.there(call, sign_in_gate.DONE, i=transaction.handle)
        codes = tuple(rules.grouped(code, "-") for code in enrolled.recovery_codes)
        response = app.page(
            call,
            RecoveryCodesAtSignInView(codes=codes, go_on_url=on),
            form_target=transaction.request.target.redirect_uri if transaction is not None else None,
            ui_locales=transaction.request.ui_locales if transaction is not None else None,
        )
        app.cookies.set_session(response, new.raw)
        set_device(app, response, device)
        return response

    async def do_without(call: Call, transaction: flow.Transaction) -> Response:
        """The person goes back to the application, which wanted more than that."""
        finished = await app.services.interactions.finish(transaction.handle, transaction.binding, call.now)
        if finished is None:
            raise flow.ExpiredInteractionError("finished already")
        return await flow.give_up(app, call, transaction.request, UnmetAuthenticationRequirementsError())

    async def done(call: Call) -> Response:
        """On with the transaction, after the recovery codes were shown."""
        transaction, found = await flow.resume(app, call, call.query.get("i")), await app.session(call)
        if transaction is None:
            return app.redirect(app.there(call, after_sign_in.USUAL))
        session = found[1] if found is not None else None
        return await flow.proceed(app, call, transaction.request, session, transaction=transaction)

    return [
        Route(path=sign_in_gate.PROVE, handlers={"GET": get, "POST": post}, face=Face.PAGE),
        Route(path=sign_in_gate.ADD, handlers={"GET": get_add, "POST": post_add}, face=Face.PAGE),
        Route(path=sign_in_gate.DONE, handlers={"GET": done}, face=Face.PAGE),
    ]
