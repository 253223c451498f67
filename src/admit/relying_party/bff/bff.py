"""`Bff`: from a request to an answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Final

from admit.client.exchange import Talk, arun, run
from admit.credentials import cookies, csrf
from admit.errors import AdmitError, ConfigError, SessionError, UnavailableError
from admit.fetch import Fetcher
from admit.relying_party.bff import http, pages
from admit.relying_party.bff.config import BffConfig
from admit.relying_party.bff.context import Context
from admit.relying_party.bff.forwarding import Forwarding, Relayed
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.proxy import Api
from admit.relying_party.bff.signing_in import SigningIn
from admit.relying_party.bff.signing_out import SigningOut
from admit.relying_party.errors import SignInError
from admit.relying_party.identity import Identity
from admit.relying_party.provider import Provider
from admit.relying_party.store import SessionStore

_LOG = logging.getLogger("admit.bff")
_API_TIMEOUT: Final = timedelta(seconds=30)


class Bff:
    """Signs people in with OpenID providers and keeps their tokens; the page has a session cookie only.

    `base_url` is the application's origin as browsers see it, and `mount` the path below which the routes are:

        GET  {mount}/login?next=/orders&provider=name    sends the browser to the provider
        GET  {mount}/callback/{name}                     where it comes back (POST for form_post)
        GET  {mount}/session                             who is signed in, and the CSRF token
        POST {mount}/logout                              ends the session, here and at the provider
        POST {mount}/backchannel-logout                  the provider says that a session is over
        any  {mount}/api/{name}/…                        an API, with the person's token for it

    `store` keeps the sessions: `RedisSessionStore` for several machines, `SqliteSessionStore` for one, or
    `MemorySessionStore` for one process. `apis` are those that
    pages may reach, and no others. `origins` are further ones whose pages may change things. A session ends when it was
    idle for `idle`, after `absolute`, by signing out here or at the provider, or when the provider refuses to renew its
    tokens. What goes on for long, a stream or a WebSocket, ends at most `recheck` after its session. `fetcher` replaces
    what calls the APIs.

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
        recheck: timedelta = timedelta(seconds=30),
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
            recheck=recheck,
            clock=clock,
        )
        if fetcher is None:
            fetcher = Fetcher(frozenset(one.origin for one in apis), timeout=_API_TIMEOUT)
        if any(one.websockets for one in apis):
            try:
                import websockets
            except ImportError:
                raise ConfigError(
                    "Api(websockets=True) needs websockets: pip install 'admit[websockets]'"
                ) from None
            del websockets
        self._context = Context(self.config, store, fetcher)
        self._signing_in = SigningIn(self._context)
        self._signing_out = SigningOut(self._context)
        self._forwarding = Forwarding(self._context)
        self._under_way: set[asyncio.Task[Answer]] = set()

    def handle(self, request: Request) -> Answer:
        """The answer to a request below `mount`, in this thread."""
        return run(self._answered(request))

    async def ahandle(self, request: Request) -> Answer:
        """The same in the running event loop. A browser that hangs up does not interrupt a refresh."""
        task = asyncio.get_running_loop().create_task(arun(self._answered(request)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._let_go)
            raise

    async def aconnect(self, request: Request) -> Relayed:
        """The API's half of a WebSocket, for a page's handshake; the framework's half is relayed to it.

        Raises:
            AdmitError: a refusal, to be answered instead.
        """
        rest = request.path.removeprefix(f"{self.config.mount}/api/")
        return await self._forwarding.connected(request, rest)

    def session(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity | None:
        """Who is signed in, by the headers of any request of the application; None: nobody.

        For routes of the application's own. One that changes things holds `check_csrf` too.
        """
        live = run(self._context.live(Request("GET", "/", headers=headers)))
        return None if live is None else live.data.identity

    async def asession(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity | None:
        """`session` in the running event loop."""
        live = await arun(self._context.live(Request("GET", "/", headers=headers)))
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

    def _let_go(self, task: "asyncio.Task[Answer]") -> None:
        """Nobody waits for this answer any more, so the API must not go on with it."""
        if task.cancelled() or task.exception() is not None or task.result().passing is None:
            return
        closing = asyncio.get_running_loop().create_task(self._closed(task.result()))
        self._under_way.add(closing)
        closing.add_done_callback(self._under_way.discard)

    async def _closed(self, answer: Answer) -> Answer:
        if answer.passing is not None:
            await answer.passing.aclose()
        return answer

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
            return (yield from self._forwarding.forwarded(request, rest))
        match (request.method, head, rest):
            case ("GET", "login", ""):
                return (yield from self._page(request, self._signing_in.login(request)))
            case ("GET" | "POST", "callback", name):
                return (yield from self._page(request, self._signing_in.callback(request, name)))
            case ("GET", "session", ""):
                return (yield from self._signing_out.told(request))
            case ("POST", "logout", ""):
                return (yield from self._signing_out.logout(request))
            case ("POST", "backchannel-logout", ""):
                return (yield from self._signing_out.told_that_over(request))
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
