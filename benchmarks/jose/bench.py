"""What signing and verifying a token costs: `python benchmarks/jose/bench.py [rounds] [--save] [--quick]`.

`--save` also writes the figures to benchmarks/results/jose.md; `--quick` takes few rounds of everything, to see that it
runs. About three minutes. An idle machine gives figures; a busy one gives ratios.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.harness import figures
from benchmarks.jose import rows, start

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cryptography", "msgspec")


def main() -> None:
    words = sys.argv[1:]
    quick = "--quick" in words
    rounds = next((int(word) for word in words if word.isdigit()), 5 if quick else 41)
    warnings.simplefilter("ignore")  # joserfc and Authlib have some, which would only cost them time
    noise = figures.Noise()
    table = rows.Table(rounds, noise)
    parts = [figures.heading("The token library's speed", PACKAGES)]
    print(parts[0], flush=True)
    measured: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("Import", start.HOW, lambda: start.measure(min(rounds, 21))),
        ("Against the primitive and the floor", rows.HOW, table.goals),
        ("Beside other libraries", rows.HOW_PEERS, table.peers),
    )
    for title, how, measure in measured:
        parts += [f"## {title}", how, measure()]
        print("\n" + "\n\n".join(parts[-3:]), flush=True)
    parts.append(f"{rounds} rounds; {noise}.")
    print(f"\n{parts[-1]}")
    if "--save" in words:
        target = ROOT / "benchmarks" / "results" / "jose.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
