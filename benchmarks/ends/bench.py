"""Log-outs a second on PostgreSQL, and what verifiers cost the issuer: `python benchmarks/ends/bench.py [--quick]
[--save]`.

`--save` also writes benchmarks/results/ends.md; `--quick` only shows that it runs. About two and a half minutes;
Linux and PostgreSQL.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.ends import logouts, publishing
from benchmarks.harness import figures
from benchmarks.harness.deployed import Deployed, postgresql, server_version
from benchmarks.harness.load import runner
from benchmarks.harness.programs import end_in_order, free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("uvicorn", "uvloop", "asyncpg", "httpcore2", "cryptography")
ROUNDS, EACH = 3, 1_000
TURNS, SECONDS = 2, 15


def how(postgres: str) -> str:
    return f"""\
PostgreSQL {postgres}, durable as it comes: fsync, synchronous_commit and full_page_writes on. Issuer nodes are
`admit serve`, one process each, asked directly. Each person has a session with a grant below it, so a log-out ends two
families; it is `DELETE /api/session` with the session's CSRF token. Ends commit one at a time in a whole deployment, so
that their order is one order; the floor is that commit and nothing else, on {logouts.CONNECTIONS} connections. Client,
nodes and PostgreSQL share this machine's cores.

Publishing is the difference between two equal turns at one node, one with and one without {publishing.VERIFIERS}
verifiers (stream open, polled every {publishing.POLL:.0f} s, in {publishing.PROCESSES} processes): CPU time of the
node's process. What a node spends to learn of ends itself, for the verifier inside it, it spends in both turns; a
second node that nobody asks anything shows how much that is."""


async def run(parts: list[str], *, quick: bool) -> None:
    def say(text: str) -> None:
        parts.append(text)
        print(f"\n{text}\n", flush=True)

    noise = figures.Noise()
    rounds, each = (1, 100) if quick else (ROUNDS, EACH)
    turns, seconds = (1, 3) if quick else (TURNS, SECONDS)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="admit-bench-")))
        server = stack.enter_context(postgresql())
        deployed = Deployed(folder, server.dsn(server.create_database()))
        say(figures.heading("Log-outs, and what verifiers cost the issuer", PACKAGES))
        say(how(server_version(server)))
        await deployed.furnish()
        going = await deployed.sign_in(4 * rounds * each)
        with deployed.serve(deployed.port) as one, deployed.serve(free_port()) as other:
            for node in (one, other):
                node.until_ready("/health/ready", host=deployed.host)
            say(await logouts.measure(deployed, (one, other), server, going, rounds, noise))
        going = await deployed.sign_in(2 * turns * int(seconds * publishing.RATE))
        with deployed.serve(deployed.port) as node, deployed.serve(free_port()) as unasked:
            for one in (node, unasked):
                one.until_ready("/health/ready", host=deployed.host)
            say(await publishing.measure(deployed, node, unasked, going, turns, noise))
        say(f"{rounds} rounds of {each:,}; {turns} turns of {seconds} s; {noise}.")


def main() -> None:
    end_in_order()
    words = sys.argv[1:]
    parts: list[str] = []
    runner(run(parts, quick="--quick" in words))
    if "--save" in words and "--quick" not in words:
        target = ROOT / "benchmarks" / "results" / "ends.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
