"""`admit grant list|end`."""

import time

import click

from admit.cli.ended import ACTOR, TakesId, reason_option, seconds, stamp, when, within
from admit.cli.output import MISSING, Listed, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user_named import one
from admit.issuer import Issuer, Settings
from admit.issuer.grants.records import Family


@click.group(cls=Listed)
def grant() -> None:
    """Grants: what users let applications do. List them, end one."""


@grant.command("list")
@click.argument("user", required=False)
@click.option("--client", help="All of this client, whoever gave them.")
@json_option
@settings_options
def list_grants(settings: Settings, user: str | None, client: str | None, as_json: bool) -> None:
    """List the live grants of a user, by email or id, or of a client, the newest first and at most 500.

    An online grant ends with its session; an offline one goes on while the user is away.
    """
    if (user is None) == (client is None):
        raise click.UsageError("name a user, or a client with --client")

    async def work(issuer: Issuer) -> list[Family]:
        now, families = time.time(), issuer.services.families
        if client is not None:
            await issuer.services.clients.check_known(client)
            return await families.of_client(client, now)
        assert user is not None
        return await families.list((await one(issuer, user)).id, now)

    found = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(family) for family in found])
    elif not found:
        done("No live grants.")
    else:
        show_table(
            ("ID", "CLIENT", "USER", "KIND", "SCOPE", "SINCE", "USED"),
            [
                (
                    family.id, family.client_id, family.user_id or "-", kind(family),
                    " ".join(sorted(family.scope)) or "-", when(family.created_at), when(family.used_at),
                )
                for family in found
            ],
        )  # fmt: skip
        click.echo("  next: admit grant end ID", err=True)


@grant.command(cls=TakesId)
@click.argument("id")
@reason_option
@json_option
@settings_options
def end(settings: Settings, id: str, reason: str, as_json: bool) -> None:
    """End one grant with its refresh token and access tokens. The user stays signed in.

    To end all of a client's: admit client end CLIENT
    """

    async def work(issuer: Issuer) -> bool:
        return await issuer.end_grant(id, reason=reason, actor=ACTOR)

    if not with_issuer(settings, work):
        fail("there is no such grant, or it is over already. See: admit grant list USER", MISSING)
    if as_json:
        show_json({"grant": id, "ended": True, "refused_within": seconds(settings)})
    else:
        done(f"Ended grant {id}. {within(settings)}")


def kind(family: Family) -> str:
    """One word."""
    return "offline" if family.offline else "online"


def as_dict(family: Family) -> dict[str, object]:
    """A grant for programs; no token, and nothing that one is made of."""
    return {
        "id": family.id,
        "client": family.client_id,
        "user": family.user_id,
        "kind": kind(family),
        "session": None if family.offline else family.session_id,
        "scope": sorted(family.scope),
        "audience": family.audience,
        "created_at": stamp(family.created_at),
        "used_at": stamp(family.used_at),
        "expires_at": stamp(family.expires_at),
    }
