"""What every command that ends something shares: who does it, why, and how soon it is felt."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from admit.issuer import Settings
from admit.issuer.app.pages import browser
from admit.issuer.app.pages.catalogue import load
from admit.issuer.app.pages.language import ENGLISH

ACTOR = "command line"
_HYPHENED = re.compile(r"-(?:[A-Za-z0-9_-]{21}|[A-Za-z0-9_-]{42})", re.ASCII)


class TakesId(click.Command):
    """One in 64 ids begins with a hyphen: 22 characters of a session or grant, 43 of a key. It is an id all the same,
    and no option.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's own, with such an id set apart."""
        ids = [one for one in args if _HYPHENED.fullmatch(one)]
        others = [one for one in args if not _HYPHENED.fullmatch(one)]
        return super().parse_args(ctx, [*others, "--", *ids] if ids and "--" not in args else args)


def reason_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--reason`, kept in the audit."""
    return click.option(
        "--reason",
        default="ended by the command line",
        show_default=True,
        help="Why, for the audit: a few words, no secret.",
    )(command)


def seconds(settings: Settings) -> float:
    """The bound that verifiers of this deployment are set to."""
    return settings.revocation.max_staleness.total_seconds()


def within(settings: Settings, what: str = "its tokens") -> str:
    """The sentence that says how soon the end is felt. Cookies and refresh tokens are dead already."""
    return f"APIs refuse {what} within {seconds(settings):g} s."


def agent(user_agent: str | None) -> str:
    """The browser's name, never what it said of itself: that may be anything."""
    return browser.describe(load(ENGLISH), user_agent or "")


def when(at: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def stamp(at: float) -> str:
    """A time for programs."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def counted(n: int, what: str) -> str:
    """`1 session`, `2 sessions`."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
