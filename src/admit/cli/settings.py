"""The options that every server command shares, and what they open."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

import click

from admit.cli.output import note_settings, told_errors
from admit.issuer import Issuer, Settings

T = TypeVar("T")


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config`, `--database` and `--dev`, which the command gets as one `settings`; told errors for all of it.

    Flags named `listen` and `issuer` are settings too.
    """

    @click.option(
        "--config", type=click.Path(dir_okay=False), help="Settings file. Default: admit.toml here, if any."
    )
    @click.option(
        "--database",
        metavar="URL",
        help="sqlite:///path or postgresql://… Default: SQLite, your data folder.",
    )
    @click.option("--dev", is_flag=True, help="Development on loopback http. Never for others' sign-ins.")
    @wraps(command)
    def wrapped(*args: Any, config: str | None, database: str | None, dev: bool, **kwargs: Any) -> Any:
        flags: dict[str, Any] = {"database": database, "dev": dev or None}
        for name in ("listen", "issuer"):
            flags[name] = kwargs.pop(name, None)
        note_settings(config=config, database=database, dev=dev)
        with told_errors():
            return command(*args, settings=Settings.load(config, flags=flags), **kwargs)

    return wrapped


def with_issuer(
    settings: Settings,
    work: Callable[[Issuer], Awaitable[T]],
    *,
    accept_older: bool = False,
    accept_other: bool = False,
) -> T:
    """Run `work` with an issuer whose database is open, but which serves nobody and runs no jobs.

    `accept_older`: also where the database went back in time. `accept_other`: also another issuer's database.
    """

    async def run() -> T:
        issuer = Issuer(settings)
        async with issuer.opened(accept_older=accept_older, accept_other=accept_other):
            return await work(issuer)

    return asyncio.run(run())
