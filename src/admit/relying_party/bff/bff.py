"""`Bff`: from a request to an answer."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, quote, urlencode

from admit.client import tokens as token_endpoint
from admit.client.exchange import Ask, Talk, arun, ask, do, run
from admit.client.retry import is_refused
from admit.credentials import cookies, csrf
from admit.errors import (
    AdmitError,
    ConfigError,
    CsrfError,
    MalformedCredentialError,
    SessionError,
    TokenError,
    UnavailableError,
)
from admit.fetch import Fetcher, Response
from admit.relying_party import answer as answers
from admit.relying_party import sealing, sign_in, transaction
from admit.relying_party.bff import http, pages, proxy
from admit.relying_party.bff import session as session_data
from admit.relying_party.bff.config import BffConfig
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.proxy import Api, ForwardError
from admit.relying_party.bff.sessions import Live, Sessions, person_name, session_name
from admit.relying_party.errors import SignInError, TransactionError
from admit.relying_party.identity import Identity
from admit.relying_party.keys import ProviderKeys
from admit.relying_party.provider import Provider
from admit.relying_party.store import SessionStore, StoredTransaction
from admit.tokens import logout

_LOG = logging.getLogger("admit.bff")
_PURPOSE: Final = b"transaction"
_BROWSER_LIFE: Final = timedelta(hours=1)
_MAX_FORM: Final = 32_768
_FORM: Final = "application/x-www-form-urlencoded"


class Bff:
    """Signs people in with OpenID providers and keeps their tokens; the page has a session cookie only.

    `base_url` is the application's origin as browsers see it, and `mount` the path below which the routes are:

        GET  {mount}/login?next=/orders&provider=name    sends the browser to the provider
        GET  {mount}/callback/{name}                     where it comes back (POST for form_post)
        GET  {mount}/session                             who is signed in, and the CSRF token
        POST {mount}/logout                              ends the session, here and at the provider
        POST {mount}/backchannel-logout                  the provider says that a session is over
        any  {mount}/api/{name}/…                        an API, with the person's token for it

    `store` keeps the sessions: `SqliteSessionStore`, or `MemorySessionStore` for one process. `apis` are those that
    pages may reach, and no others. `origins` are further ones whose pages may change things. A session ends when it was
    idle for `idle`, after `absolute`, by signing out here or at the provider, or when the provider refuses to renew its
    tokens. `fetcher` replaces what calls the APIs.

    Every change by cookie wants `X-CSRF-Token` (from `/session`) and an `Origin` of this application.

    Raises:
        ConfigError: the parts do not fit together.
    """

    def __init__(
        self,
        base_url: str,
        *,
        providers: Sequence[Provider],
        store: SessionStore,
        apis: Sequence[Api] = (),
        mount: str = "/bff",
        origins: Collection[str] = frozenset(),
        after_login: str = "/",
        after_logout: str = "/",
        idle: timedelta = timedelta(hours=8),
        absolute: timedelta = timedelta(days=30),
        fetcher: Fetcher | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(origins, str):
            raise ConfigError("Bff(origins=...) are several texts such as https://app.example.com")
        self.config = BffConfig(
            base_url=base_url,
            providers=tuple(providers),
            apis=tuple(apis),
            mount=mount,
            origins=frozenset(origins),
            after_login=after_login,
            after_logout=after_logout,
            idle=idle,
            absolute=absolute,
            clock=clock,
        )
        self._store = store
        self._sessions = Sessions(self.config, store)
        self._providers = {one.name: one for one in self.config.providers}
        self._apis = {one.name: one for one in self.config.apis}
        self._keys = {one.name: ProviderKeys(one) for one in self.config.providers}
        self._fetcher = Fetcher(frozenset(one.origin for one in apis)) if fetcher is None else fetcher
        self._under_way: set[asyncio.Task[Answer]] = set()

    def handle(self, request: Request) -> Answer:
        """The answer to a request below `mount`, in this thread."""
        return run(self._answered(request))

    async def ahandle(self, request: Request) -> Answer:
        """The same in the running event loop. A browser that hangs up does not interrupt a refresh."""
        task = asyncio.get_running_loop().create_task(arun(self._answered(request)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    def session(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity | None:
        """Who is signed in, by the headers of any request of the application; None: nobody.

        For routes of the application's own. One that changes things holds `check_csrf` too.
        """
        live = run(self._live(Request("GET", "/", headers=headers)))
        return None if live is None else live.data.identity

    async def asession(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity | None:
        """`session` in the running event loop."""
        live = await arun(self._live(Request("GET", "/", headers=headers)))
        return None if live is None else live.data.identity

    def check_csrf(self, method: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Hold that a page of this application made the request, by `Origin` and `X-CSRF-Token`.

        Raises:
            CsrfError: another may have.
            SessionError: there is no session cookie.
        """
        raw = cookies.session_id([v for n, v in headers if n == b"cookie"], self.config.session_cookie)
        if raw is None:
            raise SessionError("there is no session cookie")
        csrf.check(headers, method, origins=self.config.origins, raw_id=raw)

    def _answered(self, request: Request) -> Talk[Answer]:
        try:
            return (yield from self._routed(request))
        except AdmitError as error:
            _LOG.info("refused: %s: %s", error.code, error.detail)
            return http.refusal(error)

    def _routed(self, request: Request) -> Talk[Answer]:
        path = request.path.removeprefix(self.config.mount)
        head, _, rest = path.removeprefix("/").partition("/")
        if head == "api":
            return (yield from self._forwarded(request, rest))
        match (request.method, head, rest):
            case ("GET", "login", ""):
                return (yield from self._page(request, self._login(request)))
            case ("GET" | "POST", "callback", name):
                return (yield from self._page(request, self._callback(request, name)))
            case ("GET", "session", ""):
                return (yield from self._told(request))
            case ("POST", "logout", ""):
                return (yield from self._logout(request))
            case ("POST", "backchannel-logout", ""):
                return (yield from self._told_that_over(request))
        known = {"login": "GET", "callback": "GET, POST", "session": "GET", "logout": "POST"}
        if head in known and (not rest or head == "callback"):
            return Answer(405, (("allow", known[head]), http.NO_STORE))
        return http.json(404, {"error": "not_found"})

    def _page(self, request: Request, talk: Talk[Answer]) -> Talk[Answer]:
        """What a person sees when a sign-in comes to nothing. Why is told to the log."""
        try:
            return (yield from talk)
        except AdmitError as error:
            _LOG.warning("no sign-in: %s: %s", error.code, error.detail)
            status = error.status if isinstance(error, SignInError | UnavailableError) else 400
            login = f"{self.config.mount}/login"
            return pages.not_signed_in(request.one(b"accept-language"), login, status)

    # Signing in

    def _login(self, request: Request) -> Talk[Answer]:
        config, now = self.config, self.config.clock()
        asked = _fields(request.query)
        name = asked.get("provider", [config.providers[0].name])[0]
        provider = self._providers.get(name)
        if provider is None:
            raise SignInError("no such provider")
        metadata = yield from provider.client.server.metadata()
        begun = transaction.begin(
            provider,
            redirect_uri=config.callback_url(name),
            return_to=asked.get("next", [config.after_login])[0],
            now=now,
        )
        location = transaction.authorization_url(provider, metadata, begun)
        raw = self._browser(request) or os.urandom(32)
        stored = StoredTransaction(
            state=hashlib.sha256(begun.state.encode()).digest(),
            browser=hashlib.sha256(raw).digest(),
            sealed=sealing.seal(transaction.dump(begun), raw, _PURPOSE),
            form_post=begun.form_post,
            expires_at=now + transaction.LIFETIME,
        )
        if not (yield from do(lambda: self._store.begin(stored, now))):
            raise UnavailableError("as many sign-ins are under way as may be")
        cookie = cookies.set_cookie(
            config.browser_cookie, cookies.encode_session_id(raw), max_age=_BROWSER_LIFE
        )
        return http.see_other(location, ("set-cookie", cookie))

    def _callback(self, request: Request, name: str) -> Talk[Answer]:
        provider = self._providers.get(name)
        if provider is None:
            raise SignInError("no such provider")
        posted = request.method == "POST"
        text = _form(request) if posted else request.query
        answer = answers.read(text)
        raw = self._browser(request)
        if posted and raw is None:
            return (yield from self._held(answer, name, text))
        begun, held = yield from self._spent(answer.state, raw)
        if held is not None:
            if set(answer.parameters) != {"state"}:
                raise TransactionError("an answer was held, and another one came")
            answer, posted = answers.read(held.decode()), True
        answers.check_transaction(begun, name, posted=posted, now=self.config.clock())
        identity, found = yield from sign_in.finish(provider, self._keys[name], begun, answer)
        yield from self._end_former(request)
        fresh = yield from self._sessions.begin(provider, identity, found)
        return http.see_other(begun.return_to, ("set-cookie", self._session_cookie(fresh)))

    def _held(self, answer: answers.Answer, name: str, text: str) -> Talk[Answer]:
        """A posted answer comes from another site, so without the Lax cookie; a GET of our own brings it.

        The answer waits at its transaction, and only the browser that began that gets at it.
        """
        state, now = answer.state or "", self.config.clock()
        key = hashlib.sha256(state.encode()).digest()
        if not (yield from do(lambda: self._store.hold(key, text.encode(), now))):
            raise TransactionError("no sign-in under way takes this posted answer")
        return http.see_other(f"{self.config.callback_url(name)}?{urlencode({'state': state})}")

    def _spent(
        self, state: str | None, raw: bytes | None
    ) -> Talk[tuple[transaction.Transaction, bytes | None]]:
        """The transaction of this state, once, and only for the browser that began it.

        Raises:
            TransactionError: it is another browser's, over, or spent.
        """
        key, browser = transaction_keys(state, raw)
        now = self.config.clock()
        found = yield from do(lambda: self._store.spend(key, browser, now))
        if found is None or raw is None:
            raise TransactionError("no sign-in of this browser is under way with this state")
        octets = sealing.unseal(found[0], raw, _PURPOSE)
        if octets is None:
            raise TransactionError("the transaction does not open with this browser's cookie")
        return transaction.load(octets), found[1]

    def _end_former(self, request: Request) -> Talk[None]:
        try:
            former = self._raw_session(request)
        except AdmitError:
            return
        if former is not None:
            yield from self._sessions.end(former)

    # The session

    def _told(self, request: Request) -> Talk[Answer]:
        live = yield from self._live(request)
        if live is None:
            return http.json(200, {"signed_in": False})
        data = live.data
        return http.json(
            200,
            {
                "signed_in": True,
                "issuer": data.issuer,
                "subject": data.subject,
                "provider": data.provider,
                "claims": session_data.person(data.claims),
                "expires_at": int(min(live.stored.expires_at, live.stored.idle_at)),
                "csrf_token": csrf.token(live.raw),
            },
        )

    def _logout(self, request: Request) -> Talk[Answer]:
        raw = self._raw_session(request)
        over = ("set-cookie", cookies.clear_cookie(self.config.session_cookie))
        location = self.config.after_logout
        if raw is not None:
            self._check_csrf(request, raw, form=True)
            live = yield from self._sessions.find(raw)
            yield from self._sessions.end(raw)
            if live is not None:
                location = yield from self._goodbye(live)
        if "application/json" in request.one(b"accept"):
            return http.json(200, {"location": location}, over)
        return http.see_other(location, over)

    def _goodbye(self, live: Live) -> Talk[str]:
        """Where the browser goes to sign out at the provider too, OpenID Connect RP-Initiated Logout §2.

        The session here is over already; that the provider cannot be told is no reason to keep it.
        """
        provider = self._providers.get(live.data.provider)
        if provider is None:
            return self.config.after_logout
        try:
            metadata = yield from provider.client.server.metadata()
            if live.data.refresh_token is not None:
                yield from token_endpoint.revoke(provider.client, live.data.refresh_token)
        except AdmitError as error:
            _LOG.warning("the provider was not told of a logout: %s: %s", error.code, error.detail)
            return self.config.after_logout
        endpoint = metadata.end_session_endpoint
        if endpoint is None:
            return self.config.after_logout
        parameters = {
            "id_token_hint": live.data.id_token,
            "client_id": provider.client.client_id,
            "post_logout_redirect_uri": f"{self.config.base_url}{self.config.after_logout}",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters, quote_via=quote)}"

    def _told_that_over(self, request: Request) -> Talk[Answer]:
        """A logout token, OpenID Connect Back-Channel Logout §2.5 to §2.8."""
        given = _fields(_form(request)).get("logout_token", [])
        if len(given) != 1:
            return http.json(400, {"error": "invalid_request"})
        refused: TokenError | None = None
        for provider in self._providers.values():
            try:
                told = yield from sign_in.read_logout_token(provider, self._keys[provider.name], given[0])
            except TokenError as error:
                refused = error
                continue
            yield from self._end_told(told)
            return Answer(200, (http.NO_STORE,))
        _LOG.warning("a logout token was refused: %s", refused.detail if refused else "nobody's")
        return http.json(
            400, {"error": "invalid_request", "error_description": "The logout token is not valid."}
        )

    def _end_told(self, told: logout.LogoutToken) -> Talk[None]:
        """End what the token names; one that comes again, as deliveries do, ends nothing more."""
        now = self.config.clock()
        key = session_name(told.issuer, told.audience, f"jti:{told.jti}")
        until = told.iat + (logout.MAX_AGE + logout.LEEWAY).total_seconds()
        if not (yield from do(lambda: self._store.spend_once(key, now, until))):
            return
        person = None if told.subject is None else person_name(told.issuer, told.audience, told.subject)
        at_provider = (
            None if told.session_id is None else session_name(told.issuer, told.audience, told.session_id)
        )
        yield from do(lambda: self._store.end_of(person, at_provider, now))

    # APIs

    def _forwarded(self, request: Request, rest: str) -> Talk[Answer]:
        name, _, path = rest.partition("/")
        api = self._apis.get(name)
        if api is None:
            return http.json(404, {"error": "not_found"})
        if request.method not in proxy.METHODS:
            return Answer(405, (("allow", ", ".join(sorted(proxy.METHODS))), http.NO_STORE))
        raw = self._raw_session(request)
        if raw is None:
            raise SessionError("there is no session cookie")
        self._check_csrf(request, raw)
        url = proxy.target(api, path, request.query)
        if len(request.body) > api.max_bytes:
            raise ForwardError("the body is too large")
        live = yield from self._sessions.find(raw)
        if live is None:
            raise SessionError("the session is over")
        provider = self._providers.get(live.data.provider)
        if provider is None:
            raise SessionError("the session's provider is not known any more")
        token = yield from self._sessions.access_token(live, provider, api)
        response = yield from self._called(request, api, url, token)
        if is_refused(response.status, response.headers.get("www-authenticate")):
            token = yield from self._sessions.access_token(live, provider, api, refused=token)
            response = yield from self._called(request, api, url, token)
        return proxy.answer(response)

    def _called(self, request: Request, api: Api, url: str, token: str) -> Talk[Response]:
        body = request.body if request.body or request.method not in csrf.SAFE_METHODS else None
        asked = Ask(
            fetcher=self._fetcher,
            method=request.method,
            url=url,
            headers=proxy.headers(request, token),
            body=body,
            max_bytes=api.max_bytes,
            repeat=request.method in csrf.SAFE_METHODS,
        )
        return (yield from ask(asked))

    # Cookies

    def _live(self, request: Request) -> Talk[Live | None]:
        try:
            raw = self._raw_session(request)
        except SessionError:
            return None
        return None if raw is None else (yield from self._sessions.find(raw))

    def _raw_session(self, request: Request) -> bytes | None:
        return cookies.session_id(request.all(b"cookie"), self.config.session_cookie)

    def _browser(self, request: Request) -> bytes | None:
        """The browser that a transaction is bound to; None where its cookie is missing or odd."""
        try:
            return cookies.session_id(request.all(b"cookie"), self.config.browser_cookie)
        except AdmitError:
            return None

    def _session_cookie(self, raw: bytes) -> str:
        return cookies.set_cookie(
            self.config.session_cookie, cookies.encode_session_id(raw), max_age=self.config.absolute
        )

    def _check_csrf(self, request: Request, raw: bytes, *, form: bool = False) -> None:
        """A page of this application made the request: by Origin and token, and for reading too by where it is from."""
        if request.one(b"sec-fetch-site") == "cross-site":
            raise CsrfError("another site's page made the request")
        field = None
        if form and request.media_type == _FORM:
            field = _fields(_form(request)).get("csrf_token", [""])[0]
        csrf.check(request.headers, request.method, origins=self.config.origins, raw_id=raw, field=field)


def transaction_keys(state: str | None, raw: bytes | None) -> tuple[bytes, bytes]:
    """By what a transaction is found: its state, and the browser that began it. Both, always.

    Raises:
        TransactionError: one of them is missing.
    """
    if not state or raw is None:
        raise TransactionError("state or the browser's cookie is missing")
    return hashlib.sha256(state.encode()).digest(), hashlib.sha256(raw).digest()


def _form(request: Request) -> str:
    if request.media_type != _FORM or len(request.body) > _MAX_FORM:
        raise MalformedCredentialError("not a form, or too large")
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedCredentialError("the form is not text") from None


def _fields(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=answers.MAX_FIELDS)
    except ValueError:
        raise MalformedCredentialError("too many parameters") from None
