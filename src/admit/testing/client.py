"""Any test client, calling as somebody."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Final, Generic, TypeVar

from admit.principal import Principal
from admit.testing.callers import Caller

C = TypeVar("C")
_CALLS: Final = frozenset(
    {
        "get", "head", "options", "post", "put", "patch", "delete", "trace", "request", "stream", "open", "generic",
        "websocket_connect",
    }
)  # fmt: skip


class Client(Generic[C]):
    """A test client of any framework; all that it has is there, and `as_` beside it.

    `wrapped` is the client itself.
    """

    def __init__(
        self,
        client: C,
        carried: Callable[[Principal, Caller], dict[str, str]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.wrapped = client
        self._carried = carried
        self._headers = dict(headers or {})

    def as_(self, who: Principal, *, by: Caller = "token") -> "Client[C]":
        """The same client, calling as this principal: by token, or by session where the guard takes sessions.

        Cookies and the like are still those of the one client; headers given with a call go before these.

        Raises:
            ConfigError: the guard does not take that, or a principal that is not one of tests.
        """
        return Client(self.wrapped, self._carried, self._carried(who, by))

    def __getattr__(self, name: str) -> Any:
        if name not in _CALLS or not self._headers:
            return getattr(self.wrapped, name)
        if "cookie" in self._headers and _is_werkzeugs(self.wrapped):
            others = {name: value for name, value in self._headers.items() if name != "cookie"}
            return _calling(getattr(_sending(self.wrapped, self._headers["cookie"]), name), others)
        return _calling(getattr(self.wrapped, name), self._headers)


def _calling(call: Callable[..., Any], carried: Mapping[str, str]) -> Callable[..., Any]:
    def with_headers(*args: Any, headers: Any = None, **kwargs: Any) -> Any:
        given = dict(headers or {})
        named = {str(name).lower() for name in given}
        missing = {name: value for name, value in carried.items() if name not in named}
        return call(*args, headers={**missing, **given}, **kwargs)

    return with_headers


def _is_werkzeugs(client: object) -> bool:
    """Whether it is werkzeug's test client, or Flask's, which is one: found out without loading either."""
    return any((of.__module__, of.__name__) == ("werkzeug.test", "Client") for of in type(client).__mro__)


def _sending(client: Any, cookie: str) -> Any:
    """The same client of werkzeug's, jar and all, for one call with this cookie.

    It takes a `Cookie` header for its jar's own and replaces it, by nothing where the jar is empty: so the cookie is
    added behind it.
    """
    for_this_call = copy(client)
    for_this_call.application = _Receiving(client.application, cookie)
    return for_this_call


class _Receiving:
    """A WSGI application that gets one more cookie with each request; all else is the application's own."""

    def __init__(self, application: Callable[..., Any], cookie: str) -> None:
        self._application = application
        self._cookie = cookie

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        others = environ.get("HTTP_COOKIE")
        environ["HTTP_COOKIE"] = f"{others}; {self._cookie}" if others else self._cookie
        return self._application(environ, start_response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)
