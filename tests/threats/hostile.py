"""The corpus of tests/vectors/bad-input, written as a form, a query, a path or a JSON body would bring it."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.fixtures.issuer import ISSUER

CORPUS = Path(__file__).resolve().parents[1] / "vectors" / "bad-input" / "corpus.json"
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Bad:
    """One entry. `octets` stand in the place of the value; `text` is what they say, None where that is no text."""

    name: str
    kind: str
    octets: bytes
    text: str | None = None
    always: bool = False

    def pairs(self, field: str, good: str, *, after: bool) -> bytes:
        """In a form or a query; `after` says whether a good value stands before it."""
        name, value = quote(field, safe="").encode(), quote(good, safe="").encode()
        match self.kind:
            case "doubled" | "renamed":
                return self.octets.replace(b"{name}", name).replace(b"{value}", value)
            case "percent":
                return name + b"=" + (value if after else b"") + self.octets
        return name + b"=" + (value if after else b"") + quote(self.octets, safe="").encode()

    def member(self, field: str, good: str, *, after: bool) -> bytes:
        """A JSON object of this one member; what is not JSON at all comes as such too."""
        name = json.dumps(field).encode()
        match self.kind:
            case "texts":
                return b"{%s:%s}" % (name, json.dumps((good if after else "") + (self.text or "")).encode())
            case "values":
                return b"{%s:%s}" % (name, self.octets)
            case "doubled":
                return b'{%s:"x",%s:%s}' % (name, name, json.dumps(good).encode())
        return b'{%s:"%s"}' % (name, self.octets)

    def segment(self, good: str, *, after: bool, encoded: bool) -> bytes:
        """In a path; raw, where that is no character of HTTP's own syntax."""
        raw = self.octets if self.kind == "percent" else quote(self.octets, safe="").encode()
        if not encoded and self.octets.isascii() and not set(self.octets) & set(b" \t\r\n\0?#"):
            raw = self.octets
        return (good.encode() if after else b"") + raw


@cache
def corpus() -> tuple[Bad, ...]:
    """All entries, in the order of the file."""
    told: dict[str, dict[str, Any]] = json.loads(CORPUS.read_text("utf-8"))
    texts = {
        name: one if isinstance(one, str) else one["repeat"][0] * one["repeat"][1]
        for name, one in told["texts"].items()
    }
    found = [
        *(Bad(name, "texts", one.encode("utf-8", "surrogatepass"), one) for name, one in texts.items()),
        *(Bad(name, "octets", bytes.fromhex(one)) for name, one in told["octets"].items()),
        *(
            Bad(name, kind, one.encode())
            for kind in ("percent", "values", "doubled", "renamed")
            for name, one in told[kind].items()
        ),
    ]
    return tuple(replace(bad, always=bad.name in told["always"]) for bad in found)


PLACES: Mapping[str, frozenset[str]] = {
    "form": frozenset({"texts", "octets", "percent", "doubled", "renamed"}),
    "query": frozenset({"texts", "octets", "percent", "doubled", "renamed"}),
    "json": frozenset({"texts", "octets", "doubled", "values"}),
    "path": frozenset({"texts", "octets", "percent"}),
}
"""Which kinds of entries can be written where."""


@dataclass(frozen=True)
class Ask:
    """A request that is answered well. `place` is where its `fields` stand: form, query, json or path."""

    name: str
    method: str
    path: str
    place: str
    fields: Mapping[str, str]
    headers: Headers = ()
    query: str = ""
    body: bytes = b""
    null: bool = False
    """Whether its field may be null, and says something by it."""

    def good(self) -> "Sent":
        if self.place == "path":
            (value,) = self.fields.values()
            return self._sent(path=self.path.replace("*", quote(value, safe="")).encode())
        if self.place == "json":
            return self._sent(body=json.dumps(dict(self.fields)).encode())
        return self._pairs(b"&".join(self._others("")))

    def bad(self, field: str, bad: Bad, *, odd: bool) -> "Sent":
        """With a bad value in one field. `odd` turns between the two ways to write one."""
        good = self.fields.get(field, "")
        if self.place == "path":
            return self._sent(
                path=self.path.encode().replace(b"*", bad.segment(good, after=odd, encoded=not odd))
            )
        if self.place == "json":
            one = bad.member(field, good, after=odd)
            others = {name: value for name, value in self.fields.items() if name != field}
            return self._sent(body=json.dumps(others)[:-1].encode() + b", " + one[1:] if others else one)
        return self._pairs(b"&".join([*self._others(field), bad.pairs(field, good, after=odd)]))

    def _others(self, field: str) -> list[bytes]:
        return [
            f"{quote(name, safe='')}={quote(value, safe='')}".encode()
            for name, value in self.fields.items()
            if name != field
        ]

    def _pairs(self, pairs: bytes) -> "Sent":
        return self._sent(body=pairs) if self.place == "form" else self._sent(query=pairs)

    def _sent(
        self, *, path: bytes | None = None, query: bytes | None = None, body: bytes | None = None
    ) -> "Sent":
        kind = {"form": b"application/x-www-form-urlencoded", "json": b"application/json"}.get(self.place)
        return Sent(
            self.method,
            self.path.encode() if path is None else path,
            self.query.encode() if query is None else query,
            self.body if body is None else body,
            (*self.headers, *([(b"content-type", kind)] if kind else [])),
        )


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Sent:
    """A request, octet for octet, as a server would hand it in."""

    method: str
    path: bytes
    query: bytes
    body: bytes
    headers: Headers

    async def __call__(self, app: Any, host: bytes = urlsplit(ISSUER).netloc.encode()) -> Reply:
        got: list[Any] = []
        waiting = [None]

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.Event().wait()  # the browser stays
            waiting.clear()
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def send(message: Any) -> None:
            got.append(message)

        own = ((b"host", host), (b"content-length", str(len(self.body)).encode()))
        await app(
            {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": self.method,
                "scheme": "http", "path": unquote(self.path.decode("latin-1")), "raw_path": self.path,
                "query_string": self.query, "root_path": "", "headers": [*own, *self.headers],
                "client": ("127.0.0.1", 40_000), "server": ("localhost", 8410),
            },
            receive,
            send,
        )  # fmt: skip
        body = b"".join(one.get("body", b"") for one in got[1:])
        return Reply(got[0]["status"], tuple(got[0]["headers"]), body)


class _Forms(HTMLParser):
    """The forms of a page, with what a browser would send for each of their buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, str], list[tuple[str, str]]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = True
            self.found.append((given.get("method", "get").upper(), given.get("action", ""), {}, []))
        elif self._open:
            _, _, fields, buttons = self.found[-1]
            if tag in ("input", "textarea", "select") and "name" in given:
                fields[given["name"]] = given.get("value", "")
            elif tag == "button" and given.get("type") != "button":
                buttons.append((given.get("name", ""), given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "form"


def asks_of(page: str, fill: Mapping[str, str], headers: Headers) -> Iterator[Ask]:
    """Every button of every form of a page, as requests. `fill` has what a person types."""
    forms = _Forms()
    forms.feed(page)
    for method, action, fields, buttons in forms.found:
        path, query = urlsplit(action).path, urlsplit(action).query
        typed = {name: fill.get(name, value) for name, value in fields.items()}
        for name, value in buttons or [("", "")]:
            sent = {**typed, name: value} if name else typed
            yield Ask(f"{method} {path} {value}".strip(), method, path, "form", sent, headers, query)


def ask_of(location: str, headers: Headers) -> Ask:
    """A page by its address, whose query is what is put to the test."""
    parts = urlsplit(location)
    return Ask(f"GET {parts.path}", "GET", parts.path, "query", dict(parse_qsl(parts.query)), headers)
