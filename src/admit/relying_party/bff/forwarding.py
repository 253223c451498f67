"""Requests of the page that go on to an API, with the person's token for it."""

from collections.abc import AsyncIterable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from admit.client.exchange import Open, Talk, arun, open_flow, shut
from admit.client.retry import is_refused
from admit.credentials import csrf
from admit.errors import SessionError, UnavailableError
from admit.fetch import AsyncFlow, Flow
from admit.relying_party.bff import http, passing, proxy
from admit.relying_party.bff.context import Context, check_site
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.passing import Browser, Passing, Watch
from admit.relying_party.bff.proxy import AnotherProviderError, Api, ForwardError
from admit.relying_party.bff.session import SessionData
from admit.relying_party.bff.sessions import Live, is_of
from admit.relying_party.provider import Provider

if TYPE_CHECKING:
    from admit.relying_party.bff.sockets import ApiSocket


class SendAgainError(UnavailableError):
    """The API took the token for invalid when the body was sent already. There is a new one now."""

    public: ClassVar[str] = "Send this again."
    retry_after: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Relayed:
    """The API's half of a WebSocket, and how it goes on."""

    half: "ApiSocket"
    watch: Watch
    most: int
    every: float

    @property
    def subprotocol(self) -> str | None:
        """What the API chose."""
        return self.half.subprotocol

    async def relay(self, browser: Browser) -> None:
        """Pass messages on until one side closes, or the session is over; then both are closed."""
        from admit.relying_party.bff import sockets

        await sockets.relay(browser, self.half, self.watch, most=self.most, every=self.every)

    async def aclose(self) -> None:
        """Let go of the API, where the page was never answered."""
        await self.half.close(1001)


class Forwarding:
    """`/api/{name}/…`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def forwarded(self, request: Request, rest: str) -> Talk[Answer]:
        name, _, path = rest.partition("/")
        api = self._context.apis.get(name)
        if api is None:
            return http.json(404, {"error": "not_found"})
        if request.method not in proxy.METHODS:
            return Answer(405, (("allow", ", ".join(sorted(proxy.METHODS))), http.NO_STORE))
        raw = self._context.raw_session(request)
        if raw is None:
            raise SessionError("there is no session cookie")
        self._context.check_csrf(request, raw)
        url = proxy.target(api, path, request.query)
        passing.check_size(proxy.length(request) or len(request.body), api.max_bytes)
        live = yield from self._context.sessions.find(raw)
        provider = self.provider_of(live, api)
        assert live is not None
        token = yield from self._context.sessions.access_token(live, provider, api)
        flow = yield from self._called(request, api, url, token)
        no_good = is_refused(flow.status, flow.headers.get("www-authenticate"))
        if no_good and self._context.sessions.may_mend(live, api, token):
            yield from shut(flow)
            token = yield from self._context.sessions.access_token(live, provider, api, refused=token)
            if request.upload is not None:
                raise SendAgainError("the API took the token for invalid, and the body was sent already")
            flow = yield from self._called(request, api, url, token)
        answer = proxy.answer(flow.status, flow.headers)
        if request.method == "HEAD" or flow.status in (204, 304):
            yield from shut(flow)
            return answer
        return replace(answer, passing=Passing(flow, self.watch(live)))

    async def connected(self, request: Request, rest: str) -> Relayed:
        """The API's half of a WebSocket, for the page's handshake.

        Raises:
            AdmitError: a refusal, to be answered instead.
        """
        from admit.relying_party.bff import sockets  # its library is an extra

        name, _, path = rest.partition("/")
        api = self._context.apis.get(name)
        if api is None or not api.websockets:
            raise ForwardError("no API with WebSockets has this name")
        raw = self._context.raw_session(request)
        if raw is None:
            raise SessionError("there is no session cookie")
        check_page(request, self._context.config.origins)
        url = proxy.target(api, path, request.query)
        live = await arun(self._context.sessions.find(raw))
        provider = self.provider_of(live, api)
        assert live is not None
        offered, refused = proxy.subprotocols(request), None
        for _ in range(2):
            token = await arun(self._context.sessions.access_token(live, provider, api, refused=refused))
            try:
                half = await sockets.connect(
                    self._context.fetcher,
                    url,
                    proxy.handshake(request, token),
                    offered,
                    most=api.max_bytes,
                    seconds=api.timeout.total_seconds(),
                )
            except sockets.HandshakeRefusedError as error:
                no_good = is_refused(error.answered, error.challenge)
                if (
                    refused is not None
                    or not no_good
                    or not self._context.sessions.may_mend(live, api, token)
                ):
                    raise
                refused = token
            else:
                every = self._context.config.recheck.total_seconds()
                return Relayed(half, self.watch(live), api.max_bytes, every)
        raise ForwardError("the API takes no token of this session")

    def provider_of(self, live: Live | None, api: Api) -> Provider:
        """Whose tokens the session has, if the API takes those.

        Raises:
            SessionError: there is no session, or its provider is not known any more.
            AnotherProviderError: the API takes another's.
        """
        if live is None:
            raise SessionError("the session is over")
        provider = self._context.sessions.provider_of(live.data)
        if provider is None:
            raise SessionError("the session's provider is not known any more")
        check_provider(live.data, None if api.provider is None else self._context.providers[api.provider])
        return provider

    def watch(self, live: Live) -> Watch:
        """What ends an answer, or a WebSocket, that goes on when the session is over."""
        config = self._context.config
        return Watch(lambda: self._still(live), config.clock, config.recheck.total_seconds())

    def _still(self, live: Live) -> Talk[None]:
        if not (yield from self._context.sessions.lives(live)):
            raise SessionError("the session ended meanwhile")

    def _called(self, request: Request, api: Api, url: str, token: str) -> Talk[Flow | AsyncFlow]:
        body: bytes | Iterable[bytes] | AsyncIterable[bytes] | None = None
        if request.upload is not None:
            body = passing.limited(request.upload, api.max_bytes)
        elif request.body or request.method not in csrf.SAFE_METHODS:
            body = request.body
        asked = Open(
            fetcher=self._context.fetcher,
            method=request.method,
            url=url,
            headers=proxy.headers(request, token),
            body=body,
            timeout=api.timeout,
            silence=api.silence,
            repeat=request.method in csrf.SAFE_METHODS and request.upload is None,
        )
        return (yield from open_flow(asked))


def check_page(request: Request, origins: Collection[str]) -> None:
    """A page of this application opens the WebSocket: by its origin alone, as a handshake has no room for a token.

    Raises:
        CsrfError: another may have, or a program.
    """
    check_site(request)
    csrf.check_handshake(request.headers, origins=origins, secure=True)


def check_provider(data: SessionData, wanted: Provider | None) -> None:
    """An API gets the tokens of the provider whose tokens it takes, and never sees those of another.

    Raises:
        AnotherProviderError: the session is another's.
    """
    if wanted is not None and not is_of(data, wanted):
        raise AnotherProviderError("the session is of another provider than the API takes tokens of")
