"""The API's own description: who sends what it describes, and what of an answer does not stand in it.

The corpus, tests/vectors/described/examples.json.xz, is 200 requests an operation that fit the description and 50
that do not, as Schemathesis made them. To write it anew for another description: python -m tests.threats.describing
"""

import hashlib
import json
import lzma
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.fixtures.issuer import ADA, ISSUER, LiveIssuer
from tests.threats.api import ROOT, by_session, by_token
from tests.threats.hostile import Headers, Reply, Sent
from tests.threats.scenes import cookies_of
from tests.threats.test_api_http import user_id_of

CORPUS = Path(__file__).resolve().parents[1] / "vectors" / "described" / "examples.json.xz"
ANEW = "python -m tests.threats.describing"
WAYS = ("session", "program", "nobody", "session without its token")
# There is nothing of the kind here, or it would end what the others need.
NEVER_THERE = frozenset({"removeSecondFactor", "revokeKey"})
_MADE_UP = frozenset({"cookie", "authorization", "x-csrf-token"})


@dataclass(frozen=True)
class Example:
    """A request to an operation. Where it names what is `there`, `path` is the description's own, with its braces."""

    operation: str
    way: str
    there: bool
    fits: bool
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: str
    """Its octets, as ISO 8859-1."""


@dataclass
class World:
    """Who calls, and what is there to be named."""

    issuer: LiveIssuer
    ways: dict[str, Headers] = field(default_factory=dict)
    there: dict[str, str] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def renew(self) -> None:
        """Operators who are signed in, and sessions and grants that can be ended."""
        page, program = await by_session(self.issuer, ROOT), await by_token(self.issuer, ROOT)
        other = await by_session(self.issuer, ROOT)
        bearer = tuple((name.encode(), value.encode()) for name, value in program.headers.items())
        cookies = cookies_of(page.browser)
        self.ways = {
            "nobody": (),
            "session": (*cookies, (b"x-csrf-token", page.headers["x-csrf-token"].encode())),
            "session without its token": cookies,
            "program": bearer,
        }
        grants = (await page("GET", "/api/grants")).json()["grants"]
        self.there = {
            "/api/sessions/{id}": (await other.browser.get("/api/session")).json()["sid"],
            "/api/grants/{id}": grants[0]["id"],
            "/api/consents/{client_id}": "agent",  # which the program is
            "/api/users/{subject}/sessions": await user_id_of(self.issuer, ADA[0]),
            "/api/clients/{client_id}/grants": "web",
        }

    async def send(self, one: Example) -> Reply:
        """As a server would hand it in, with the credentials of its way instead of those that were made up."""
        path = one.path
        if one.there:
            path = path.partition("{")[0] + self.there[path] + path.partition("}")[2]
        headers = tuple(
            (name.encode(), value.encode("latin-1"))
            for name, value in one.headers
            if one.way == "nobody" or name not in _MADE_UP
        )
        sent = Sent(
            one.method, path.encode(), one.query.encode(), one.body.encode("latin-1"),
            (*headers, *self.ways[one.way]),
        )  # fmt: skip
        reply = await sent(self.issuer.asgi)
        self.answers[one.operation, reply.status] += 1
        return reply

    @staticmethod
    def was_ended(one: Example, reply: Reply) -> bool:
        """Whether one of the requests before ended what this one needs."""
        return (reply.status == 401 and one.way != "nobody") or (reply.status == 404 and one.there)


class Description:
    """What is said of answers. `general` names the headers that every answer may have."""

    def __init__(self, document: Mapping[str, Any], general: Iterable[str]) -> None:
        self._components = document["components"]
        self._general = frozenset(general)
        self._answers = {
            one["operationId"]: one["responses"]
            for path in document["paths"].values()
            for one in path.values()
        }
        self._validators: dict[str, Any] = {}

    @classmethod
    async def of(cls, issuer: LiveIssuer) -> "Description":
        """As the issuer tells it. Headers of its answer to a page of its own are those that every answer has."""
        browser = (await by_session(issuer, ROOT)).browser
        document = (await browser.get("/api/openapi.json")).json()
        return cls(document, (await browser.get("/api/sessions", headers={"origin": ISSUER})).headers)

    def check(self, operation: str, reply: Reply) -> None:
        """Raises AssertionError for an answer that is not described: its status, type, headers or body."""
        assert reply.status < 500, (operation, reply.status, reply.body[:200])
        answers = self._answers[operation]
        assert str(reply.status) in answers, (operation, reply.status, "is not described")
        answer = answers[str(reply.status)]
        where = (operation, reply.status)
        headers = {name.decode(): value.decode("latin-1") for name, value in reply.headers}
        described = {name.lower(): self._of_component(one) for name, one in answer.get("headers", {}).items()}
        unknown = headers.keys() - described.keys() - self._general
        assert not unknown, (*where, "headers that are not described", unknown)
        for name, one in described.items():
            assert name in headers or not one.get("required"), (*where, "lacks the header", name)
            assert name not in headers or self._fits(headers[name], one["schema"]), (*where, "header", name)
        if "content" not in answer:
            assert not reply.body, (*where, "has a body, and none is described")
            return
        kind = headers.get("content-type", "").partition(";")[0]
        assert kind in answer["content"], (*where, "is of the type", kind)
        schema = answer["content"][kind]["schema"]
        assert self._fits(json.loads(reply.body), schema), (*where, "does not fit its schema")

    def _of_component(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = one
        if "$ref" in one:
            found = self._components["headers"][one["$ref"].rpartition("/")[2]]
        return found

    def _fits(self, value: Any, schema: Mapping[str, Any]) -> bool:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[key] = jsonschema_rs.validator_for(whole)
        return bool(self._validators[key].is_valid(value))


def digest_of(document: Mapping[str, Any]) -> str:
    """Of what may be asked, without the words about it: the corpus is made of no more than this."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return plain(document["components"]["schemas"][value["$ref"].rpartition("/")[2]])
        told = ("description", "summary", "title")
        return {
            name: plain(one) for name, one in value.items() if name not in told or not isinstance(one, str)
        }

    asked = {
        f"{method} {path}": [one["operationId"], plain(one.get("parameters")), plain(one.get("requestBody"))]
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def packed(examples: Iterable[Example], digest: str) -> bytes:
    """The corpus as octets: for the same examples always the same ones."""
    lines = [json.dumps({"description": digest}), *(json.dumps(astuple(one)) for one in examples)]
    return lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)


def unpacked(octets: bytes) -> tuple[str, list[Example]]:
    """The digest of the description that it was made of, and the examples."""
    first, *lines = lzma.decompress(octets).decode().split("\n")
    examples = [
        Example(*rest, headers=tuple((name, value) for name, value in headers), body=body)
        for *rest, headers, body in map(json.loads, lines)
    ]
    return json.loads(first)["description"], examples


async def replay(
    world: World, description: Description, examples: Iterable[Example], *, renewals: int
) -> None:
    """Send them one after another; each answer is described. What they end is made anew, at most so often for each
    operation: a sign-in costs as much as fifty of them.
    """
    left: dict[str, int] = {}
    for one in examples:
        reply = await world.send(one)
        description.check(one.operation, reply)
        assert one.fits or reply.status >= 400, (one.operation, reply.status, "for what does not fit")
        of_this = left.setdefault(one.operation, renewals)
        if of_this and world.was_ended(one, reply):
            left[one.operation] -= 1
            await world.renew()
