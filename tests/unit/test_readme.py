"""The README's examples run as they stand there."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def _example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert found, f"README has no example {name}"
    return found[1]


def _run(name: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(_example(name), f"README.md:{name}", "exec"), names)
    return names


def test_the_token_example_gives_the_claims_that_were_signed() -> None:
    assert _run("jwt")["claims"]["sub"] == "alice"


def test_the_token_example_refuses_another_audience() -> None:
    from admit import jwt
    from admit.errors import AudienceError

    names = _run("jwt")
    with pytest.raises(AudienceError):
        jwt.verify(names["token"], names["key"].public(), issuer="https://id.example.com", audience="billing")


def test_the_strict_example_says_what_is_refused() -> None:
    names = _run("jwt")
    exec(_example("strict"), names)
    said = re.search(r"^refused  # (.*)$", _example("strict"), re.M)
    assert said is not None
    assert names["refused"] == ast.literal_eval(said[1])


def test_every_python_example_is_run() -> None:
    assert (
        README.read_text("utf-8").count("```python")
        == len(re.findall("<!-- example: ", README.read_text("utf-8")))
        == 3
    )


def test_the_api_example_is_ten_lines_of_code() -> None:
    lines = [
        line for line in _example("guard").splitlines() if line and not line.startswith(("from ", "import "))
    ]
    assert len(lines) <= 10


@pytest.mark.skipif(
    importlib.util.find_spec("admit.integrations") is None, reason="admit.integrations is not built yet"
)
def test_the_api_example_asks_a_stranger_to_sign_in_and_documents_itself() -> None:
    from starlette.testclient import TestClient

    with TestClient(_run("guard")["app"]) as client:
        answer = client.get("/api/orders")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        operation = client.get("/openapi.json").json()["paths"]["/api/orders"]["get"]
    assert {"401", "403"} <= operation["responses"].keys()
    assert operation["security"]
