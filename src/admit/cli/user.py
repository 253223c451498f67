"""`admit user add|import|list|set|disable|enable|remove|sign-out|reset-password|reset-second-factor|role|group`."""

import json
import re
import shlex
import sys
import time
from datetime import UTC, datetime

import click

from admit.cli.ended import ACTOR, counted, reason_option, seconds, within
from admit.cli.output import USAGE, Listed, done, fail, json_option, read_text, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user_import import import_users
from admit.cli.user_named import one
from admit.cli.user_remove import remove
from admit.cli.user_reset_password import reset_password
from admit.issuer import Ended, Issuer, Settings
from admit.issuer.accounts import claims as account_claims
from admit.issuer.accounts.errors import ClaimValueError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import Label
from admit.issuer.audit import RequestInfo

CLI = RequestInfo(user_agent="admit command line", actor=ACTOR)


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*", re.ASCII)


def typed(user: User) -> str:
    """How a user is named in a command that is shown to be copied: the address, unless it has what a shell or a command
    line would read otherwise (`a|b@example.com` is an address). Then the id, which is ours.
    """
    return user.email_shown if _PLAIN.fullmatch(user.email_shown) else user.id


@click.group(cls=Listed)
def user() -> None:
    """Accounts: add, import, list, disable, sign out; roles and groups."""


@user.command()
@click.argument("email")
@click.option("--name", required=True, help="What the person is called.")
@click.option("--role", "roles", multiple=True, help="A role; give it again for more.")
@click.option("--group", "groups", multiple=True, help="A group; give it again for more.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@json_option
@settings_options
def add(
    settings: Settings, email: str, name: str, roles: tuple[str, ...], groups: tuple[str, ...],
    password_stdin: bool, as_json: bool,
) -> None:  # fmt: skip
    """Add an account with a password.

    \b
    admit user add ada@example.com --name "Ada Lovelace" --role admin
    pwgen 20 1 | admit user add ada@example.com --name Ada --password-stdin

    The password is asked for, never taken as an argument: those show in the list of processes.
    """
    password = read_password(password_stdin)

    async def work(issuer: Issuer) -> User:
        return await issuer.services.accounts.add(
            email=email, name=name, password=password, roles=roles, groups=groups, info=CLI, now=time.time()
        )

    added = with_issuer(settings, work)
    if as_json:
        show_json(as_dict(added))
    else:
        done(f"Added {added.email_shown} as {added.id}.", then="admit user list")


@user.command("list")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="At most so many."
)
@click.option("--after", default="", metavar="EMAIL", help="Go on after this account.")
@json_option
@settings_options
def list_users(settings: Settings, limit: int, after: str, as_json: bool) -> None:
    """List accounts, in the order of their email addresses."""

    async def work(issuer: Issuer) -> list[User]:
        return await issuer.services.accounts.list(limit=limit, after=after.casefold())

    users = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(one) for one in users])
    elif not users:
        if after:
            done("No more accounts.")
        else:
            done("No accounts yet.", then="admit user add EMAIL --name NAME")
    else:
        show_table(
            ("EMAIL", "NAME", "ROLES", "STATE", "ID"),
            [
                (one.email_shown, one.name, ",".join(sorted(one.roles)) or "-", state(one), one.id)
                for one in users
            ],
        )
    if len(users) == limit:
        click.echo(f"  next: admit user list --after={shlex.quote(users[-1].email)}", err=True)


@user.command("set")
@click.argument("user")
@click.argument("claims", nargs=-1, required=True, metavar="NAME=VALUE...")
@json_option
@settings_options
def set_claims(settings: Settings, user: str, claims: tuple[str, ...], as_json: bool) -> None:
    """Set what applications may learn about a user, by email or id: standard claims of OpenID Connect.

    \b
    admit user set ada@example.com given_name=Ada family_name=Lovelace
    admit user set ada@example.com address.locality=London address.country=UK
    admit user set ada@example.com phone_number="+44 20 7946 0000" phone_number_verified=true
    admit user set ada@example.com nickname=

    A name without a value takes that claim away. An application learns a claim only by the scopes that it was granted:
    profile, address, phone. Nobody is signed out.
    """
    changes = dict(map(read_claim, claims))
    if len(changes) != len(claims):
        fail("a claim is named twice", USAGE)

    async def work(issuer: Issuer) -> User:
        found = await one(issuer, user)
        return await issuer.services.accounts.set_claims(found.id, changes, info=CLI, now=time.time())

    try:
        found = with_issuer(settings, work)
    except ClaimValueError as error:
        fail(
            f"{error.claim}: not a value for it" if error.claim else f"known claims: {', '.join(SETTABLE)}",
            USAGE,
        )
    if as_json:
        show_json(as_dict(found))
    else:
        done(f"Changed {found.email_shown}.", then="admit user list --json")


SETTABLE = (
    "name",
    "locale",
    *sorted(account_claims.KEPT - {"address"}),
    *(f"address.{member}" for member in account_claims.ADDRESS_MEMBERS),
)
"""What `admit user set` takes."""


def read_claim(argument: str) -> tuple[str, object]:
    """A name and its new value, None to take it away."""
    name, equals, value = argument.partition("=")
    if not equals or name not in SETTABLE:
        fail(f"want NAME=VALUE; known claims: {', '.join(SETTABLE)}", USAGE)
    if name in account_claims.FLAGS and value:
        if value not in ("true", "false"):
            fail(f"{name}: want true or false", USAGE)
        return name, value == "true"
    return name, value or None


@user.command()
@click.argument("user")
@json_option
@settings_options
def disable(settings: Settings, user: str, as_json: bool) -> None:
    """Disable an account, by email or id, and end all its sessions and tokens.

    Cookies and refresh tokens are dead at once; access tokens are refused by every API within its stated bound.
    """

    async def work(issuer: Issuer) -> tuple[User, int]:
        found = await one(issuer, user)
        return found, await issuer.services.accounts.disable(found.id, info=CLI, now=time.time())

    found, ended = with_issuer(settings, work)
    if as_json:
        show_json(
            {
                "id": found.id, "email": found.email_shown, "disabled": True, "ended": ended,
                "refused_within": seconds(settings),
            }
        )  # fmt: skip
    else:
        done(
            f"Disabled {found.email_shown}; ended {ended} sessions and grants."
            + (f" {within(settings, 'their tokens')}" if ended else ""),
            then=f"admit user enable {typed(found)}",
        )


@user.command()
@click.argument("user")
@json_option
@settings_options
def enable(settings: Settings, user: str, as_json: bool) -> None:
    """Let a disabled account sign in again. What was ended stays ended."""

    async def work(issuer: Issuer) -> User:
        found = await one(issuer, user)
        await issuer.services.accounts.enable(found.id, info=CLI, now=time.time())
        return found

    found = with_issuer(settings, work)
    if as_json:
        show_json({"id": found.id, "email": found.email_shown, "disabled": False})
    else:
        done(f"Enabled {found.email_shown}.", then="admit user list")


@user.command("sign-out")
@click.argument("user")
@click.option("--everywhere", is_flag=True, help="Also end what was granted for the time the user is away.")
@reason_option
@json_option
@settings_options
def sign_out(settings: Settings, user: str, everywhere: bool, reason: str, as_json: bool) -> None:
    """End all sessions of a user, by email or id, and every application that they let in.

    With --everywhere nothing of the user is left: offline grants end too. The user may sign in again at once; to
    prevent that: admit user disable USER
    """

    async def work(issuer: Issuer) -> tuple[User, Ended, int]:
        found = await one(issuer, user)
        ended = await issuer.end_sessions(found.id, everywhere=everywhere, reason=reason, actor=ACTOR)
        left = await issuer.services.families.list(found.id, time.time())
        return found, ended, len(left)

    found, ended, left = with_issuer(settings, work)
    if as_json:
        show_json(
            {
                "id": found.id, "email": found.email_shown, "sessions": ended.sessions, "grants": ended.grants,
                "left": left, "refused_within": seconds(settings),
            }
        )  # fmt: skip
        return
    told = counted(ended.sessions, "session") + (
        f" and {counted(ended.grants, 'offline grant')}" if everywhere else ""
    )
    said = f"Ended {told} of {found.email_shown}."
    if ended.total:
        said += f" {within(settings, 'their tokens')}"
    if left:
        done(
            f"{said} {counted(left, 'offline grant')} left.",
            then=f"admit user sign-out {typed(found)} --everywhere",
        )
    else:
        done(said)


@user.command("reset-second-factor")
@click.argument("user")
@json_option
@settings_options
def reset_second_factor(settings: Settings, user: str, as_json: bool) -> None:
    """Take away a user's authenticator apps and recovery codes, by email or id, and end all sessions and grants.

    For who has lost them all: the password alone signs in again, or leads to adding a new app where one is required. Be
    sure who asks: this is what somebody wants who has stolen the password. The user is told by mail.
    """

    async def work(issuer: Issuer) -> tuple[User, int | None]:
        found = await one(issuer, user)
        ended = await issuer.services.factors.reset(found.id, info=CLI, now=time.time())
        await issuer.settle()
        return found, ended

    found, ended = with_issuer(settings, work)
    if as_json:
        show_json(
            {
                "id": found.id, "email": found.email_shown, "reset": ended is not None, "ended": ended or 0,
                "refused_within": seconds(settings),
            }
        )  # fmt: skip
    elif ended is None:
        done(f"{found.email_shown} has no second factor.")
    else:
        tail = f" {within(settings, 'their tokens')}" if ended else ""
        done(f"Reset the second factor of {found.email_shown}; ended {ended} sessions and grants.{tail}")


def label_group(label: Label) -> click.Group:
    """`admit user role` and `admit user group`, which differ in what they give."""
    what = label.value

    @click.group(what, cls=Listed, help=f"Give a user a {what}, or take it.")
    def group() -> None: ...

    @group.command("add", help=_ADD.format(what=what))
    @click.argument("user")
    @click.argument(what)
    @json_option
    @settings_options
    def add_one(settings: Settings, user: str, as_json: bool, **named: str) -> None:
        change(settings, label, user, named[what], give=True, as_json=as_json)

    @group.command("remove", help=_REMOVE.format(what=what))
    @click.argument("user")
    @click.argument(what)
    @json_option
    @settings_options
    def remove_one(settings: Settings, user: str, as_json: bool, **named: str) -> None:
        change(settings, label, user, named[what], give=False, as_json=as_json)

    return group


_ADD = """Give a {what} to a user, by email or id.

The user's sessions end, since no session keeps its id through a rise in privilege: who signs in again has it. Offline
grants live on, and have it at their next refresh; but those of a new operator (admit:admin) end too.
"""
_REMOVE = """Take a {what} from a user, by email or id, and end every session and grant of the user.

Tokens say what their user was when they were made, so those that are left are refused as after a sign-out.
"""


def change(settings: Settings, label: Label, user: str, name: str, *, give: bool, as_json: bool) -> None:
    """Give or take, and tell."""

    async def work(issuer: Issuer) -> tuple[User, int | None]:
        found, accounts = await one(issuer, user), issuer.services.accounts
        steps = {
            (Label.ROLE, True): accounts.add_role,
            (Label.ROLE, False): accounts.remove_role,
            (Label.GROUP, True): accounts.add_group,
            (Label.GROUP, False): accounts.remove_group,
        }
        return found, await steps[label, give](found.id, name, info=CLI, now=time.time())

    found, ended = with_issuer(settings, work)
    what, shown = label.value, json.dumps(name, ensure_ascii=False)
    if as_json:
        show_json(
            {
                "id": found.id, "email": found.email_shown, what: name, "given": give,
                "changed": ended is not None, "ended": ended or 0, "refused_within": seconds(settings),
            }
        )  # fmt: skip
    elif ended is None:
        done(
            f"{found.email_shown} {'has the' if give else 'has no'} {what} {shown}{' already' if give else ''}."
        )
    else:
        did = (
            f"Gave {found.email_shown} the {what} {shown}"
            if give
            else f"Took the {what} {shown} from {found.email_shown}"
        )
        tail = f" {within(settings, 'their tokens')}" if ended else ""
        done(f"{did}; ended {ended} sessions and grants.{tail}", then="admit user list")


user.add_command(import_users)
user.add_command(remove)
user.add_command(reset_password)
user.add_command(label_group(Label.ROLE))
user.add_command(label_group(Label.GROUP))


def read_password(from_stdin: bool) -> str:
    """The password: a line of standard input, or typed twice unseen."""
    if from_stdin:
        line = read_text(65_536, line=True)
        if not line:
            fail("no password on standard input", USAGE)
        return line.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        fail("no terminal to ask for a password on: use --password-stdin", USAGE)
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def state(one: User) -> str:
    """One word."""
    return "disabled" if one.is_disabled else "active"


def as_dict(one: User) -> dict[str, object]:
    """An account for programs; no hash, no credential."""
    return {
        "id": one.id,
        "email": one.email_shown,
        "name": one.name,
        "roles": sorted(one.roles),
        "groups": sorted(one.groups),
        "locale": one.locale,
        "claims": dict(one.claims),
        "state": state(one),
        "created_at": datetime.fromtimestamp(one.created_at, UTC).isoformat(timespec="seconds"),
    }
