"""docs/protect: a page shows the very files that the soak runs (tests/system/test_protect.py)."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from admit.integrations.django import AdmitSettings
from admit.integrations.gate import Gate

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "asgi": "asgi_orders.py",
    "fastapi": "fastapi_orders.py",
    "flask": "flask_orders.py",
    "starlette": "starlette_orders.py",
    "wsgi": "wsgi_orders.py",
    "django": "django_orders.py",
    "rest-framework": "rest_framework_orders.py",
    "mcp": "mcp_tools.py",
}


@pytest.mark.parametrize(("page", "file"), PAGES.items(), ids=list(PAGES))
def test_a_page_shows_what_is_run(page: str, file: str) -> None:
    text = (ROOT / "docs" / "protect" / f"{page}.md").read_text("utf-8")
    for name in (file, "admit.toml"):
        assert (ROOT / "examples" / "protect" / name).read_text("utf-8") in text, f"{name} is another now"
    assert f"python {file}" in text


def test_the_issuer_of_the_pages_is_for_trying_only() -> None:
    given = tomllib.loads((ROOT / "examples" / "protect" / "admit.toml").read_text("utf-8"))
    assert (given["issuer"], given["dev"], given["data"]) == ("http://localhost:8410", True, "data")


@pytest.mark.parametrize("page", ["asgi", "fastapi", "flask", "starlette", "wsgi"])
def test_a_page_names_each_argument_of_the_guard(page: str) -> None:
    text = (ROOT / "docs" / "protect" / f"{page}.md").read_text("utf-8")
    for name in inspect.signature(Gate).parameters:
        assert name == "verifier" or f"`{name}`" in text, name


def test_the_page_on_django_names_each_setting() -> None:
    text = (ROOT / "docs" / "protect" / "django.md").read_text("utf-8")
    for name in AdmitSettings.__dataclass_fields__:
        assert re.search(rf"`{name.upper()}`", text), name


def test_each_page_that_begins_with_an_installation_says_how_it_is_done_before_there_is_a_release() -> None:
    pages = [
        *(ROOT / "docs" / "protect").glob("*.md"),
        ROOT / "docs/sign-in-with.md",
        ROOT / "docs/testing.md",
    ]
    begin = [page for page in pages if re.search(r"^pip install", page.read_text("utf-8"), re.M)]
    assert len(begin) == len(PAGES) + 2
    for page in begin:
        assert "Until Admit's first release, install it from a checkout" in page.read_text("utf-8"), page.name
