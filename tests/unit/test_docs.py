"""Generated pages are true, and every threat named by a test is a row of the ledger."""

from pathlib import Path

from scripts import docs


def test_generated_pages_are_up_to_date() -> None:
    for path, text in docs.pages().items():
        assert path.exists(), "run: make docs"
        assert path.read_text("utf-8") == text, f"{path.name} is stale; run: make docs"


def test_every_threat_marker_names_a_row_of_the_ledger() -> None:
    named = {mark.values[0] for mark in docs.collect(docs.ROOT / "tests") if mark.kind == "threat"}
    assert named <= docs.ledger().keys()


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
