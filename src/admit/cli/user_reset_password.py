"""`admit user reset-password`: a link to hand over, by which a person sets a new password."""

import time

import click

from admit.cli.ended import ACTOR, seconds, stamp, when, within
from admit.cli.output import REFUSED, done, fail, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user_named import one
from admit.issuer import Issuer, Settings
from admit.issuer.accounts.links import HandedLink
from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo


@click.command("reset-password")
@click.argument("user")
@click.option(
    "--stolen",
    is_flag=True,
    help="Somebody else knows the password: take it away now, and end all sessions and grants.",
)
@json_option
@settings_options
def reset_password(settings: Settings, user: str, stolen: bool, as_json: bool) -> None:
    """Make a link by which a user sets a new password, by email or id. Hand it over yourself: no mail is sent.

    The link is good once, for accounts.reset_link. Whoever has it has the account but for its second factor: be sure
    who asks, and give it to nobody else. Until it is used the old password works, unless it was --stolen. Using it ends
    all sessions and grants, and signs nobody in.
    """

    async def work(issuer: Issuer) -> tuple[User, HandedLink]:
        found = await one(issuer, user)
        if found.is_disabled:
            fail(
                f"{found.email_shown} is disabled, and no password lets in: admit user enable first", REFUSED
            )
        handed = await issuer.services.links.hand_over(
            found.id,
            void=stolen,
            info=RequestInfo(user_agent="admit command line", actor=ACTOR),
            now=time.time(),
        )
        await issuer.settle()
        return found, handed

    found, handed = with_issuer(settings, work)
    if as_json:
        show_json(
            {
                "id": found.id, "email": found.email_shown, "link": handed.link,
                "expires_at": stamp(handed.expires_at), "stolen": stolen, "ended": handed.ended,
                "refused_within": seconds(settings),
            }
        )  # fmt: skip
        return
    if stolen:
        tail = f" {within(settings, 'their tokens')}" if handed.ended else ""
        done(
            f"Took the password of {found.email_shown} away; ended {handed.ended} sessions and grants.{tail}"
        )
    done(f"Made a link for {found.email_shown}, good once until {when(handed.expires_at)}. No mail was sent.")
    click.echo(f"Hand it over yourself, it is shown this once: {handed.link}")
