"""Makes requests of the API's own description with Schemathesis. As a program it writes the corpus that the test tier
sends: 200 an operation that fit the description, and 50 that do not, wherever there are so many different ones.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from tests.fixtures.first_party import APP
from tests.fixtures.issuer import ISSUER, make_issuer, settings_for
from tests.fixtures.storage import _KEYRING
from tests.threats.api import OWN_CLIENTS
from tests.threats.described import CORPUS, WAYS, Example, digest_of, packed

MODES = {GenerationMode.POSITIVE: 200, GenerationMode.NEGATIVE: 50}
NAMED = frozenset(
    {
        "/api/sessions/{id}", "/api/grants/{id}", "/api/consents/{client_id}", "/api/users/{subject}/sessions",
        "/api/clients/{client_id}/grants",
    }
)  # fmt: skip
"""Paths in whose braces something can stand that is there."""
# RFC 7636 appendix B.
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
# Of the library that sends, and of nobody's description.
_NOT_DESCRIBED = frozenset(
    {
        "content-length",
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "connection",
        "x-schemathesis-testcaseid",
    }
)


def name_the_client(case: schemathesis.Case) -> None:
    """A step of a sign-in is that of a client that there is; one that begins asks for what it may have."""
    fits = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if fits and case.path == "/api/login" and isinstance(case.body, dict):
        asked = {"code_challenge": _CHALLENGE, "code_challenge_method": "S256"}
        case.body = {**(case.body if "flow" in case.body else asked), "client_id": APP.id}


def example_of(case: schemathesis.Case, way: str, *, there: bool) -> tuple[Example, requests.PreparedRequest]:
    """The request, and as the library has it. `there`: it names what is there, where it names something."""
    if there:
        name_the_client(case)
    kwargs = case.as_transport_kwargs(base_url=ISSUER)
    known = {"method", "url", "params", "headers", "cookies", "json", "data", "files"}
    asked = requests.Request(**{name: one for name, one in kwargs.items() if name in known}).prepare()
    body = asked.body or b""
    parts = urlsplit(asked.url or "")
    named = there and case.path in NAMED
    example = Example(
        operation=case.operation.definition.raw["operationId"],
        way=way,
        there=named,
        fits=case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE,
        method=asked.method or "",
        path=case.path if named else parts.path,
        query=parts.query,
        headers=tuple(
            (name.lower(), value if isinstance(value, str) else value.decode("latin-1"))
            for name, value in asked.headers.items()
            if name.lower() not in _NOT_DESCRIBED
        ),
        body=(body if isinstance(body, bytes) else body.encode()).decode("latin-1"),
    )
    return example, asked


def each(
    operation: Any, mode: GenerationMode, number: int, seeded: int, use: Callable[[Any, str, bool], None]
) -> None:
    """Call `use` with a case, a way and whether to name what is there, `number` times, or as often as they differ."""

    @seed(seeded)
    @settings(
        max_examples=number,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from(WAYS + WAYS[:2]), st.booleans())
    def one(case: schemathesis.Case, way: str, there: bool) -> None:
        use(case, way, there)

    try:
        one()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # there is nothing that would not fit


def operations(document: Mapping[str, Any]) -> list[Any]:
    """All that is described."""
    return [one.ok() for one in schemathesis.openapi.from_dict(dict(document)).get_all_operations()]


def has_values(operation: Any) -> bool:
    """Whether there is anything to choose but who asks."""
    return bool(operation.definition.raw.get("parameters") or operation.body)


def made(document: Mapping[str, Any]) -> list[Example]:
    """The corpus, the same for the same description and versions of the libraries."""
    found: list[Example] = []
    for operation in operations(document):
        for mode, number in MODES.items():
            if mode is GenerationMode.NEGATIVE and not has_values(operation):
                continue
            some: dict[Example, None] = {}

            def take(case: Any, way: str, there: bool, some: dict[Example, None] = some) -> None:
                some[example_of(case, way, there=there)[0]] = None

            each(operation, mode, 4 * number, 1, take)
            found += list(some)[:number]
    return found


def main() -> None:
    """Write it."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/none.db"
        issuer = make_issuer(settings_for(url, client=OWN_CLIENTS), _KEYRING)
        document = asyncio.run(issuer.browser().get("/api/openapi.json")).json()
    examples = made(document)
    CORPUS.write_bytes(packed(examples, digest_of(document)))
    print(f"{len(examples)} examples, {CORPUS.stat().st_size} octets: {CORPUS.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
