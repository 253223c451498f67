"""Octets on the wire: a relay in front of a server that counts what each exchange takes, headers and all."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType

from benchmarks.harness.programs import HOST


@dataclass(slots=True)
class Exchange:
    """One request and what was answered until the next request of the same connection."""

    asked: bytes
    answered: list[bytes] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.asked.split(b" ", 2)[1].partition(b"?")[0].decode("ascii")

    @property
    def octets(self) -> int:
        return len(self.asked) + sum(map(len, self.answered))

    @property
    def status(self) -> int:
        return int(self.answered[0][9:12])


class Relay:
    """Listens on `port` and passes everything on to `to`. Use it as a context."""

    def __init__(self, port: int, to: int) -> None:
        self.exchanges: list[Exchange] = []
        self._to = to
        self._listening = socket.create_server((HOST, port))
        self._open: list[socket.socket] = []

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listening, *self._open):
            one.close()

    def of(self, path: str, status: int = 200) -> list[Exchange]:
        """Exchanges of a path that were answered so, in order; the last of a connection may still be under way."""
        return [one for one in self.exchanges if one.path == path and one.answered and one.status == status]

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection((HOST, self._to))
            self._open += (near, far)
            current: list[Exchange] = []
            threading.Thread(target=self._ask, args=(near, far, current), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near, current), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket, current: list[Exchange]) -> None:
        while data := _received(near):
            current.append(Exchange(data))
            self.exchanges.append(current[-1])
            _pass_on(data, far)
        far.close()

    def _answer(self, far: socket.socket, near: socket.socket, current: list[Exchange]) -> None:
        while data := _received(far):
            current[-1].answered.append(data)
            _pass_on(data, near)
        near.close()


def _pass_on(data: bytes, wire: socket.socket) -> None:
    with contextlib.suppress(OSError):  # that side has gone
        wire.sendall(data)


def _received(wire: socket.socket) -> bytes:
    try:
        return wire.recv(1 << 16)
    except OSError:
        return b""
