"""INF-errors, WEB-params: what is described is what is answered. Schemathesis makes requests of the API's own
description, such as fit it and such as do not, from nobody, a session and a program: each answer has a status, a type,
a schema and headers that stand there.

To make 200 examples an operation takes minutes, in the library and not in the issuer: the test tier sends 12 that fit
the description, which take seven seconds; the soak tier sends 2,000 of each kind.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from admit.issuer.storage import Keyring
from tests.fixtures.first_party import APP
from tests.fixtures.issuer import ISSUER, LiveIssuer, pkce
from tests.plugins.rounds import TIER
from tests.threats.hostile import Headers, Sent
from tests.threats.scenes import cookies_of
from tests.threats.test_api_http import ADA, ROOT, by_session, by_token, running, user_id_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
EXAMPLES = {"quick": 5, "test": 12, "soak": 2_000}[TIER]
# Requests that do not fit the description are dear to make: they are for the soak tier.
SHARES = {
    GenerationMode.POSITIVE: 1.0,
    GenerationMode.NEGATIVE: {"quick": 0.0, "test": 0.0, "soak": 1.0}[TIER],
}
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection,
]  # fmt: skip
WAYS = ("session", "program", "nobody", "session without its token")
MADE_UP = {"cookie", "authorization", "x-csrf-token"}
# There is nothing of the kind here, or it would end what the others need.
NEVER_THERE = frozenset({"removeSecondFactor", "revokeKey"})


@dataclass
class World:
    """Who calls, and what is there to be named."""

    issuer: LiveIssuer
    loop: asyncio.AbstractEventLoop
    ways: dict[str, Headers] = field(default_factory=dict)
    there: dict[str, str] = field(default_factory=dict)
    general: frozenset[str] = frozenset()
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

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

    def send(self, case: schemathesis.Case, way: str, *, there: bool) -> Response:
        """The request as a server would hand it in. `there`: it names what is there, where it names something."""
        there = there and case.path in self.there
        if there:
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, self.there[case.path])
        kwargs = case.as_transport_kwargs(base_url=ISSUER)
        known = {"method", "url", "params", "headers", "cookies", "json", "data", "files"}
        asked = requests.Request(**{name: one for name, one in kwargs.items() if name in known}).prepare()
        body = asked.body or b""
        parts = urlsplit(asked.url or "")
        # The description names the credentials: for somebody who has some, not those that were made up.
        left_out = {"content-length", "host"} | (MADE_UP if way != "nobody" else set())
        headers = [
            (name.lower().encode(), value.encode("latin-1") if isinstance(value, str) else value)
            for name, value in asked.headers.items()
            if name.lower() not in left_out
        ]
        sent = Sent(
            asked.method or "", parts.path.encode(), parts.query.encode(),
            body if isinstance(body, bytes) else body.encode(), (*headers, *self.ways[way]),
        )  # fmt: skip
        reply = self.run(sent(self.issuer.asgi))
        self.answers[case.operation.definition.raw["operationId"], reply.status] += 1
        if (reply.status == 401 and way != "nobody") or (reply.status == 404 and there):
            self.run(self.renew())  # it was ended by one of the requests before
        told: dict[str, list[str]] = {}
        for name, value in reply.headers:
            told.setdefault(name.decode(), []).append(value.decode("latin-1"))
        return Response(reply.status, told, reply.body, asked, 0.0, verify=False)


def name_the_client(case: schemathesis.Case) -> None:
    """A step of a sign-in is that of a client that there is; one that begins asks for what it may have."""
    fits = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if fits and case.path == "/api/login" and isinstance(case.body, dict):
        asked = {"code_challenge": pkce()[1], "code_challenge_method": "S256"}
        case.body = {**(case.body if "flow" in case.body else asked), "client_id": APP.id}


def check_headers(world: World, case: schemathesis.Case, response: Response) -> None:
    """No header but those that stand in the description, and those that every answer has."""
    answers: Mapping[str, Any] = case.operation.definition.raw["responses"]
    described = answers.get(str(response.status_code), {})
    known = {name.lower() for name in described.get("headers", {})} | world.general
    unknown = response.headers.keys() - known
    assert not unknown, (case.operation.label, response.status_code, unknown)


def try_all(world: World, described: Mapping[str, Any], chance: random.Random) -> None:
    """Every operation, by every way, with every kind of request."""
    for found in schemathesis.openapi.from_dict(dict(described)).get_all_operations():
        operation = found.ok()
        for mode, share in SHARES.items():
            has_values = bool(operation.definition.raw.get("parameters") or operation.body)
            examples = max(int(EXAMPLES * share), 4) if has_values else 16

            @seed(chance.getrandbits(64))
            @settings(
                max_examples=examples,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(
                operation.as_strategy(generation_mode=mode), st.sampled_from(WAYS + WAYS[:2]), st.booleans()
            )
            def one(case: schemathesis.Case, way: str, there: bool) -> None:
                if there:
                    name_the_client(case)
                response = world.send(case, way, there=there)
                case.validate_response(response, checks=CHECKS)
                check_headers(world, case, response)

            if share and (has_values or mode is GenerationMode.POSITIVE):
                try:
                    one()
                except Unsatisfiable:
                    assert mode is GenerationMode.NEGATIVE  # there is nothing that would not fit


async def test_every_answer_of_the_api_is_a_described_one(
    furnished_sqlite: str, keyring: Keyring, rng: random.Random
) -> None:
    async with running(furnished_sqlite, keyring) as issuer:
        world = World(issuer, asyncio.get_running_loop())
        await world.renew()
        answer = await issuer.browser().get("/api/openapi.json")
        api = await by_session(issuer, ROOT)
        world.general = frozenset(
            (await api.browser.get("/api/sessions", headers={"origin": ISSUER})).headers
        )
        with ThreadPoolExecutor(1) as pool:
            await world.loop.run_in_executor(pool, try_all, world, answer.json(), rng)
        ids = {name for name, _ in world.answers}
        taken = {name for name, status in world.answers if status < 300}
        if TIER == "soak":  # a few requests may all be refused for what they ask for
            assert ids - taken <= NEVER_THERE, "the others were refused because of what they said"
        assert {status for _, status in world.answers} >= {200, 204, 400, 401, 403, 404}
