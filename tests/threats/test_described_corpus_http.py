"""INF-errors, WEB-params: each answer of the API is a described one, to the corpus that Schemathesis made of the
description: 200 requests an operation that fit it, and 50 that do not. Fresh ones are sent by test_described_http.py.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from admit.issuer.storage import Keyring
from tests.threats.described import (
    ANEW,
    CORPUS,
    NEVER_THERE,
    Description,
    World,
    digest_of,
    packed,
    replay,
    unpacked,
)
from tests.threats.hostile import Reply
from tests.threats.test_api_http import running

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ID = (b"admit-error-id", b"0" * 16)
JSON = (b"content-type", b"application/json")
REFUSED = json.dumps({"error": "not_found", "error_description": "gone"}).encode()


async def test_every_answer_to_the_corpus_is_a_described_one(furnished_sqlite: str, keyring: Keyring) -> None:
    _, examples = unpacked(CORPUS.read_bytes())
    async with running(furnished_sqlite, keyring) as issuer:
        world, description = World(issuer), await Description.of(issuer)
        await world.renew()
        await replay(world, description, examples, renewals=3)
        ids = {name for name, _ in world.answers}
        assert ids - {name for name, status in world.answers if status < 300} <= NEVER_THERE
        assert {status for _, status in world.answers} >= {200, 204, 400, 401, 403, 404}


async def test_the_corpus_is_of_this_description_with_200_examples_of_all_that_can_differ(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    async with running(furnished_sqlite, keyring) as issuer:
        document = (await issuer.browser().get("/api/openapi.json")).json()
    digest, examples = unpacked(CORPUS.read_bytes())
    assert digest == digest_of(document), f"what may be asked is described otherwise now: {ANEW}"
    fit = Counter(one.operation for one in examples if one.fits)
    for path in document["paths"].values():
        for one in path.values():
            # Of what takes neither a parameter nor a credential there is one request, in four ways.
            least = 200 if one.keys() & {"parameters", "requestBody"} or one["security"] else 4
            assert fit[one["operationId"]] >= least, one["operationId"]
    assert packed(examples, digest) == CORPUS.read_bytes()


def test_a_corpus_of_another_description_is_told_and_words_make_no_other() -> None:
    def document(name: str, words: str) -> Mapping[str, Any]:
        asked = {"operationId": "one", "summary": words, "parameters": [{"$ref": "#/components/schemas/X"}]}
        shape = {"type": "object", "description": words, "properties": {name: {"type": "string"}}}
        return {"paths": {"/one": {"get": asked}}, "components": {"schemas": {"X": shape}}}

    one = digest_of(document("a", "x"))
    assert one == digest_of(document("a", "y"))
    assert one != digest_of(document("b", "x"))


DOCUMENT: Mapping[str, Any] = {
    "paths": {
        "/one": {
            "get": {
                "operationId": "one",
                "responses": {
                    "204": {"description": "Done."},
                    "404": {
                        "headers": {
                            "Admit-Error-Id": {"$ref": "#/components/headers/Admit-Error-Id"},
                            "Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}},
                        },
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                    },
                },
            }
        }
    },
    "components": {
        "headers": {"Admit-Error-Id": {"required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Error": {
                "type": "object", "required": ["error"], "additionalProperties": False,
                "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
            }
        },
    },
}  # fmt: skip
GOOD = Reply(404, (ID, JSON, (b"cache-control", b"no-store"), (b"retry-after", b"1")), REFUSED)
WRONG = {
    "trouble inside": replace(GOOD, status=500),
    "status": replace(GOOD, status=409),
    "type": replace(GOOD, headers=(ID, (b"content-type", b"text/html"))),
    "no type": replace(GOOD, headers=(ID,)),
    "no header": replace(GOOD, headers=(JSON,)),
    "another header": replace(GOOD, headers=(*GOOD.headers, (b"x-powered-by", b"python"))),
    "a header's form": replace(GOOD, headers=(ID, JSON, (b"retry-after", b"soon"))),
    "another member": replace(GOOD, body=b'{"error": "not_found", "trace": "x"}'),
    "no member": replace(GOOD, body=b"{}"),
    "a body": Reply(204, (), b"{}"),
}


@pytest.mark.parametrize("reply", [GOOD, Reply(204, (), b"")], ids=["refusal", "done"])
def test_an_answer_that_is_described_passes(reply: Reply) -> None:
    Description(DOCUMENT, general=["cache-control", "content-type"]).check("one", reply)


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_is_not_described_is_told(wrong: str) -> None:
    with pytest.raises(AssertionError, match="one"):
        Description(DOCUMENT, general=["cache-control", "content-type"]).check("one", WRONG[wrong])
