"""A request and an answer as plain values: what a framework's glue translates from and to."""

from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from admit.errors import AdmitError, ThrottledError, UnavailableError
from admit.jose import json as strict_json
from admit.relying_party.bff.passing import Passing

NO_STORE: Final = ("cache-control", "no-store")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is as it was sent (escapes and all), `query` without `?`; header names are lower case.

    A body that is not read yet is an `upload`: for `Bff.handle` an iterable of octets, for `ahandle` an asynchronous
    one. Only an API gets such a body; `body` is empty then.
    """

    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    upload: Iterable[bytes] | AsyncIterable[bytes] | None = field(default=None, repr=False)

    def all(self, name: bytes) -> list[bytes]:
        """Every field value of this name."""
        return [value for found, value in self.headers if found == name]

    def one(self, name: bytes) -> str:
        """The first field value of this name, or an empty text."""
        found = self.all(name)
        return found[0].decode("latin-1") if found else ""

    @property
    def media_type(self) -> str:
        return self.one(b"content-type").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `headers` may repeat `set-cookie`.

    `passing` is the body of an API's answer that comes bit by bit, instead of `body`: it is iterated (from `ahandle`
    asynchronously) and closed in any case. Where it raises, the answer is cut off: it must not look like a whole one.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    passing: Passing | None = field(default=None, repr=False)

    def adding(self, *headers: tuple[str, str]) -> "Answer":
        return replace(self, headers=(*self.headers, *headers))


def json(status: int, members: dict[str, object], *headers: tuple[str, str]) -> Answer:
    """A JSON answer that nobody keeps."""
    body = strict_json.dumps_object(members)
    return Answer(status, (("content-type", "application/json"), NO_STORE, *headers), body)


def see_other(location: str, *headers: tuple[str, str]) -> Answer:
    """Go there by GET, RFC 9110 §15.4.4; what leaves by the URL is not passed on."""
    return Answer(303, (("location", location), NO_STORE, ("referrer-policy", "no-referrer"), *headers))


def refusal(error: AdmitError) -> Answer:
    """What leaves of an error: its code and its fixed text."""
    after = error.retry_after if isinstance(error, UnavailableError | ThrottledError) else None
    headers = () if after is None else (("retry-after", str(after)),)
    return json(error.status, {"error": error.code, "error_description": error.public}, *headers)
