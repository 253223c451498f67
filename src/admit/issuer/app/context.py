"""What every endpoint is given: the composed parts of one issuer."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from admit.credentials import csrf
from admit.errors import AdmitError, CsrfError
from admit.issuer.app import after_sign_in
from admit.issuer.app.call import Call
from admit.issuer.app.cookies import BrowserCookies
from admit.issuer.app.pages import language
from admit.issuer.app.pages.render import Pages
from admit.issuer.app.pages.views import AnyView, ErrorView, Trouble
from admit.issuer.clients.rules import origin_of
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.oauth.services import Services
from admit.issuer.sessions.records import Session
from admit.issuer.sessions.rules import hash_id, is_fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One issuer's endpoints share this. `refused_within`: the bound, in seconds, that people and programs are told."""

    services: Services
    pages: Pages
    cookies: BrowserCookies
    refused_within: float

    @property
    def issuer(self) -> str:
        """The issuer identifier."""
        return self.services.issuer

    async def session(self, call: Call) -> tuple[bytes, Session] | None:
        """The raw id and the session of the browser that calls; None for nobody."""
        raw = self.cookies.session(call)
        found = await self.services.sessions.find(hash_id(raw), call.now) if raw is not None else None
        return (raw, found) if raw is not None and found is not None else None

    async def session_to_end(self, call: Call) -> tuple[bytes, Session] | None:
        """As `session`, for what only ends: an application that keeps the accounts is not asked."""
        raw = self.cookies.session(call)
        if raw is None:
            return None
        found = await self.services.sessions.find_to_end(hash_id(raw), call.now)
        return (raw, found) if found is not None else None

    async def fresh(self, call: Call, session: Session) -> Response | None:
        """None where the session's user typed the password a short while ago (`sessions.fresh_for`); else the redirect
        to the page that asks for it once more and leads back here, to be answered with. To be asked before anything
        that guards the account is shown or changed, so that an unlocked screen is not enough for it; at a POST after
        the form was confirmed. What was sent is not kept: the way back is to the empty page.
        """
        if self.is_fresh(call, session):
            return None
        path = call.scope["path"]
        base = self.pages.base
        place = after_sign_in.name_of(path[len(base) :] if base and path.startswith(f"{base}/") else path)
        query = {"again": "1", "next": place} if place else {"again": "1"}
        return self.redirect(self.there(call, "/login", **query))

    def is_fresh(self, call: Call, session: Session) -> bool:
        """Whether the session's user typed the password a short while ago."""
        within = self.services.sessions.config.fresh_for
        return is_fresh(auth_time=session.auth_time, now=call.now, within=within)

    def check_origin(self, call: Call) -> None:
        """A form was sent by a page of ours, as far as the browser tells. For forms without a session, whose answer
        may set a cookie: another site's must not replace the one that a sign-in under way is bound to.

        Raises:
            CsrfError: another site's page sent it.
        """
        csrf.check_origin(call.headers, self._own_origins)

    @property
    def _own_origins(self) -> frozenset[str]:
        origin = origin_of(self.issuer)
        return frozenset((origin,) if origin else ())

    def check_csrf(self, call: Call, raw_id: bytes | None, field: str | None) -> None:
        """A form came from a page of ours that this very browser was shown, contracts §4.

        Raises:
            CsrfError: no (pre-)session, a foreign origin, no token, or another's.
        """
        if raw_id is None:
            raise CsrfError("no cookie to hold the form to")
        csrf.check(
            call.headers,
            "POST",
            origins=self._own_origins,
            raw_id=raw_id,
            field=field or "",
        )

    def lang(self, call: Call, ui_locales: str | None = None) -> str:
        """The language of a page for this call: what the transaction or the address asks, then the browser."""
        if ui_locales is None:
            ui_locales = chosen_locales(call)
        accepted = next((value for name, value in call.headers if name == b"accept-language"), b"")
        return language.choose(ui_locales, accepted.decode("latin-1"))

    def page(
        self, call: Call, view: AnyView, *, status: int | None = None, form_target: str | None = None,
        ui_locales: str | None = None,
    ) -> Response:  # fmt: skip
        """A page in the call's language."""
        return self.pages.response(
            view, lang=self.lang(call, ui_locales), status=status, form_target=form_target
        )

    def error_page(self, call: Call, error: AdmitError) -> Response:
        """The local error page: what happened in plain words and an id; nothing of the request, no redirect."""
        trouble = TROUBLES.get(error.code) or _BY_STATUS.get(error.status, Trouble.SERVER)
        return self.page(call, ErrorView(trouble=trouble, id=call.request_id), status=error.status)

    def redirect(self, location: str) -> Response:
        """303 See Other: the browser goes on with GET, so no body is carried along (RFC 9700 §4.12)."""
        return RedirectResponse(location, status_code=SEE_OTHER)

    def here(self, path: str) -> str:
        """The path of one of our pages below the issuer's own path."""
        return self.pages.base + path

    def there(self, call: Call, path: str, **query: str) -> str:
        """A page of ours to go on to, in the language that the address of this one chose, if it chose any."""
        chosen = chosen_locales(call)
        if chosen is not None:
            query["ui_locales"] = chosen
        return self.here(path) + (f"?{urlencode(query)}" if query else "")


def chosen_locales(call: Call) -> str | None:
    """`ui_locales` of the address; a query that does not decode chooses nothing, so that errors have pages too."""
    try:
        return call.query.get("ui_locales")
    except InvalidRequestError:
        return None


SEE_OTHER = 303
TROUBLES = {
    "account_elsewhere": Trouble.ELSEWHERE,
    "csrf_failed": Trouble.NOT_YOURS,
    "interaction_expired": Trouble.EXPIRED,
    "invalid_request_uri": Trouble.EXPIRED,
}
_BY_STATUS = {
    400: Trouble.BAD_REQUEST,
    403: Trouble.NOT_YOURS,
    404: Trouble.NOT_FOUND,
    405: Trouble.METHOD,
    413: Trouble.TOO_LARGE,
    415: Trouble.BAD_REQUEST,
    429: Trouble.TOO_MANY,
    431: Trouble.TOO_MANY_COOKIES,
    503: Trouble.UNAVAILABLE,
}
