"""`/verify`: prove an address by a mailed link. Opening the link changes nothing, so that scanners may open it too."""

from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from admit.credentials import csrf
from admit.errors import CsrfError, ThrottledError, TooBusyError
from admit.issuer.accounts.errors import LinkError
from admit.issuer.accounts.links import Link, Purpose
from admit.issuer.app.answers import NotFoundError
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import device_of, know_device
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import show, show_put_off
from admit.issuer.app.pages.views import Problem
from admit.issuer.app.pages.views_mail import Told, ToldView, VerifyView


def routes(app: App) -> list[Route]:
    """GET shows a button; POST proves the address, once, for whoever proves to own the account as well."""
    links = app.services.links

    async def find(call: Call, token: str) -> Link | None:
        if not links.is_on:
            raise NotFoundError("no mail is sent here")
        return await links.look(token, Purpose.VERIFY, Purpose.CHANGE, now=call.now)

    async def own_session(call: Call, link: Link) -> bytes | None:
        """The raw id of the browser's session, where that is the account's."""
        found = await app.session(call)
        return found[0] if found is not None and found[1].user.id == link.user_id else None

    async def check_form(call: Call, field: str | None) -> None:
        """The form is one of ours, shown to this browser while somebody was signed in, or nobody. Raises CsrfError."""
        found = await app.session(call)
        if found is not None:
            with suppress(CsrfError):
                app.check_csrf(call, found[0], field)
                return
        app.check_csrf(call, app.cookies.pre_session(call), field)

    def view(link: Link, token: str, *, signed_in: bool) -> VerifyView:
        return VerifyView(
            csrf="",
            here=f"{app.here('/verify')}?{urlencode({'t': token})}",
            token=token,
            email=link.email_shown,
            is_new=link.purpose is Purpose.CHANGE,
            signed_in=signed_in,
        )

    def dead(call: Call) -> Response:
        return app.page(call, ToldView(told=Told.VERIFY_DEAD), status=400)

    async def get(call: Call) -> Response:
        token = call.query.get("t", "")
        link = await find(call, token)
        if link is None:
            return dead(call)
        raw = await own_session(call, link)
        if raw is None and not await password_proves(app, link):
            return app.page(call, ToldView(told=Told.VERIFY_SIGN_IN))
        if raw is None:
            return show(app, call, view(link, token, signed_in=False))
        return app.page(call, replace(view(link, token, signed_in=True), csrf=csrf.token(raw)))

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        token = form.get("t", "")
        try:
            await check_form(call, form.get("csrf"))
        except CsrfError:
            link = await find(call, token) if links.is_on else None
            if link is None:
                raise
            stale = replace(view(link, token, signed_in=False), problem=Problem.FORM_STALE)
            return show(app, call, stale, status=403)
        link = await find(call, token)
        if link is None:
            return await refuse(call, token)
        if await own_session(call, link) is not None:
            return await confirm(call, link, token)
        if not await password_proves(app, link):
            return app.page(call, ToldView(told=Told.VERIFY_SIGN_IN), status=403)
        shown = view(link, token, signed_in=False)
        try:
            owns = await knows_password(app, call, link, form.get("password", ""))
        except (ThrottledError, TooBusyError) as error:
            return show_put_off(app, call, shown, error)
        if not owns:
            return show(app, call, replace(shown, problem=Problem.PASSWORD_NOT_OF_ACCOUNT))
        return await confirm(call, link, token)

    async def refuse(call: Call, token: str) -> Response:
        """A dead link is told to the trail as what its use is: a refusal."""
        with suppress(LinkError):
            await links.verify(token, "", info=call.info, now=call.now)
        return dead(call)

    async def confirm(call: Call, link: Link, token: str) -> Response:
        work = links.change if link.purpose is Purpose.CHANGE else links.verify
        try:
            await work(token, link.user_id, info=call.info, now=call.now)
        except LinkError:
            return dead(call)
        response = app.page(call, ToldView(told=Told.VERIFIED))
        user = await app.services.accounts.get(link.user_id)
        if link.purpose is Purpose.CHANGE and user is not None:
            await know_device(app, call, response, user)  # the change made strangers of all
        return response

    return [Route(path="/verify", handlers={"GET": get, "POST": post}, face=Face.PAGE)]


async def password_proves(app: App, link: Link) -> bool:
    """Whether the password is enough to own the account here. Not to put another address in the place of one whose
    owner signs in with a second factor: that factor is not left out at this door either.
    """
    return link.purpose is Purpose.VERIFY or not await app.services.factors.has_app(link.user_id)


async def knows_password(app: App, call: Call, link: Link, password: str) -> bool:
    """Whether this is the password of the account that the link is for. Who only reads the mail may not be who made
    the account: a click of theirs must not bless somebody else's password.

    Raises:
        ThrottledError, TooBusyError: as at sign-in.
    """
    user = await app.services.accounts.get(link.user_id)
    if user is None or not password:
        return False
    proven = await app.services.accounts.check_password(
        email=user.email,
        password=password,
        info=call.info,
        now=call.now,
        device=device_of(app, call),
    )
    return proven is not None and proven.id == link.user_id
