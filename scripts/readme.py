"""Do what the README says: `make demo` comes up, serves its first address, and Ctrl-C ends it. `make test` ran before.

The Python examples are run by tests/unit/test_readme.py.
"""

import os
import pty
import re
import select
import signal
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


class Terminal:
    """A program on a terminal of its own, so that Ctrl-C is what a person's Ctrl-C is."""

    def __init__(self, command: str) -> None:
        self.seen = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:  # the child
            os.chdir(ROOT)
            words = command.split()
            os.execvp(words[0], words)

    def until(self, pattern: str, seconds: float) -> str:
        """Read until `pattern` is seen. Raises SystemExit when it is not."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() > deadline or not self._read():
                raise SystemExit(f"waited in vain for {pattern}; seen:\n{self.seen}")
        return found[0]

    def _read(self) -> bool:
        """Take what is there, for at most a tenth of a second. False when the program is gone."""
        if not select.select([self.terminal], [], [], 0.1)[0]:
            return True
        try:
            chunk = os.read(self.terminal, 4096).decode(errors="replace")
        except OSError:  # the last program closed the terminal
            return False
        sys.stdout.write(chunk)
        self.seen += chunk
        return bool(chunk)

    def interrupt(self, seconds: float) -> int:
        """Press Ctrl-C and wait for the end; the exit code. Raises SystemExit when it takes longer."""
        os.write(self.terminal, b"\x03")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if not self._read():
                time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        raise SystemExit(f"it did not end within {seconds:.0f} s of Ctrl-C")


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
    running = Terminal(command)
    address = running.until(r"http://[\w.:/-]*\w", UP)
    if not _answers(address):
        raise SystemExit(f"{address} does not answer")
    print(f"{command}: up in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    code = running.interrupt(DOWN)
    print(f"{command}: ended {time.monotonic() - began:.1f} s after Ctrl-C, exit {code}")
    if code != 0:
        raise SystemExit(f"{command} ended with {code}")


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
