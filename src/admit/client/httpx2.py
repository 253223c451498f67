"""Tokens for `httpx2`: `httpx2.Client(auth=TokenAuth(source))`, and the same for `httpx2.AsyncClient`."""

from collections.abc import AsyncGenerator, Generator

import httpx2

from admit.client.retry import is_refused
from admit.client.source import TokenSource

__all__ = ["TokenAuth"]


class TokenAuth(httpx2.Auth):
    """Sends a source's token with each request to its own API, and once more with a new one after `invalid_token`.

    A request elsewhere is an error, and none is sent. A redirect to another origin loses the token, as `httpx2` has it.
    A body that can be read only once is not sent again, nor is any request while `TokenSource.discard` says no.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Raises ForeignOriginError, and what `TokenSource.token` raises."""
        self._source.check_url(str(request.url))
        token = self._source.token()
        response = yield _with(request, token)
        if self._may_repeat(request, response) and self._source.discard(token):
            yield _with(request, self._source.token())

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Raises ForeignOriginError, and what `TokenSource.atoken` raises."""
        self._source.check_url(str(request.url))
        token = await self._source.atoken()
        response = yield _with(request, token)
        if self._may_repeat(request, response) and self._source.discard(token):
            yield _with(request, await self._source.atoken())

    def _may_repeat(self, request: httpx2.Request, response: httpx2.Response) -> bool:
        # The answer may be another server's, after a redirect: what that says of a token counts for nothing.
        return (
            response.request.url == request.url
            and isinstance(request.stream, httpx2.ByteStream)
            and is_refused(response.status_code, response.headers.get("www-authenticate"))
        )


def _with(request: httpx2.Request, token: str) -> httpx2.Request:
    request.headers["authorization"] = f"Bearer {token}"
    return request
