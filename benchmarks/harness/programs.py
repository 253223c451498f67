"""A server program as a child process: started, pinned to a core, its CPU time and memory read from outside.

Needs Linux (`/proc`, and a clock for each process); elsewhere it says so in one line.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

if not sys.platform.startswith("linux"):
    raise SystemExit("this benchmark reads CPU time and memory from /proc: run it on Linux")

HOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(pycache: Path) -> dict[str, str]:
    """Nobody's settings but ours, and byte code kept as an installed package has it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ADMIT_", "PYTHON"))}
    return {**kept, "PYTHONPYCACHEPREFIX": str(pycache)}


def pin(pid: int, core: int) -> None:
    """Keep a process to one of the cores that we may use; with one core, or where that is refused, leave it."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {cores[core % len(cores)]})


def dies_with_us() -> Callable[[], object]:
    """For `preexec_fn`: the child is ended when this process is gone, however that came."""
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_in_order() -> None:
    """Let SIGTERM end this program as Ctrl-C does, so that what it started is ended and its folders go."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))


def machine_cpu() -> float:
    """Seconds of CPU that the whole machine has used so far, on all cores."""
    ticks = (
        Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:8]
    )  # without what other machines took
    idle = int(ticks[3]) + int(ticks[4])
    return (sum(map(int, ticks)) - idle) / os.sysconf("SC_CLK_TCK")


def tree_cpu(pid: int) -> float:
    """Seconds of CPU of a process and of the children that it has now."""
    used = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(folder.name) == pid or int(words[1]) == pid:
                    used += int(words[11]) + int(words[12])
    return used / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this process to one core inside the block."""
    before = os.sched_getaffinity(0)
    pin(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Program:
    """A server that listens on `port`. Use it as a context: it is ended at the block's end."""

    def __init__(
        self, command: Sequence[str], *, port: int, env: Mapping[str, str], log: Path, core: int | None = None
    ) -> None:
        self.port = port
        self._log = log
        self._began = time.perf_counter()
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                command, env=env, cwd=log.parent, stdout=out, stderr=out, preexec_fn=dies_with_us()
            )
        self._clock = (~self._child.pid << 3) | 2  # clock_getcpuclockid(3): CPU time of all its threads
        if core is not None:
            pin(self._child.pid, core)

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    @property
    def pid(self) -> int:
        return self._child.pid

    def until_ready(self, path: str, *, host: str, within: float = 120.0) -> float:
        """Seconds from the start to the first 200 of `GET path`."""
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        while time.perf_counter() - self._began < within:
            if self._child.poll() is not None:
                raise SystemExit(f"the program ended by itself:\n{self._log.read_text('utf-8', 'replace')}")
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), within) as wire:
                wire.sendall(request)
                if wire.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter() - self._began
            time.sleep(0.002)
        raise SystemExit(f"not ready within {within:.0f} s:\n{self._log.read_text('utf-8', 'replace')}")

    def cpu(self) -> float:
        """Seconds of CPU used so far, by all threads."""
        return time.clock_gettime(self._clock)

    def memory(self) -> float:
        """Resident MiB, shared libraries included."""
        pages = int(Path(f"/proc/{self._child.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def admit_serving(
    settings: Path, *, port: int, core: int | None = None, more: Mapping[str, str] | None = None
) -> Program:
    """`admit serve` with these settings, as an installed package starts it. `more` is for its environment."""
    return Program(
        [str(Path(sys.executable).with_name("admit")), "serve", "--config", str(settings)],
        port=port,
        env={**environment(settings.parent / "bytecode"), **(more or {})},
        log=settings.with_suffix(".log"),
        core=core,
    )
