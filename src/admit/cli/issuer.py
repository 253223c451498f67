"""`admit issuer rename`: the database of one name, served under another."""

import time

import click

from admit.cli.output import Listed, done, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.issuer import Issuer, Settings
from admit.issuer.app.renaming import rename as rename_issuer


@click.group(cls=Listed)
def issuer() -> None:
    """The issuer's identifier: the URL that people and applications know it by."""


@issuer.command()
@json_option
@settings_options
def rename(settings: Settings, as_json: bool) -> None:
    """Have the database belong to the issuer that the settings name, under whatever name it was made.

    A database belongs to the issuer that opened it first, and Admit starts with no other: so the users and keys of two
    projects on one machine never mix. Where it is the same issuer under another URL, stop every process of it, set the
    new one, and run this.

    Users, clients and keys stay. Tokens that were issued keep the older name, so APIs that trust the new one refuse
    them; applications and APIs are to be told the new name.
    """

    async def work(opened: Issuer) -> str | None:
        return await opened.db.run(rename_issuer, settings.issuer, now=time.time())

    was = with_issuer(settings, work, accept_other=True)
    if as_json:
        show_json({"issuer": settings.issuer, "was": was})
    elif was == settings.issuer:
        done(f"It is the database of {settings.issuer} already.", then="admit serve")
    else:
        before = f", and was that of {was}" if was is not None else ""
        done(f"This is the database of {settings.issuer} now{before}.", then="admit serve")
