"""docs/call-an-api.md and docs/sign-in-with.md: their examples run, in the order in which they stand."""

import re
from pathlib import Path

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import pytest

from admit import JWK
from admit.client import ClientCredentials, RefreshToken
from admit.relying_party import Bff, MemorySessionStore

assert tests.fixtures.django.APPS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def run(page: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, object]:
    """What the page's examples leave behind, run one after the other where their files are."""
    text = (DOCS / page).read_text("utf-8")
    examples = re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", text, re.S)
    assert text.count("```python") == len(examples)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CLIENT_SECRET", "not-to-be-guessed")
    monkeypatch.setenv("SESSIONS", str(folder / "sessions.db"))
    names: dict[str, object] = {"__name__": "__main__"}
    for _, source in examples:
        exec(source, names)
    return names


def test_the_examples_of_call_an_api_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nightly.pem").write_bytes(JWK.generate("ES256").to_pem(private=True))
    (tmp_path / "refresh-token").write_text("the first one")
    names = run("call-an-api.md", monkeypatch, tmp_path)
    assert isinstance(names["orders"], ClientCredentials)
    assert isinstance(names["mine"], RefreshToken)
    for client in ("api", "session"):
        names[client].close()  # type: ignore[attr-defined]


def test_the_examples_of_sign_in_with_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = run("sign-in-with.md", monkeypatch, tmp_path)
    assert isinstance(names["bff"], Bff)
    assert len(names["urlpatterns"]) == 1  # type: ignore[arg-type]
    both = Bff("https://shop.example.com", providers=names["providers"], store=MemorySessionStore())  # type: ignore[arg-type]
    assert both.config.callback_url("google") == "https://shop.example.com/bff/callback/google"
