"""Tokens for `requests`: `session.auth = TokenAuth(source)`. The library itself is not imported here."""

from typing import Any

from admit.client.retry import is_refused
from admit.client.source import TokenSource

__all__ = ["TokenAuth"]


class TokenAuth:
    """Sends a source's token with each request to its own API, and once more with a new one after `invalid_token`.

    A request elsewhere is an error, and none is sent. A redirect to another host loses the token, as `requests` has it.
    A body that can be read only once is not sent again, nor is any request while `TokenSource.discard` says no.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def __call__(self, request: Any) -> Any:
        """What `requests` calls for each request. Raises ForeignOriginError, and what `TokenSource.token` raises."""
        self._source.check_url(request.url)
        token = self._source.token()
        url = request.url
        request.headers["Authorization"] = f"Bearer {token}"

        def again(response: Any, **settings: Any) -> Any:
            repeatable = request.body is None or isinstance(request.body, str | bytes)
            # The answer may be another server's, after a redirect: what that says of a token counts for nothing.
            if (
                not repeatable
                or response.request.url != url
                or response.request.headers.get("Authorization") != f"Bearer {token}"
                or not is_refused(response.status_code, response.headers.get("WWW-Authenticate"))
                or not self._source.discard(token)
            ):
                return response
            response.content  # noqa: B018 - read to the end, so that the connection can be used again
            response.close()
            fresh = response.request.copy()
            fresh.headers["Authorization"] = f"Bearer {self._source.token()}"
            repeated = response.connection.send(fresh, **settings)
            repeated.history.append(response)
            repeated.request = fresh
            return repeated

        request.register_hook("response", again)
        return request
