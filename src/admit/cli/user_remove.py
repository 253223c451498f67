"""`admit user remove`: forget a person."""

import sys

import click

from admit.cli.ended import ACTOR, seconds, within
from admit.cli.output import USAGE, done, fail, harmless, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user_named import one
from admit.issuer import Issuer, Settings
from admit.issuer.accounts.records import User


@click.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@json_option
@settings_options
def remove(settings: Settings, user: str, yes: bool, as_json: bool) -> None:
    """Remove an account for good, by email or id, with all that is kept of the person.

    Every session and grant ends; name, address, claims, password, second factors, devices, consents and waiting mails
    are deleted. Records of the audit stay, without the addresses that the person came from; they name the id, which
    nobody gets again. The email address is free at once. To keep the account and only shut it: admit user disable USER
    """

    async def find(issuer: Issuer) -> User:
        return await one(issuer, user)

    found = with_issuer(settings, find)
    if not yes:
        if not sys.stdin.isatty():
            fail("no terminal to ask on: say --yes if the account is to be removed for good", USAGE)
        click.confirm(f"Remove {harmless(found.email_shown)} ({found.id}) for good?", abort=True, err=True)

    async def work(issuer: Issuer) -> int:
        return await issuer.remove_user(found.id, actor=ACTOR)

    ended = with_issuer(settings, work)
    if as_json:
        show_json(
            {"id": found.id, "removed": True, "ended": ended, "refused_within": seconds(settings)},
        )
    else:
        tail = f" {within(settings, 'their tokens')}" if ended else ""
        done(f"Removed {found.email_shown}; ended {ended} sessions and grants.{tail}")
