"""docs/revocation.md says what the code does."""

import re
from datetime import timedelta
from pathlib import Path

from admit import Revocation
from admit.issuer.revocation import RevocationConfig
from admit.tokens import status_list
from admit.verifier.episodes import NEAR

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "revocation.md").read_text("utf-8")


def written(duration: timedelta) -> str:
    milliseconds = duration / timedelta(milliseconds=1)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)):
        if milliseconds % size == 0:
            return f"{milliseconds / size:.0f} {unit}"
    raise AssertionError(duration)


def test_the_example_runs() -> None:
    example = re.search(r"<!-- example: revocation -->\n```python\n(.*?)```", PAGE, re.S)
    assert example is not None
    names: dict[str, object] = {}
    exec(example[1], names)
    assert type(names["verifier"]).__name__ == "Verifier"


def test_the_page_opens_with_the_price() -> None:
    assert PAGE.split("\n\n")[1].startswith("**The price first.**")


def test_the_defaults_on_the_page_are_the_codes() -> None:
    config = RevocationConfig()
    rows = dict(re.findall(r"^\| `revocation\.(\w+)` \| (.*?) \|", PAGE, re.M))
    durations = {name for name in RevocationConfig.__slots__ if isinstance(getattr(config, name), timedelta)}
    assert set(rows) == durations - {"list_check"}
    assert rows == {name: written(getattr(config, name)) for name in rows}
    assert f"`revocation.most_streams` ({config.most_streams:,})" in PAGE
    assert f"`revocation.most_streams_each` ({config.most_streams_each})" in PAGE


def test_the_figures_of_the_watch_are_the_codes() -> None:
    bound = Revocation().bound
    assert f"are {bound * NEAR:.0f} s old; at {bound:.0f} s" in PAGE


def test_the_bounds_on_the_page_are_the_codes() -> None:
    default = Revocation()
    assert f"| **{default.bound:.0f} s** (default) | at most {default.bound:.0f} s" in PAGE
    assert f"one every {default.poll_every:.0f} s" in PAGE
    short = Revocation(max_staleness=timedelta(seconds=5))
    assert f"one every {short.poll_every:.1f} s" in PAGE
    assert f"{status_list.ENTRIES:,} bits" in PAGE
