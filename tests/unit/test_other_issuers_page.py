"""docs/other-issuers.md: its examples run, and trust what they say."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "other-issuers.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", PAGE, re.S))


@pytest.mark.parametrize("name", ["issuers", "presets", "ends", "introspection"])
def test_an_example_runs(name: str) -> None:
    names: dict[str, object] = {}
    exec(EXAMPLES[name], names)
    assert type(names["verifier"]).__name__ == "Verifier"


def test_every_example_is_run() -> None:
    assert PAGE.count("```python") == len(EXAMPLES) == 4
