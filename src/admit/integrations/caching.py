"""What a guarded answer says to caches, RFC 9111.

A shared cache tells nobody's requests apart by itself. Those with `Authorization` it leaves alone (RFC 9111 §3.5); of
those by cookie it knows nothing, and would give one person's answer to the next. So every answer of a guard that reads
a cookie says `Vary: Cookie`, and `private` if it is somebody's and the application has set no `Cache-Control` itself:
some caches go by that alone. Caches of frameworks (`django`) do not know the rule of `Authorization`, either.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

__all__ = ["Fields", "additions", "complete", "mark"]

COOKIE: Final = ("Cookie",)


class Fields(Protocol):
    """An answer's header fields, as Starlette and werkzeug keep them."""

    def getlist(self, key: str, /) -> list[str]:
        """Every field of this name."""

    def __setitem__(self, key: str, value: str, /) -> None: ...


def additions(
    vary: Iterable[str], cache_control: bool, *, somebody: bool, names: Sequence[str] = COOKIE
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


def mark(headers: Fields, *, somebody: bool) -> None:
    """Complete an answer's fields in place."""
    there = bool(headers.getlist("cache-control"))
    for name, value in additions(headers.getlist("vary"), there, somebody=somebody):
        headers[name] = value


def complete(headers: Iterable[tuple[str, str]], *, somebody: bool) -> list[tuple[str, str]]:
    """The same of fields that are a list."""
    had = list(headers)
    vary = [value for name, value in had if name.lower() == "vary"]
    there = any(name.lower() == "cache-control" for name, _ in had)
    more = additions(vary, there, somebody=somebody)
    names = {name.lower() for name, _ in more}
    return [*(pair for pair in had if pair[0].lower() not in names), *more]
