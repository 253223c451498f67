"""Do what the README says: `make demo` comes up, serves its first address, and Ctrl-C ends it. `make test` ran before.

The Python examples are run by tests/unit/test_readme.py.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UP = 180.0  # seconds; a first run installs everything
DOWN = 5.0


def commands() -> list[str]:
    """The shell commands of the README's fenced `sh` blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def _first_address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + UP
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and process.poll() is None:
            if selector.select(timeout=1):
                line = process.stdout.readline()
                print(f"  | {line}", end="")
                if found := re.search(r"http://\S+[^\s.,;]", line):
                    return found[0]
    raise SystemExit(f"make demo printed no address within {UP:.0f} s")


def _answers(address: str) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.2)
    return False


def demo(command: str) -> None:
    """Start the demo, look at its first address, end it by Ctrl-C. Raises SystemExit when it does not hold."""
    began = time.monotonic()
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command.split(), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        address = _first_address(process)
        if not _answers(address):
            raise SystemExit(f"{address} does not answer")
        print(f"{command}: up in {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        process.communicate(timeout=DOWN)
        print(f"{command}: ended {time.monotonic() - began:.1f} s after Ctrl-C, exit {process.returncode}")
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{command} did not end within {DOWN:.0f} s of Ctrl-C") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def main() -> int:
    """Run the README's commands."""
    for command in commands():
        if command == "make demo":
            demo(command)
        elif command != "make test":
            raise SystemExit(f"README has a command that nothing runs: {command}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
