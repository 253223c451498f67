"""What verifying costs: `python benchmarks/verifier/bench.py [rounds] [--save] [--quick]`.

`--save` also writes the figures to benchmarks/results/verifier.md; `--quick` takes less of everything, to see that it
runs. Linux only, about four minutes. An idle machine gives figures; a busy one gives ratios.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.harness import figures
from benchmarks.verifier import peers, remembered, revocation, sizes, subjects

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cryptography", "msgspec", "httpcore2")


def main() -> None:
    words = sys.argv[1:]
    quick = "--quick" in words
    rounds = next((int(word) for word in words if word.isdigit()), 3 if quick else 61)
    noise = figures.Noise()
    parts = [figures.heading("What verifying costs", PACKAGES)]
    print(parts[0], flush=True)
    measured: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("A remembered token", remembered.HOW, lambda: remembered.measure(rounds, noise)),
        ("The check for revocation", revocation.HOW, lambda: revocation.measure(rounds, noise)),
        ("Many subjects", subjects.HOW, lambda: subjects.measure(20_000 if quick else 1_000_000, noise)),
        ("Memory and octets", sizes.HOW, sizes.measure),
        ("Peers", peers.HOW, lambda: peers.measure(rounds, noise)),
    )
    for title, how, measure in measured:
        parts += [f"## {title}", how, measure()]
        print("\n" + "\n\n".join(parts[-3:]), flush=True)
    parts.append(f"{rounds} rounds; {noise}.")
    print(f"\n{parts[-1]}")
    if "--save" in words:
        target = ROOT / "benchmarks" / "results" / "verifier.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
