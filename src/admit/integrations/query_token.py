"""Tokens in URLs, RFC 6750 §2.3: where they are let in, by name and by path, and what becomes of the URL.

A browser cannot add a header to a WebSocket, an `EventSource` or a download link; a token in the query is the way that
is left to who has no session. URLs are logged, kept in histories and sent on in `Referer`, so a token leaves the URL
before anything else sees it, and answers say `private, no-store` and `no-referrer`. `asgi.QueryTokens` and
`wsgi.QueryTokens` carry that out, outside of any guard; guards themselves take none.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote_plus

from admit.credentials import request as standing
from admit.errors import ConfigError, MalformedCredentialError
from admit.integrations.gate import Headers
from admit.jose.waive import Waive

HIDDEN: Final = "hidden"
"""Stands in place of a token that is not taken: it still is one in the query, and guards refuse it."""

PRIVATE: Final = (("Cache-Control", "private, no-store"), ("Referrer-Policy", "no-referrer"))
"""What each answer says to a request whose URL had a token."""

_READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Moved:
    """What is left of a query that had a token, and the token; None: it does not count."""

    query: str
    token: str | None = field(repr=False)


class QueryLinks:
    """The paths at which a token may stand in the query: each with all that is below it.

    Raises:
        ConfigError: `waived` is not `Waive.QUERY_TOKEN`, or no path is named that could be one.
    """

    def __init__(self, waived: Literal[Waive.QUERY_TOKEN], paths: Collection[str]) -> None:
        check_waiver(waived)
        texts = not isinstance(paths, str) and all(isinstance(one, str) for one in paths)
        if not (texts and paths and all(one.startswith("/") for one in paths)):
            raise ConfigError("QueryTokens(paths=...) are several paths such as /events")
        self._paths = tuple(one.rstrip("/") for one in paths)

    def moved(
        self, headers: Headers, method: str, path: str, query: str, *, handshake: bool = False
    ) -> Moved | None:
        """What becomes of this request's query; None where it stays as it is.

        Only what is read takes a token from there, and only where there is no other: an `Authorization` beside it is
        two places, and a doubled or odd token is none. Those are for the guard to refuse.
        """
        if not any(path == one or path.startswith(f"{one}/") for one in self._paths):
            return None
        pairs = query.split("&")
        ours = [pair for pair in pairs if is_token(pair)]
        if not ours:
            return None
        token = None
        alone = all(name != b"authorization" for name, _ in headers)
        if alone and (handshake or only_reads(method)):
            token = taken(query)
        if token is None:
            return Moved("&".join(hidden(pair) for pair in pairs), None)
        return Moved("&".join(pair for pair in pairs if pair not in ours), token)


def check_waiver(waived: object) -> None:
    """The rule is given up by its name.

    Raises:
        ConfigError: it is not.
    """
    if waived is not Waive.QUERY_TOKEN:
        raise ConfigError("tokens in the query are taken by Waive.QUERY_TOKEN only")


def only_reads(method: str) -> bool:
    """What a link or an `EventSource` asks by. Whoever can change something by script can send a header as well."""
    return method in _READING


def is_token(pair: str) -> bool:
    """Whether this `name=value` is the parameter of a token, however its name is escaped."""
    return unquote_plus(pair.partition("=")[0]) == standing.PARAMETER


def hidden(pair: str) -> str:
    """The pair without its token."""
    return f"{standing.PARAMETER}={HIDDEN}" if is_token(pair) else pair


def taken(query: str) -> str | None:
    """The one token of a query."""
    try:
        return standing.from_query(f"?{query}", Waive.QUERY_TOKEN)
    except MalformedCredentialError:
        return None
