"""docs/embedding.md begins with a program that runs as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from admit.testing import TestIssuer, principal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"As `app\.py`:\n\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], "embedding.md", "exec"), names)
    return names


def test_the_first_program_signs_people_up_and_lets_nobody_else_in(
    program: dict[str, Any], tmp_path: Path, admit_issuer: TestIssuer
) -> None:
    with TestClient(program["app"], base_url=program["HOME"]) as raw:
        assert raw.get("/auth/signup").status_code == 200
        assert raw.get("/.well-known/oauth-authorization-server/auth").json()["issuer"] == (
            f"{program['HOME']}/auth"
        )
        assert raw.get("/api/me").status_code == 401
        client = admit_issuer.client(raw, program["guard"])
        alice = client.as_(principal("alice", scopes={"notes:read"}), by="session")
        assert alice.get("/api/me").json() == {"subject": "alice", "by": "session"}
    assert (tmp_path / "data").is_dir(), "what it keeps lies beside it"
