"""Generated pages are true, and every threat named by a test is a row of the ledger."""

import inspect
import re
from pathlib import Path

import pytest

from admit import errors, jose, jwt
from scripts import docs, reference


def test_generated_pages_are_up_to_date() -> None:
    for path, text in docs.pages().items():
        assert path.exists(), "run: make docs"
        assert path.read_text("utf-8") == text, f"{path.name} is stale; run: make docs"


def test_every_threat_marker_names_a_row_of_the_ledger() -> None:
    named = {mark.values[0] for mark in docs.collect(docs.ROOT / "tests") if mark.kind == "threat"}
    assert named <= docs.ledger().keys()


def test_every_row_of_the_ledger_is_tested_or_says_why_not_and_never_both() -> None:
    named = {mark.values[0] for mark in docs.collect(docs.ROOT / "tests") if mark.kind == "threat"}
    assert named | docs.waiting().keys() == docs.ledger().keys()
    assert named & docs.waiting().keys() == set(), "take them out of [waits] in docs/ledger.toml"


SHOWN_TO_FAIL = ("SES-", "PWD-", "WEB-", "INF-")


def test_of_passwords_sessions_the_web_platform_and_the_machinery_every_row_is_seen_failing() -> None:
    marks = [mark for mark in docs.collect(docs.ROOT / "tests") if mark.kind == "threat"]
    seen = {mark.values[0] for mark in marks if mark.defences}
    assert {row for row in docs.ledger() if row.startswith(SHOWN_TO_FAIL)} <= seen


def test_markers_are_found_on_functions_classes_parameters_and_modules(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text(
        'pytestmark = pytest.mark.rfc("1", "1")\n'
        'G = "m:g"\n'
        '@pytest.mark.threat("A", off=["m:f", G])\n'
        "def test_one(): ...\n"
        '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.rfc("2", "3.4"))])\n'
        "async def test_two(x): ...\n"
        '@pytest.mark.threat("B")\n'
        "class TestThree:\n"
        "    def test_four(self): ...\n"
        "def helper(): ...\n"
    )
    found = {(mark.kind, mark.values, mark.test, mark.defences) for mark in docs.collect(tests)}
    assert found == {
        ("rfc", ("1", "1"), "test_one", ()),
        ("rfc", ("1", "1"), "test_two", ()),
        ("rfc", ("2", "3.4"), "test_two", ()),
        ("threat", ("A",), "test_one", ("m:f", "m:g")),
        ("threat", ("B",), "test_four", ()),
    }


def missing(page: str, names: list[str]) -> list[str]:
    return [name for name in names if f"`{name}`" not in page and f".{name}`" not in page]


@pytest.mark.parametrize("door", [jwt, jose], ids=lambda door: door.__name__)
def test_every_public_name_of_the_token_library_is_on_its_page(door: object) -> None:
    names = [name for name in vars(door)["__all__"] if not inspect.ismodule(getattr(door, name))]
    assert missing(reference.page(), names) == []
    assert missing("nothing", names) == names


def test_every_error_and_every_way_to_be_raised_is_on_the_page() -> None:
    page = reference.page()
    assert [name for name in vars(errors) if name.endswith("Error") and f"| `{name}` |" not in page] == []
    assert "- `AlgorithmError`: `alg` is not the key's." in page


def test_a_signature_on_the_page_shows_values_and_not_names_of_constants() -> None:
    assert "leeway: timedelta = timedelta(seconds=30)," in reference.page()
    assert "max_size: int = 16_384" in reference.page()
    assert "issuer: str | Literal[Waive.ISSUER]," in reference.page()


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere in this tree. What a measurement will write need not be there yet."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    own = [link for link in links if "://" not in link and "benchmarks/results/" not in link]
    return [link for link in own if not (page.parent / link).exists()]


def test_every_link_between_pages_leads_somewhere(tmp_path: Path) -> None:
    pages = [*docs.ROOT.glob("*.md"), *docs.ROOT.glob("docs/**/*.md")]
    assert len(pages) > 20
    assert {page.name: broken(page) for page in pages if broken(page)} == {}
    (tmp_path / "page.md").write_text("[a](there.md) [b](page.md#part) [c](https://example.com)")
    assert broken(tmp_path / "page.md") == ["there.md"]
