"""`admit serve` and `admit migrate`."""

import asyncio
import contextlib
import gc
import math
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import click
import uvicorn

from admit.cli import connections, tls
from admit.cli.http import BoundedProtocol
from admit.cli.logs import configure
from admit.cli.output import USAGE, done, fail
from admit.cli.server import QuietServer, Server
from admit.cli.settings import settings_options
from admit.issuer import Issuer, Settings
from admit.issuer.app import operators
from admit.issuer.app.config import ServeConfig
from admit.issuer.revocation import descriptors

_BESIDE = ServeConfig(stop_within=timedelta(seconds=1))
_MOST_BESIDE = 64


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
    Is all well with it? Ask `admit doctor`.
    """
    configure(settings.log)
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


def run(issuer: Issuer, settings: Settings) -> None:
    """Bind first, so that a taken port is told in one line before anything else has happened."""
    secured = tls.context(settings.tls) if settings.tls.cert else None
    sock = bind(*settings.address)
    config = configuration(issuer.asgi, settings.serve, secured)
    server = Server(
        config,
        stopping=issuer.announce_stop,
        announce=settings.serve.announce,
        most=connections.bearable(settings.serve.connections, descriptors.limit()),
    )
    beside = _beside(issuer, settings)

    async def main() -> None:
        async with issuer.lifespan(), _also(beside), _renewed(secured, settings):
            gc.freeze()  # what the start made stays until the end: no search for garbage goes through it
            click.echo(f"Admit serves {settings.issuer}")
            await server.serve(sockets=[sock])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(main())


def configuration(
    app: Callable[..., Awaitable[None]], serve: ServeConfig, secured: ssl.SSLContext | None
) -> uvicorn.Config:
    """What uvicorn is told. No proxy headers: who may speak for others is `proxy.trusted`, and we read it ourselves."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(serve.keep_alive.total_seconds()),  # never shorter than was said
        timeout_graceful_shutdown=serve.stop_within.total_seconds(),  # type: ignore[arg-type]  # to asyncio.wait_for
    )
    config.load()
    config.ssl = secured
    return config


def _beside(issuer: Issuer, settings: Settings) -> tuple[QuietServer, socket.socket] | None:
    """The listener for operators, bound but not served yet."""
    if not settings.metrics.listen:
        return None
    app = operators.application(issuer)
    sock = bind(*settings.metrics.address, setting="metrics.listen")
    return QuietServer(configuration(app, _BESIDE, None), most=_MOST_BESIDE), sock


@contextlib.asynccontextmanager
async def _also(beside: tuple[QuietServer, socket.socket] | None) -> AsyncIterator[None]:
    """Serve operators for as long as the issuer is served, its stopping included."""
    if beside is None:
        yield
        return
    server, sock = beside
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def _renewed(secured: ssl.SSLContext | None, settings: Settings) -> AsyncIterator[None]:
    if secured is None:
        yield
        return
    task = asyncio.create_task(tls.keep(secured, settings.tls))
    try:
        yield
    finally:
        task.cancel()


def bind(host: str, port: int, *, setting: str = "--listen") -> socket.socket:
    """A listening socket, or one line that says why there is none."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        why = os.strerror(error.errno) if error.errno else "refused"
        fail(f"cannot listen on {host}:{port}: {why}. Choose another place with {setting} HOST:PORT", USAGE)
    return sock
