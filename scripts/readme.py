"""Do what the README says: `make demo` comes up, serves its first address, and Ctrl-C ends it. `make test` ran before.
An issuer is set up in an empty folder, and its first user is asked for a password on a terminal.

The Python examples are run by tests/unit/test_readme.py.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
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

    def __init__(self, command: str, folder: Path = ROOT) -> None:
        self.seen = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:  # the child
            os.chdir(folder)
            os.environ["PATH"] = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
            os.execvp("sh", ["sh", "-c", f"exec {command}"])

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

    def type(self, line: str) -> None:
        """Type a line, and forget what was seen before."""
        self.seen = ""
        os.write(self.terminal, f"{line}\n".encode())

    def ended(self, seconds: float) -> int:
        """Read until it ends by itself; the exit code. Raises SystemExit when it takes longer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if not self._read():
                time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        raise SystemExit(f"it did not end within {seconds:.0f} s")

    def interrupt(self, seconds: float) -> int:
        """Press Ctrl-C and wait for the end; the exit code. Raises SystemExit when it takes longer."""
        os.write(self.terminal, b"\x03")
        return self.ended(seconds)


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


def served(command: str, folder: Path, address: str) -> None:
    """Start the issuer here, look at an address, end it by Ctrl-C. Raises SystemExit when it does not hold."""
    running = Terminal(command, folder)
    if not _answers(address):
        raise SystemExit(f"{address} does not answer:\n{running.seen}")
    if (code := running.interrupt(DOWN)) != 0:
        raise SystemExit(f"{command} ended with {code}")


def with_password(command: str, folder: Path) -> None:
    """Run a command that asks for a new password, twice. Raises SystemExit when it does not hold."""
    asked = Terminal(command, folder)
    for _ in range(2):
        asked.until(r"(?i)password[^\n]*: ?$|again[^\n]*: ?$|repeat[^\n]*: ?$", UP)
        asked.type("three blue boats")
    if (code := asked.ended(UP)) != 0:
        raise SystemExit(f"{command} ended with {code}:\n{asked.seen}")


def main() -> int:
    """Run the README's commands."""
    address = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for command in commands():
            if command == "make demo":
                demo(command)
            elif command.startswith("printf "):
                subprocess.run(["sh", "-c", command], cwd=folder, check=True)
            elif command.startswith("admit user add "):
                with_password(command, folder)
            elif command.startswith("# sign in at "):
                address = command.removeprefix("# sign in at ")
            # The checkout is installed; what `admit serve` begins is looked at where the next line says.
            elif command not in ("make test", "admit serve", "pip install 'admit[server]'"):
                raise SystemExit(f"README has a command that nothing runs: {command}")
        served("admit serve", folder, address)
    return 0


if __name__ == "__main__":
    sys.exit(main())
