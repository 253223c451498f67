"""What a guarded answer says to caches, RFC 9111.

A shared cache tells nobody's requests apart by itself. Those with `Authorization` it should leave alone (RFC 9111
§3.5), but nginx's `proxy_cache_valid` does not; of those by cookie it knows nothing. It would give one person's answer
to the next, and to strangers. So every guarded answer says `Vary` with what may carry a credential, and `private` if it
is somebody's and the application has set no `Cache-Control` itself: some caches go by the one, some by the other.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, Final, Protocol

__all__ = ["BY_COOKIE", "BY_HEADER", "Fields", "additions", "complete", "complete_raw", "mark"]

BY_HEADER: Final = ("Authorization",)
"""The request's fields that may carry a credential, where a guard reads no cookie."""

BY_COOKIE: Final = ("Authorization", "Cookie")


class Fields(Protocol):
    """An answer's header fields, as werkzeug keeps them."""

    def getlist(self, key: str, /) -> list[str]:
        """Every field of this name."""

    def __setitem__(self, key: str, value: str, /) -> None: ...


def additions(
    vary: Iterable[str], cache_control: bool, *, somebody: bool, names: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """The fields to be set: `vary` has those that are there, `cache_control` is whether there is one.

    `somebody`: a principal was let in. `names` are the request's fields that may carry a credential.
    """
    had = [one.strip() for value in vary for one in value.split(",") if one.strip()]
    lower = {one.lower() for one in had}
    missing = [] if "*" in lower else [one for one in names if one.lower() not in lower]
    fields = [("Vary", ", ".join([*had, *missing]))] if missing else []
    if somebody and not cache_control:
        fields.append(("Cache-Control", "private"))
    return tuple(fields)


def mark(headers: Fields, *, somebody: bool, names: Sequence[str]) -> None:
    """Complete an answer's fields in place."""
    there = bool(headers.getlist("cache-control"))
    for name, value in additions(headers.getlist("vary"), there, somebody=somebody, names=names):
        headers[name] = value


def complete(
    headers: Iterable[tuple[str, str]], *, somebody: bool, names: Sequence[str]
) -> list[tuple[str, str]]:
    """The same of fields that are a list."""
    had = list(headers)
    vary = [value for name, value in had if name.lower() == "vary"]
    there = any(name.lower() == "cache-control" for name, _ in had)
    more = additions(vary, there, somebody=somebody, names=names)
    new = {name.lower() for name, _ in more}
    return [*(pair for pair in had if pair[0].lower() not in new), *more]


def complete_raw(headers: MutableSequence[Any], *, somebody: bool, names: Sequence[str]) -> None:
    """The same in place of fields as ASGI has them: pairs of octets. Most answers have neither field yet."""
    vary: list[str] = []
    there = False
    for name, value in headers:
        size = len(name)  # looked at first, since each guarded answer comes by here
        if size == 4 and bytes(name).lower() == b"vary":
            vary.append(bytes(value).decode("latin-1"))
        elif size == 13 and bytes(name).lower() == b"cache-control":
            there = True
    more = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in additions(vary, there, somebody=somebody, names=names)
    ]
    if vary and more:
        new = {name for name, _ in more}
        headers[:] = [pair for pair in headers if bytes(pair[0]).lower() not in new]
    headers.extend(more)
