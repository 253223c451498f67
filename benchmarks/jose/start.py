"""How long `import admit.jwt` takes beyond the packages it stands on, and what other libraries' imports take."""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from benchmarks.harness import figures

GOAL_MS = 15.0
# What any program that signs with these packages loads of them.
UNDER = """\
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils"""
PROGRAMS: Mapping[str, str] = {
    "nothing": "pass",
    "cryptography and msgspec": UNDER,
    "admit.jwt": "import admit.jwt",
    "PyJWT": "import jwt",
    "python-jose": "from jose import jwt",
    "joserfc": "from joserfc import jwt",
    "Authlib": "import warnings; warnings.simplefilter('ignore'); from authlib.jose import JsonWebToken",
    "jwcrypto": "from jwcrypto import jwt",
    "oxyjwt": "import oxyjwt",
}
HOW = f"""\
Fresh interpreters with byte code, in turns; milliseconds of the whole process, less those of an interpreter that
imports nothing. The goal is {GOAL_MS:.0f} ms over cryptography and msgspec, of which the second row imports what any
program loads that signs with them."""
# The import system is asked to keep to what is installed: no user site, no environment.
COMMAND = [sys.executable, "-I", "-c"]


def _once(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([*COMMAND, program], check=True, capture_output=True, env={})
    return (time.perf_counter() - began) * 1e3


def measure(rounds: int) -> str:
    taken: dict[str, list[float]] = {}
    for name, program in PROGRAMS.items():
        try:
            _once(program)  # writes byte code
        except subprocess.CalledProcessError:
            continue
        taken[name] = []
    for _ in range(rounds):
        for name, times in taken.items():
            times.append(_once(PROGRAMS[name]))

    def over(name: str, other: str) -> float:
        return statistics.median(a - b for a, b in zip(taken[name], taken[other], strict=True))

    under = "cryptography and msgspec"
    rows = []
    for name in taken:
        if name == "nothing":
            continue
        beyond = over(name, under)
        goal = ""
        if name == "admit.jwt":
            goal = f"≤ {GOAL_MS:.0f} ms: {figures.verdict(met=beyond <= GOAL_MS)}"
        rows.append((name, f"{over(name, 'nothing'):.1f}", "" if name == under else f"{beyond:+.1f}", goal))
    return figures.table(("import", "ms", "over those two", "goal"), rows)
