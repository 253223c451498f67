"""`admit session list|end`."""

import time

import click

from admit.cli.ended import ACTOR, TakesId, agent, reason_option, seconds, stamp, when, within
from admit.cli.output import MISSING, Listed, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user_named import one
from admit.issuer import Issuer, Settings
from admit.issuer.accounts.records import User
from admit.issuer.sessions.records import SessionEntry


@click.group(cls=Listed)
def session() -> None:
    """Sessions of browsers: list a user's, end one."""


@session.command("list")
@click.argument("user")
@json_option
@settings_options
def list_sessions(settings: Settings, user: str, as_json: bool) -> None:
    """List where a user is signed in, by email or id, the session used last first.

    The ids are those that tokens and logs name as `sid`. What is in the cookie is stored nowhere and never shown.
    """

    async def work(issuer: Issuer) -> tuple[User, list[SessionEntry]]:
        found = await one(issuer, user)
        return found, await issuer.services.sessions.list(found.id, time.time())

    found, entries = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(entry) for entry in entries])
    elif not entries:
        done(f"{found.email_shown} is signed in nowhere.")
    else:
        show_table(
            ("ID", "BROWSER", "FROM", "SIGNED IN", "SEEN"),
            [
                (entry.id, agent(entry.user_agent), entry.ip or "-", when(entry.created_at), when(entry.last_seen_at))
                for entry in entries
            ],
        )  # fmt: skip
        click.echo("  next: admit session end ID", err=True)


@session.command(cls=TakesId)
@click.argument("id")
@reason_option
@json_option
@settings_options
def end(settings: Settings, id: str, reason: str, as_json: bool) -> None:
    """End one session, and every application that it let in. What was granted for the time away goes on.

    To end all of a user's: admit user sign-out USER
    """

    async def work(issuer: Issuer) -> bool:
        return await issuer.end_session(id, reason=reason, actor=ACTOR)

    if not with_issuer(settings, work):
        fail("there is no such session, or it is over already. See: admit session list USER", MISSING)
    if as_json:
        show_json({"session": id, "ended": True, "refused_within": seconds(settings)})
    else:
        done(f"Ended session {id} and all that hung from it. {within(settings)}")


def as_dict(entry: SessionEntry) -> dict[str, object]:
    """A session for programs."""
    return {
        "id": entry.id,
        "user_agent": entry.user_agent,
        "ip": entry.ip,
        "created_at": stamp(entry.created_at),
        "last_seen_at": stamp(entry.last_seen_at),
        "expires_at": stamp(entry.expires_at),
    }
