"""`/login` and `/login/done` where the application has a sign-in page of its own: there, and back with who it was."""

from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from admit.errors import SessionError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import may_sign_in
from admit.issuer.app import after_sign_in, flow, sign_in_gate
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.interactions import DONE, OWN
from admit.issuer.app.pages.views import SignedOutView
from admit.issuer.clients.records import ACR_1FA
from admit.issuer.factors.assurance import Next, Proof
from admit.issuer.grants.answers import Answer, Answers
from admit.issuer.oauth.authorize import respond
from admit.issuer.oauth.errors import AccessDeniedError


def routes(app: App, answers: Answers, login_url: str) -> list[Route]:
    """GET /login leads to the application's page, which leads to GET /login/done. Neither takes a password."""

    async def leave(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.get("i"))
        binding = app.cookies.ensure_pre_session(call)
        if transaction is not None:
            handle = transaction.handle
        else:
            next, again = after_sign_in.known(call.query.get("next")), call.query.get("again") == "1"
            if not again and await app.session(call) is not None:
                return app.redirect(app.there(call, after_sign_in.path_of(next)))
            handle = await app.services.interactions.begin(
                client_id="",
                request={OWN: {"next": next, "again": again}},
                binding=binding,
                now=call.now,
                info=call.info,
            )
        query = urlencode({"i": handle, "ui_locales": app.lang(call)})
        response = app.redirect(f"{login_url}{'&' if '?' in login_url else '?'}{query}")
        app.cookies.set_pre_session(response, binding)
        return response

    async def back(call: Call) -> Response:
        handle, key = call.query.required("i"), call.query.required("k")
        transaction, next = await of_this_browser(call, handle)
        # Spent only here, by the browser that it is bound to: another one that was sent the address changes nothing.
        answer = await answers.spend(handle, key, call.now)
        if answer is None:
            raise flow.ExpiredInteractionError("no such answer, or it was used")
        if answer.user_id is None:
            return await refuse(call, handle, transaction)
        user = await user_of(answer)
        proofs = frozenset(Proof(name) for name in answer.proofs)
        if transaction is None:
            await app.services.interactions.finish(handle, app.cookies.ensure_pre_session(call), call.now)
        asked = transaction.request.acr if transaction is not None else ACR_1FA
        step = await app.services.factors.next_step(user, proofs, asked=asked)
        if step is Next.SESSION:
            return await sign_in_gate.finish(app, call, user, transaction, proofs, next=next)
        return await sign_in_gate.wait(
            app, call, user, transaction, enrol=step is Next.ENROL, next=next, give_back=sign_in_gate.nothing
        )

    async def of_this_browser(call: Call, handle: str) -> tuple[flow.Transaction | None, str]:
        """The transaction, or the name of the page of ours that is to be seen.

        Raises:
            UntrustedTargetError: over, or another browser's.
        """
        binding = app.cookies.pre_session(call)
        found = (
            await app.services.interactions.get(handle, binding, call.now) if binding is not None else None
        )
        if found is not None and OWN in found.request:
            return None, found.request[OWN]["next"]
        return await flow.resume(app, call, handle), ""

    async def user_of(answer: Answer) -> User:
        user = await app.services.accounts.get(answer.user_id or "")
        if user is None or not may_sign_in(user) or app.services.links.must_verify(user):
            raise SessionError("disabled since the application said who it is, or the address is not proven")
        # What was changed since is found out by the version.
        return replace(user, credential_version=answer.credential_version or 0)

    async def refuse(call: Call, handle: str, transaction: flow.Transaction | None) -> Response:
        binding = app.cookies.pre_session(call) or b""
        if await app.services.interactions.finish(handle, binding, call.now) is None:
            raise flow.ExpiredInteractionError("finished already")
        if transaction is None:
            return app.page(call, SignedOutView())
        request = transaction.request
        if request.pushed is not None:
            await app.services.pushed.spend(request.pushed, call.now)
        error = AccessDeniedError()
        call.refused, call.client_id = error, request.client.id
        # The person said so on the application's page: nobody is sent on unawares.
        return flow.answer(app, call, request.target, respond.error(error), request.ui_locales)

    return [
        Route(path="/login", handlers={"GET": leave}, face=Face.PAGE),
        Route(path=DONE, handlers={"GET": back}, face=Face.PAGE, get_changes=True),
    ]
