"""What an integration gives to be tested: one guarded application, and a way to ask it in process.

TO ADD ONE: a module in `tests/contract/adapters/` with an `ADAPTER = Adapter("flask", build)`, and nothing else; it is
found by itself, and is a column of the table. `build(setting)` makes the application of `ROUTES` and gives what answers
a `Request`. See `adapters/fastapi.py`, and `tests/contract/asgi.py` and `wsgi.py`, which ask without a server.

- The guard is made with `setting.issuer.verifier` and `**setting.options`: `sessions`, `origins`, `realm` and
  `token_cookie`, as they come. Django's settings take the same things.
- Every route answers `setting.shown(principal)` in JSON. That notes who was let in, too, so the suite knows that a
  request that was refused did not reach the route.
- `build` is called several times in one process, with other options. A framework that is configured once a process (as
  Django is) replaces what depends on the options.
- `setting.run(coroutine)` runs something in an event loop.
- `/changed` calls `changed` of `tests/contract/asgi.py` or `wsgi.py` between its guards.
- What the server runs is wrapped by `waived` of `tests/contract/asgi.py` or `wsgi.py`.
- What the framework cannot have is named in `lacks`, with the reason: a case's `needs`, such as `websocket`, a mode, a
  path, an option of the guard, or `waived` for tokens in the query.
- Where importing it is dear, `elsewhere` names the file of tests that runs its cases beside others that need it.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from admit.principal import Principal
from tests.contract import adapters
from tests.contract.case import Case
from tests.contract.services import Answer, Headers, Issuer, shown

ROUTES: Mapping[str, str] = {
    "/any": "any principal; GET and HEAD",
    "/read": "scope `orders:read`",
    "/admin": "scope `orders:read` and role `admin`",
    "/staff": "group `staff`",
    "/open": "strangers too; a credential that is there has to be good",
    "/fresh": "a sign-in of at most 60 s ago",
    "/strong": "a sign-in of class `urn:admit:acr:2fa`",
    "/change": "POST, any principal",
    "/changed": "a guard open to strangers, then what rewrites the request, then one for any principal",
    "/options": "any principal, and answers OPTIONS itself; GET too",
    "/twice": "two guards in a row, for any principal and for scope `orders:read`, as the framework has it",
    "/stream": "any principal; three parts, each the subject and a line's end, made one by one",
    "/socket": "a WebSocket for scope `orders:read`: it says who is there in JSON, once, and closes",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request; with `socket` the handshake of a WebSocket, to a server that can or cannot answer it (`denial`)."""

    path: str
    headers: Headers = field(default_factory=list)
    method: str = "GET"
    socket: bool = False
    denial: bool = True


Service = Callable[[Request], Answer]


@dataclass(slots=True)
class Setting:
    """What a service is made of, and who was let in."""

    issuer: Issuer
    options: Mapping[str, Any]
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    waived: tuple[str, ...] = ()
    """The paths at which a token may stand in the query."""
    reached: list[Principal | None] = field(default_factory=list)

    def shown(self, who: Principal | None) -> dict[str, Any] | None:
        """What a route answers."""
        self.reached.append(who)
        return shown(who)

    def told(self, who: Principal) -> bytes:
        """One part of what `/stream` answers."""
        self.reached.append(who)
        return who.subject.encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Adapter:
    """One integration. `lacks`: what its framework cannot have, and why. `adds`: the end of each of its challenges."""

    name: str
    build: Callable[[Setting], Service]
    lacks: Mapping[str, str] = field(default_factory=dict)
    adds: str = ""
    elsewhere: str = ""

    def has(self, case: Case, mode: str) -> bool:
        """Whether a case can be asked of it in this mode."""
        path = case.path.partition("?")[0]
        asked = {case.needs, mode, path, *case.options, "waived" if case.waived else ""}
        return mode in case.by and not self.lacks.keys() & asked


def json_of(value: Any) -> bytes:
    """For applications that have no framework to write it."""
    return json.dumps(value).encode()


def found() -> tuple[Adapter, ...]:
    """All of them, by name."""
    modules = (
        importlib.import_module(f"{adapters.__name__}.{module.name}")
        for module in pkgutil.iter_modules(adapters.__path__)
    )
    return tuple(sorted((module.ADAPTER for module in modules), key=lambda one: one.name))
