"""`admit serve` and `admit migrate`."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import click
import uvicorn

from admit.cli.http import BoundedProtocol
from admit.cli.logs import configure
from admit.cli.output import USAGE, done, fail
from admit.cli.settings import settings_options
from admit.issuer import Issuer, Settings
from admit.issuer.revocation import descriptors


@click.command()
@click.option(
    "--listen", metavar="HOST:PORT", help="Where to listen. Default: the issuer's port on 127.0.0.1."
)
@click.option("--issuer", metavar="URL", help="The URL that people reach this issuer by.")
@settings_options
def serve(settings: Settings) -> None:
    """Serve the issuer: sign-in pages, OAuth 2.1 and OpenID Connect.

    \b
    Try it:      admit serve --dev
    For others:  admit serve --issuer https://id.example.com   (behind TLS)

    Without settings it keeps SQLite and its keys in your data folder. Ctrl-C ends it in good order.
    """
    configure()
    descriptors.raise_limit()
    run(Issuer(settings), settings)


@click.command()
@settings_options
def migrate(settings: Settings) -> None:
    """Bring the database's schema to this version.

    SQLite does so by itself at each start. PostgreSQL waits for this command, so that you choose the moment; nodes
    refuse to start until it has run.
    """
    if settings.database_url.startswith("sqlite:"):
        done("SQLite is migrated at each start; there is nothing to do.", then="admit serve")
        return
    from admit.issuer.storage.migrate import migrate as migrate_database  # Alembic is not for every start

    asyncio.run(migrate_database(settings.database_url))
    done("The schema is up to date.", then="admit serve")


class Server(uvicorn.Server):
    """uvicorn, ended by SIGINT or SIGTERM in good order and with exit code 0: it was asked to end, nothing failed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's own, but the signal is not raised again afterwards."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(issuer: Issuer, settings: Settings) -> None:
    """Bind first, so that a taken port is told in one line before anything else has happened."""
    sock = bind(*settings.address)
    config = uvicorn.Config(
        issuer.asgi,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    config.load()
    server = Server(config)

    async def main() -> None:
        async with issuer.lifespan():
            click.echo(f"Admit serves {settings.issuer}")
            await server.serve(sockets=[sock])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(main())


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or one line that says why there is none."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        why = os.strerror(error.errno) if error.errno else "refused"
        fail(f"cannot listen on {host}:{port}: {why}. Choose another place with --listen HOST:PORT", USAGE)
    return sock
