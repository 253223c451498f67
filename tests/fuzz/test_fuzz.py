"""Every parser under a fuzzer that follows its branches. ADMIT_TIER=soak fuzzes for minutes.

print("\n".join(stats))
"""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import targets

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMES = tuple(targets.TARGETS)


def kept(name: str) -> list[bytes]:
    """The inputs of one target; characters are octets."""
    return [text.encode("latin-1") for text in json.loads((HERE / f"corpus/{name}.json").read_text("utf-8"))]


@pytest.mark.parametrize("name", NAMES)
def test_every_kept_input_is_answered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admit.jose.key_management.MAX_ITERATIONS", 2_000)
    assert len(kept(name)) >= 3
    for data in kept(name):
        targets.run(name, data)


def test_a_target_that_answers_wrongly_or_raises_anything_else_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets.run("base64", b"AAAA")
    monkeypatch.setattr("admit.jose.base64url.decode", lambda _: b"other")
    with pytest.raises(AssertionError):
        targets.run("base64", b"AAAA")
    monkeypatch.setattr("admit.jose.base64url.decode", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        targets.run("base64", b"AAAA")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="atheris is published for Linux")
def test_a_fuzzer_finds_no_input_that_is_not_answered(
    rounds: Callable[..., range], rng: random.Random, tmp_path: Path
) -> None:
    seconds = len(rounds(test=2, soak=300))
    for number, name in enumerate(NAMES):
        for data in kept(name):
            text = bytes([number]) + data
            (tmp_path / hashlib.sha256(text).hexdigest()[:16]).write_bytes(text)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", str(seconds), str(rng.randrange(1, 2**31)), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=seconds + 120,
    )  # fmt: skip
    found = {path.name: path.read_bytes()[:300] for path in tmp_path.glob("found-*")}
    assert (ran.returncode, found) == (0, {}), ran.stderr[-4000:]
    stats = [line for line in ran.stderr.splitlines() if line.startswith("stat::")]
    print("\n".join(stats))
    assert any("number_of_executed_units" in line for line in stats), ran.stderr[-4000:]
