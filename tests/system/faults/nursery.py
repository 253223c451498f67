"""Processes that start in a moment: one that has imported everything forks them, as it is asked.

    process = nursery.spawn("admit", ["serve", "--config", "node.toml"], (nothing, log, log))

A fault harness starts hundreds, and each would import for a second or two. The process that forks runs nothing of ours
and has no thread, so what it forks begins as a program does. The children end with it, and it ends with whoever asked.
"""

import atexit
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from tests.fixtures.processes import environment

_PR_SET_PDEATHSIG = 1
_LONGEST = 1 << 16
Streams = tuple[int, int, int]
"""Descriptors that become the process's stdin, stdout and stderr. The caller closes its own."""


class Forked:
    """One process, with what `subprocess.Popen` has. Its end and its exit code come by a pipe that it holds."""

    def __init__(self, pid: int, end: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end

    def poll(self) -> int | None:
        """The exit code once it ended; -9 where it told none."""
        return self._look(0.0)

    def wait(self, timeout: float) -> int:
        """Wait for its end. Raises TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a forked process", timeout)
        return code

    def _look(self, timeout: float) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            told = os.read(self._end, 1)
            os.close(self._end)
            self.returncode = told[0] if told else -signal.SIGKILL
        return self.returncode

    def send_signal(self, how: int) -> None:
        """Send it, if it runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, how)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks, and the way to it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL, env=environ, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip

    def spawn(self, program: str, arguments: Sequence[str], streams: Streams, folder: str) -> Forked:
        """Have one forked that runs `main` of a program with these arguments."""
        ours, theirs = os.pipe()
        try:
            asked = json.dumps([program, list(arguments), folder]).encode()
            socket.send_fds(self._socket, [asked], [*streams, theirs])
            told = self._socket.recv(16)
        finally:
            os.close(theirs)
        if not told:
            os.close(ours)
            raise RuntimeError("the process that forks others is gone")
        return Forked(int(told), ours)

    def close(self) -> None:
        """End it, and with it all that it forked."""
        self._socket.close()
        self._process.wait(10)


_LOCK = threading.Lock()
_RUNNING: list[Nursery] = []


def spawn(program: str, arguments: Sequence[str], streams: Streams, folder: str | None = None) -> Forked:
    """Have a process forked by one that is kept for this; another where the environment is another by now."""
    environ = {name: value for name, value in environment().items() if not name.startswith("PYTEST_")}
    with _LOCK:
        if _RUNNING and _RUNNING[0].environ != environ:
            _RUNNING.pop().close()
        if not _RUNNING:
            _RUNNING.append(Nursery(environ))
        return _RUNNING[0].spawn(program, arguments, streams, folder or os.getcwd())


@atexit.register
def _close() -> None:
    while _RUNNING:
        _RUNNING.pop().close()


def _admit() -> int | None:
    from admit.cli.main import main

    sys.argv[0] = "admit"
    main()
    return 0


def _checker() -> int | None:
    from tests.system.faults.checker import main

    main()
    return 0


PROGRAMS: Mapping[str, Callable[[], int | None]] = {"admit": _admit, "checker": _checker}


PARTS = (
    "admit.cli.epoch",
    "admit.cli.main",
    "admit.cli.serve",
    "admit.issuer.storage.migrate",
    "admit.issuer.storage.postgres",
    "admit.issuer.storage.sqlite",
    "structlog",
    "tests.system.faults.checker",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvloop",
)
"""What the programs import, early or late; none of it starts anything."""


def _serve(channel: socket.socket) -> None:
    for part in PARTS:
        import_module(part)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    while True:
        asked, descriptors, _, _ = socket.recv_fds(channel, _LONGEST, 4)
        if not asked:
            return
        pid = os.fork()
        if pid == 0:
            if prctl is not None:
                prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            channel.close()
            _become(*json.loads(asked), descriptors)
        for one in descriptors:
            os.close(one)
        channel.send(str(pid).encode())


def _become(program: str, arguments: list[str], folder: str, descriptors: list[int]) -> NoReturn:
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.chdir(folder)
        for number, one in enumerate(descriptors[:3]):
            os.dup2(one, number)
            os.close(one)
        sys.argv = [program, *arguments]
        code = PROGRAMS[program]() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(descriptors[3], bytes([code & 255]))
        os._exit(code & 255)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
