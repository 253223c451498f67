"""Requests as an attacker writes them: any path, header or octets; one connection each, nothing followed."""

import contextlib
import http.client
import json
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

Pairs = Iterable[tuple[str, str]]
WITHIN: Final = 15.0
MOST: Final = 4 << 20  # octets of an answer that are read


class UnreachableError(Exception):
    """Nobody answers at this address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came. Status 0: the connection was closed without one, which is a refusal too."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for named, value in self.headers if named.lower() == name]

    def get(self, name: str) -> str:
        """A header's values, joined; empty for none."""
        return ", ".join(self.all(name))

    @property
    def ok(self) -> bool:
        """Whether it says yes: a success, or a redirect."""
        return 200 <= self.status < 400

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty for anything else."""
        with contextlib.suppress(ValueError):
            if isinstance(found := json.loads(self.body), dict):
                return found
        return {}

    @property
    def error(self) -> str:
        """The code that it names: in the challenge, in JSON, or in the redirect."""
        for place in (self.get("www-authenticate"), self.get("location")):
            if found := re.search(r'error="?([a-z_]+)', place):
                return found[1]
        code = self.json.get("error")
        return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code) else ""

    @property
    def said(self) -> str:
        """A few words for the table: never the body, which may hold what somebody chose."""
        if self.status == 0:
            return "connection closed"
        return f"{self.status} {self.error or http.client.responses.get(self.status, '')}".strip()


@dataclass(frozen=True, slots=True)
class Wire:
    """A server by its URL. `ca_file`: PEM of the authorities that vouch for it; empty for the system's."""

    url: str
    ca_file: str = ""

    @property
    def host(self) -> str:
        """As it stands in `Host`."""
        return urlsplit(self.url).netloc

    @property
    def base(self) -> str:
        """The path of the URL, without its last slash."""
        return urlsplit(self.url).path.rstrip("/")

    def send(
        self, method: str, target: str, headers: Pairs = (), body: bytes = b"", *, host: str | None = None
    ) -> Answer:
        """One request. `host`: another `Host`; empty for none, where `headers` hold what shall stand there.

        Raises:
            UnreachableError: nobody listens.
        """
        lines = [f"{method} {target} HTTP/1.1"]
        if host != "":
            lines.append(f"Host: {self.host if host is None else host}")
        given = list(headers)
        lines += [f"{name}: {value}" for name, value in given]
        if body and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in given):
            lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: close")
        return self.exchange("\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body, method)

    def exchange(self, octets: bytes, method: str = "GET") -> Answer:
        """Octets as they are, and the first answer to them.

        Raises:
            UnreachableError: nobody listens.
        """
        with self._connected() as connection:
            # Who refuses early closes while we still write: the answer is there all the same.
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                connection.sendall(octets)
            reply = http.client.HTTPResponse(connection, method=method)
            try:
                reply.begin()
                body = reply.read(MOST)
            except (OSError, http.client.HTTPException):
                return Answer(0)
            return Answer(reply.status, tuple(reply.getheaders()), body)

    def _connected(self) -> socket.socket:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        name = parts.hostname or ""
        try:
            plain = socket.create_connection((name, parts.port or (443 if secure else 80)), timeout=WITHIN)
            if not secure:
                return plain
            context = ssl.create_default_context(cafile=self.ca_file or None)
            return context.wrap_socket(plain, server_hostname=name)
        except OSError as error:
            raise UnreachableError(self.url) from error
