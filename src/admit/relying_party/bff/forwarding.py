"""Requests of the page that go on to an API, with the person's token for it."""

from admit.client.exchange import Ask, Talk, ask
from admit.client.retry import is_refused
from admit.credentials import csrf
from admit.errors import SessionError
from admit.fetch import Response
from admit.relying_party.bff import http, proxy
from admit.relying_party.bff.context import Context
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.proxy import AnotherProviderError, Api, ForwardError
from admit.relying_party.bff.session import SessionData
from admit.relying_party.bff.sessions import is_of
from admit.relying_party.provider import Provider


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
        if len(request.body) > api.max_bytes:
            raise ForwardError("the body is too large")
        live = yield from self._context.sessions.find(raw)
        if live is None:
            raise SessionError("the session is over")
        provider = self._context.sessions.provider_of(live.data)
        if provider is None:
            raise SessionError("the session's provider is not known any more")
        check_provider(live.data, None if api.provider is None else self._context.providers[api.provider])
        token = yield from self._context.sessions.access_token(live, provider, api)
        response = yield from self._called(request, api, url, token)
        if is_refused(response.status, response.headers.get("www-authenticate")):
            token = yield from self._context.sessions.access_token(live, provider, api, refused=token)
            response = yield from self._called(request, api, url, token)
        return proxy.answer(response)

    def _called(self, request: Request, api: Api, url: str, token: str) -> Talk[Response]:
        body = request.body if request.body or request.method not in csrf.SAFE_METHODS else None
        asked = Ask(
            fetcher=self._context.fetcher,
            method=request.method,
            url=url,
            headers=proxy.headers(request, token),
            body=body,
            max_bytes=api.max_bytes,
            repeat=request.method in csrf.SAFE_METHODS,
        )
        return (yield from ask(asked))


def check_provider(data: SessionData, wanted: Provider | None) -> None:
    """An API gets the tokens of the provider whose tokens it takes, and never sees those of another.

    Raises:
        AnotherProviderError: the session is another's.
    """
    if wanted is not None and not is_of(data, wanted):
        raise AnotherProviderError("the session is of another provider than the API takes tokens of")
