"""`admit user import`: accounts from another system."""

import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, BinaryIO

import click

from admit.cli.ended import ACTOR, counted
from admit.cli.output import REFUSED, USAGE, done, fail, harmless, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.issuer import Issuer, Settings
from admit.issuer.accounts.foreign import FirebaseProject
from admit.issuer.accounts.importing import Importer, Refused, Summary
from admit.issuer.audit import RequestInfo

CLI = RequestInfo(user_agent="admit command line", actor=ACTOR)
TOLD = 1_000  # refused lines that are kept for --json; all of them are counted


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Read and check everything, and write nothing.")
@click.option("--update", is_flag=True, help="Change accounts that are there to what the file says.")
@click.option(
    "--firebase",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The password hash parameters of a Firebase project, as JSON: password_hash and password_salt are Firebase's.",
)
@json_option
@settings_options
def import_users(
    settings: Settings, file: str, dry_run: bool, update: bool, firebase: str | None, as_json: bool
) -> None:
    """Make accounts of the lines of FILE: JSON lines, or CSV whose first line names the fields. - is standard input.

    \b
    {"email": "ada@example.com", "name": "Ada", "password_hash": "$2b$12$…", "email_verified": true}

    Fields: email, name, locale, email_verified, disabled, roles, groups, password_hash; password_salt for Firebase;
    credential_data and secret_data for Keycloak. Hashes: Argon2, bcrypt, scrypt and PBKDF2, in the spellings of
    passlib, Django, Werkzeug and the PHC format. Each is checked at its owner's first sign-in, and replaced then.

    Whoever is there already is left alone, so that an import that was cut short is begun again as it was. Lines that
    are refused are told with their number; the others are imported all the same.
    """
    again = shlex.join(
        ["admit", "user", "import", file]
        + (["--update"] if update else [])
        + (["--firebase", firebase] if firebase is not None else [])
    )
    project = FirebaseProject.load(firebase) if firebase is not None else None
    refused: list[dict[str, Any]] = []

    def tell(one: Refused) -> None:
        if not as_json:
            click.echo(harmless(f"line {one.line}: {one.why}"), err=True)
        elif len(refused) < TOLD:
            refused.append(asdict(one))

    with ExitStack() as opened:
        stream = open_file(file, opened)

        async def work(issuer: Issuer) -> Summary:
            importer = Importer(
                issuer.db, issuer.services.lists, update=update, dry_run=dry_run, firebase=project
            )
            try:
                return await importer.run(stream, tell=tell, info=CLI, now=time.time())
            except BaseException:
                if not as_json and importer.summary != Summary():
                    done(f"Cut short. {told(importer.summary, dry_run=dry_run)}", then=again)
                raise

        summary = with_issuer(settings, work)
    if as_json:
        show_json({"dry_run": dry_run, **asdict(summary), "lines": refused})
    else:
        done(told(summary, dry_run=dry_run), then=again if dry_run or summary.refused else None)
    if summary.refused:
        raise SystemExit(REFUSED)


def open_file(name: str, opened: ExitStack) -> BinaryIO:
    """The file as octets, open until `opened` is left."""
    if name != "-":
        return opened.enter_context(open(name, "rb"))
    if sys.stdin is None:
        fail("standard input is closed", USAGE)
    return sys.stdin.buffer


def told(summary: Summary, *, dry_run: bool) -> str:
    """What was done, or would be, in one line."""
    made, changed, left = ("Would make", "change", "leave") if dry_run else ("Made", "changed", "left")
    parts = [f"{made} {counted(summary.made, 'account')}"]
    if summary.without_password:
        parts[0] += f" ({summary.without_password} without a password)"
    if summary.updated:
        parts.append(f"{changed} {summary.updated}")
    if summary.skipped:
        as_were = "is there as it was" if summary.skipped == 1 else "are there as they were"
        parts.append(f"{left} {summary.skipped} that {as_were}")
    if summary.refused:
        parts.append(f"refused {counted(summary.refused, 'line')}")
    return ", ".join(parts) + "."
