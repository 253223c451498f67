"""Any test client, calling as somebody."""

from collections.abc import Callable, Mapping
from copy import copy
from datetime import timedelta
from typing import Any, Final, Generic, Self, TypeVar

from admit.errors import ConfigError
from admit.principal import Principal
from admit.testing.callers import Caller

C = TypeVar("C")
_CALLS: Final = frozenset(
    {
        "get", "head", "options", "post", "put", "patch", "delete", "trace", "request", "stream", "open", "generic",
        "websocket_connect", "build_request",
    }
)  # fmt: skip
_OWN: Final = frozenset({"wrapped", "_carried", "_headers"})


class Client(Generic[C]):
    """A test client of any framework; all that it has is there, and `as_` beside it.

    `wrapped` is the client itself: what is set here is set there, and `with` and `async with` are its own, so that an
    application's lifespan runs.
    """

    wrapped: C

    def __init__(
        self,
        client: C,
        carried: Callable[..., dict[str, str]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.wrapped = client
        self._carried = carried
        self._headers = dict(headers or {})

    def as_(self, who: Principal, *, by: Caller = "token", age: timedelta = timedelta(0)) -> "Client[C]":
        """The same client, calling as this principal: by token, or by session where the guard takes sessions.

        Cookies and the like are still those of the one client; headers given with a call go before these. What it
        calls with was had `age` ago, so beyond its lifetime (of a token 5 min, of a session 8 h) it has expired. At a
        `Bff` it is always a session of that.

        Raises:
            ConfigError: the guard does not take that, or a principal that is not one of tests.
        """
        headers = self._carried(who, by, age) if age else self._carried(who, by)
        return Client(self.wrapped, self._carried, headers)

    def __enter__(self) -> Self:
        _its(self.wrapped, "__enter__")()
        return self

    def __exit__(self, *raised: Any) -> Any:
        return _its(self.wrapped, "__exit__")(*raised)

    async def __aenter__(self) -> Self:
        await _its(self.wrapped, "__aenter__")()
        return self

    async def __aexit__(self, *raised: Any) -> Any:
        return await _its(self.wrapped, "__aexit__")(*raised)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or name.startswith("__"):
            object.__setattr__(self, name, value)
        else:
            setattr(self.wrapped, name, value)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN or name.startswith("__"):  # a copy under way has none of its own yet
            raise AttributeError(name)
        if name not in _CALLS or not self._headers:
            return getattr(self.wrapped, name)
        if "cookie" in self._headers and _is_werkzeugs(self.wrapped):
            others = {name: value for name, value in self._headers.items() if name != "cookie"}
            return _calling(getattr(_sending(self.wrapped, self._headers["cookie"]), name), others)
        return _calling(getattr(self.wrapped, name), self._headers)


def _its(client: Any, name: str) -> Callable[..., Any]:
    """What `with` or `async with` calls of a client."""
    found: Callable[..., Any] | None = getattr(client, name, None)
    if found is None:
        way = "async with" if name.startswith("__a") else "with"
        raise ConfigError(f"a test client of the class {type(client).__name__} cannot be used by `{way}`")
    return found


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
