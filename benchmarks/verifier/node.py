"""fast-jwt, in node, as jobs that take turns with those of Python."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.turns import Job
from benchmarks.verifier.site import API, ISSUER, KEY

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "tests" / "interop" / "node"
PROGRAM = Path(__file__).with_name("fast_jwt.mjs")


class Missing(Exception):
    """Why there is no node, in one sentence."""


def version() -> str:
    """Of fast-jwt and of node.

    Raises:
        Missing: one of them is not here.
    """
    node = shutil.which("node")
    if node is None:
        raise Missing("no node here: its rows are left out.")
    described = PACKAGES / "node_modules" / "fast-jwt" / "package.json"
    if not described.is_file():
        raise Missing("no fast-jwt here (npm ci in tests/interop/node): its rows are left out.")
    of_node = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"fast-jwt {json.loads(described.read_text('utf-8'))['version']} on node {of_node}"


@contextmanager
def jobs(token: str, counts: Mapping[str, int]) -> Iterator[dict[str, Job]]:
    """`cached`, `anew` and `floor`, each done so many times a turn."""
    settings = {"token": token, "key": KEY.to_pem().decode(), "issuer": ISSUER, "audience": API}
    with subprocess.Popen(
        ["node", str(PROGRAM), str(PACKAGES) + "/", json.dumps(settings)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as child:  # fmt: skip
        ask, answers = child.stdin, child.stdout
        assert ask is not None
        assert answers is not None

        def job(name: str, count: int) -> Job:
            def turn() -> float:
                print(name, count, file=ask, flush=True)
                return float(answers.readline()) / 1e9

            return turn

        yield {name: job(name, count) for name, count in counts.items()}
        ask.close()
