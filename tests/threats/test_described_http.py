"""INF-errors, WEB-params: what is described is what is answered. Schemathesis makes requests of the API's own
description, such as fit it and such as do not, from nobody, a session and a program: each answer has a status, a type,
a schema and headers that stand there.

The test tier makes 12 an operation that fit the description, anew each time, and sends the 200 of the corpus besides
(test_described_corpus_http.py); the soak tier makes 2,000 of each kind.
"""

import asyncio
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import schemathesis
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
from tests.plugins.rounds import TIER
from tests.threats.described import NEVER_THERE, Description, World
from tests.threats.describing import each, example_of, has_values, operations
from tests.threats.test_api_http import running

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
EXAMPLES = {"quick": 5, "test": 12, "soak": 2_000}[TIER]
# Requests that do not fit the description are dear to make: the test tier has those of the corpus.
SHARES = {
    GenerationMode.POSITIVE: 1.0,
    GenerationMode.NEGATIVE: {"quick": 0.0, "test": 0.0, "soak": 1.0}[TIER],
}
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
TOO_LARGE = 413


def try_all(
    world: World,
    description: Description,
    document: Mapping[str, Any],
    chance: random.Random,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Every operation, by every way, with every kind of request. Runs in a thread of its own, the issuer in `loop`."""

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    def use(case: schemathesis.Case, way: str, there: bool) -> None:
        example, asked = example_of(case, way, there=there)
        reply = run(world.send(example))
        if world.was_ended(example, reply):
            run(world.renew())
        told: dict[str, list[str]] = {}
        for name, value in reply.headers:
            told.setdefault(name.decode(), []).append(value.decode("latin-1"))
        response = Response(reply.status, told, reply.body, asked, 0.0, verify=False)
        # Too large is a refusal too, which the library's own list of them does not know.
        checks = CHECKS if reply.status == TOO_LARGE else [*CHECKS, negative_data_rejection]
        case.validate_response(response, checks=checks)
        description.check(example.operation, reply)

    for operation in operations(document):
        for mode, share in SHARES.items():
            examples = max(int(EXAMPLES * share), 4) if has_values(operation) else 16
            if share and (has_values(operation) or mode is GenerationMode.POSITIVE):
                each(operation, mode, examples, chance.getrandbits(64), use)


async def test_every_answer_of_the_api_is_a_described_one(
    furnished_sqlite: str, keyring: Keyring, rng: random.Random
) -> None:
    async with running(furnished_sqlite, keyring) as issuer:
        world, loop = World(issuer), asyncio.get_running_loop()
        await world.renew()
        document = (await issuer.browser().get("/api/openapi.json")).json()
        description = await Description.of(issuer)
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, try_all, world, description, document, rng, loop)
        ids = {name for name, _ in world.answers}
        taken = {name for name, status in world.answers if status < 300}
        if TIER == "soak":  # a few requests may all be refused for what they ask for
            assert ids - taken <= NEVER_THERE, "the others were refused because of what they said"
        assert {status for _, status in world.answers} >= {200, 204, 400, 401, 403, 404}
