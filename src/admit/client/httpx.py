"""Tokens for `httpx`: `httpx.Client(auth=TokenAuth(source))`, and the same for `httpx.AsyncClient`."""

from collections.abc import AsyncGenerator, Generator

import httpx

from admit.client.retry import is_refused
from admit.client.source import TokenSource

__all__ = ["TokenAuth"]


class TokenAuth(httpx.Auth):
    """Sends a source's token with each request to its own API, and once more with a new one after `invalid_token`.

    A request elsewhere is an error, and none is sent. A redirect to another origin loses the token, as `httpx` has it.
    A body that can be read only once is not sent again, nor is any request while `TokenSource.discard` says no.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Raises ForeignOriginError, and what `TokenSource.token` raises."""
        self._source.check_url(str(request.url))
        token = self._source.token()
        response = yield _with(request, token)
        if self._may_repeat(request, response) and self._source.discard(token):
            yield _with(request, self._source.token())

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises ForeignOriginError, and what `TokenSource.atoken` raises."""
        self._source.check_url(str(request.url))
        token = await self._source.atoken()
        response = yield _with(request, token)
        if self._may_repeat(request, response) and self._source.discard(token):
            yield _with(request, await self._source.atoken())

    def _may_repeat(self, request: httpx.Request, response: httpx.Response) -> bool:
        # The answer may be another server's, after a redirect: what that says of a token counts for nothing.
        return (
            response.request.url == request.url
            and isinstance(request.stream, httpx.ByteStream)
            and is_refused(response.status_code, response.headers.get("www-authenticate"))
        )


def _with(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["authorization"] = f"Bearer {token}"
    return request
