"""Any test client, calling as somebody."""

from collections.abc import Callable, Mapping
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
        value = getattr(self.wrapped, name)
        return self._calling(value) if name in _CALLS and self._headers else value

    def _calling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def with_headers(*args: Any, headers: Any = None, **kwargs: Any) -> Any:
            given = dict(headers or {})
            named = {str(name).lower() for name in given}
            missing = {name: value for name, value in self._headers.items() if name not in named}
            return call(*args, headers={**missing, **given}, **kwargs)

        return with_headers
