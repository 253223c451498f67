"""Settings of mail."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from admit.errors import ConfigError
from admit.issuer.outbox import rules
from admit.issuer.outbox.errors import MailError

CONSOLE: Final = "console:"
_PORTS: Final = {"smtp": 587, "smtps": 465}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in. `tls`: from the first octet, else by STARTTLS; `plain`: neither is asked for."""

    host: str
    port: int
    tls: bool
    plain: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """How mail leaves. Without `url` none does: no verification, no reset by mail, no notices.

    `url`: `smtps://user:password@host:465` (TLS from the start) or `smtp://user:password@host:587` (STARTTLS, which the
    server must offer); characters such as `@` in user and password are written `%40`. `console:` writes mails to the
    log instead, with `dev` only. `sender`: what stands in From, `Name <address>` or an address. `reply_to`: where
    answers go (default nowhere). `ca_file`: certificates of authorities to trust besides the system's (default none).
    `plaintext`: hand mails in without TLS, links and password readable on the way (default false; on loopback it
    needs no setting). `timeout`: for one mail, from connecting to the server's word (default 30 s).
    `give_up_after`: no more tries then (default 1 day). `parallel`: mails on their way at a time (default 4).
    `most_waiting`: mails that may wait in the database (default 10,000); more are not taken, and half of
    the room is kept for notices, which nobody outside can ask for.
    """

    url: str = field(default="", repr=False)
    sender: str = ""
    reply_to: str = ""
    ca_file: str = ""
    plaintext: bool = False
    timeout: timedelta = timedelta(seconds=30)
    give_up_after: timedelta = timedelta(days=1)
    parallel: int = 4
    most_waiting: int = 10_000

    def __post_init__(self) -> None:
        for name in ("parallel", "most_waiting"):
            if getattr(self, name) < 1:
                raise ConfigError(f"mail.{name} must be at least 1")
        for name in ("timeout", "give_up_after"):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"mail.{name} must be positive")
        if self.url and self.url != CONSOLE:
            read_url(self.url, plaintext=self.plaintext)
        if self.url and not self.sender:
            raise ConfigError("mail.sender: say from whom mails come, such as Example <no-reply@example.com>")
        for name in ("sender", "reply_to"):
            if value := getattr(self, name):
                try:
                    rules.mailbox(value)
                except MailError:
                    raise ConfigError(f"mail.{name}: want an address, or Name <address>") from None

    @property
    def is_on(self) -> bool:
        """Whether mails are taken at all."""
        return bool(self.url)

    @property
    def is_console(self) -> bool:
        """Whether mails go to the log: for development."""
        return self.url == CONSOLE

    @property
    def server(self) -> Server:
        """Where mail is handed in. Raises ConfigError where there is no server."""
        return read_url(self.url, plaintext=self.plaintext)

    @property
    def lease(self) -> timedelta:
        """How long a worker has a mail for itself: longer than one try may take, and not for ever."""
        return 2 * self.timeout + timedelta(seconds=30)


def read_url(url: str, *, plaintext: bool) -> Server:
    """The server that a URL names. Raises ConfigError; no message quotes the URL, which holds a password."""
    wanted = "mail.url: want smtps://user:password@host:465, smtp://user:password@host:587, or console:"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(wanted) from None
    if (
        parts.scheme not in _PORTS
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ConfigError(wanted)
    if (parts.username is None) != (parts.password is None) or parts.username == "":
        raise ConfigError("mail.url: give both user and password, or neither")
    host = parts.hostname
    return Server(
        host=host,
        port=port if port is not None else _PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        plain=parts.scheme == "smtp" and (plaintext or is_loopback(host)),
        username=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host stays on this machine."""
    return host in _LOOPBACK
