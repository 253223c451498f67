"""Who is signed in, and how that ends: by the page, and by the provider's word."""

import logging
from collections.abc import Collection
from urllib.parse import quote, urlencode

from admit.client import tokens as token_endpoint
from admit.client.exchange import Talk, do
from admit.credentials import cookies, csrf
from admit.errors import AdmitError, TokenError, UnavailableError
from admit.relying_party import sign_in
from admit.relying_party.bff import http
from admit.relying_party.bff import session as session_data
from admit.relying_party.bff.context import Context, check_site, fields_of, form_of
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.sessions import Live, person_name, session_name
from admit.relying_party.store import SessionStore, StoredEnd
from admit.tokens import logout as logout_tokens

_LOG = logging.getLogger("admit.bff")


class SigningOut:
    """`/session`, `/logout` and `/backchannel-logout`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def told(self, request: Request) -> Talk[Answer]:
        live = yield from self._context.live(request)
        if live is None:
            return http.json(200, {"signed_in": False})
        data = live.data
        sealed_end = data.signed_in_at + self._context.config.absolute.total_seconds()
        return http.json(
            200,
            {
                "signed_in": True,
                "issuer": data.issuer,
                "subject": data.subject,
                "provider": data.provider,
                "claims": session_data.person(data.claims),
                "expires_at": int(min(live.stored.expires_at, live.stored.idle_at, sealed_end)),
                "csrf_token": csrf.token(live.raw),
            },
        )

    def logout(self, request: Request) -> Talk[Answer]:
        # Before the cookie is looked for: browsers send no Lax cookie with another site's form, but obey the answer.
        check_page(request, self._context.config.origins)
        raw = self._context.raw_session(request)
        location = self._context.config.after_logout
        over: tuple[tuple[str, str], ...] = ()
        if raw is not None:
            over = (("set-cookie", cookies.clear_cookie(self._context.config.session_cookie)),)
            self._context.check_csrf(request, raw, form=True)
            live = yield from self._context.sessions.find(raw)
            yield from self._context.sessions.end(raw)
            if live is not None:
                location = yield from self._goodbye(live)
        if is_script(request):
            return http.json(200, {"location": location}, *over)
        return http.see_other(location, *over)

    def _goodbye(self, live: Live) -> Talk[str]:
        """Where the browser goes to sign out at the provider too, OpenID Connect RP-Initiated Logout §2.

        The session here is over already; that the provider cannot be told is no reason to keep it.
        """
        provider = self._context.sessions.provider_of(live.data)
        if provider is None:
            return self._context.config.after_logout
        endpoint = None
        try:
            endpoint = (yield from provider.client.server.metadata()).end_session_endpoint
            if live.data.refresh_token is not None:
                yield from token_endpoint.revoke(provider.client, live.data.refresh_token)
        except AdmitError as error:
            _LOG.warning("a refresh token was not revoked: %s: %s", error.code, error.detail)
        if endpoint is None:
            return self._context.config.after_logout
        parameters = {
            "id_token_hint": live.data.id_token,
            "client_id": provider.client.client_id,
            "post_logout_redirect_uri": f"{self._context.config.base_url}{self._context.config.after_logout}",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters, quote_via=quote)}"

    def told_that_over(self, request: Request) -> Talk[Answer]:
        """A logout token, OpenID Connect Back-Channel Logout §2.5 to §2.8."""
        given = fields_of(form_of(request)).get("logout_token", [])
        if len(given) != 1:
            return http.json(400, {"error": "invalid_request"})
        refused: AdmitError | None = None
        try:
            asked = sign_in.addressed(given[0], self._context.providers.values())
        except TokenError as error:
            asked, refused = [], error
        for provider in asked:
            try:
                keys = self._context.keys[provider.name]
                told = yield from sign_in.read_logout_token(provider, keys, given[0])
            except (TokenError, UnavailableError) as error:
                refused = error if not isinstance(refused, UnavailableError) else refused
                continue
            yield from end_told(self._context.store, told, self._context.config.clock())
            return Answer(200, (http.NO_STORE,))
        if isinstance(refused, UnavailableError):
            raise refused
        _LOG.warning("a logout token was refused: %s", refused.detail if refused else "nobody's")
        return http.json(
            400, {"error": "invalid_request", "error_description": "The logout token is not valid."}
        )


def is_script(request: Request) -> bool:
    """Whether a page's script asks. It cannot follow a redirect to the provider: that answers other origins nothing."""
    return bool(request.all(csrf.HEADER)) or "application/json" in request.one(b"accept")


def check_page(request: Request, origins: Collection[str]) -> None:
    """A page of this application made the request, by where it is from; the token is held where there is a session.

    Raises:
        CsrfError: another site's page did.
    """
    check_site(request)
    csrf.check_origin(request.headers, origins)


def end_told(store: SessionStore, told: logout_tokens.LogoutToken, now: float) -> Talk[None]:
    """End what the token names; one that comes again, as deliveries do, ends nothing more.

    Raises:
        UnavailableError: nothing ended, and the token is not spent.
    """
    at = (told.issuer, told.audience)
    over = StoredEnd(
        person=None if told.subject is None else person_name(*at, told.subject),
        at_provider=None if told.session_id is None else session_name(*at, told.session_id),
        told_at=told.iat,
        name=session_name(*at, f"jti:{told.jti}"),
        until=told.iat + (logout_tokens.MAX_AGE + logout_tokens.LEEWAY).total_seconds(),
    )
    yield from do(lambda: store.end_of(over, now))
