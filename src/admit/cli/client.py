"""`admit client add|list|show|secret|remove|end|invite`."""

import json
import time
from typing import Any

import click
import msgspec

from admit.cli.client_add import add
from admit.cli.client_invite import invite
from admit.cli.ended import ACTOR, counted, reason_option, seconds, stamp, within
from admit.cli.output import MISSING, Listed, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user import CLI
from admit.issuer import Client, Issuer, Settings
from admit.issuer.clients.driver import KeptClient
from admit.issuer.clients.errors import ClientNotFoundError


@click.group(cls=Listed)
def client() -> None:
    """Clients: add, list, show, remove; secrets, invitations, grants."""


client.add_command(add)
client.add_command(invite)


@client.command("list")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="At most so many."
)
@click.option("--after", default="", metavar="ID", help="Go on after this client of the database.")
@json_option
@settings_options
def list_clients(settings: Settings, limit: int, after: str, as_json: bool) -> None:
    """List clients: those of the settings first, then those of the database, in the order of their ids."""

    async def work(issuer: Issuer) -> list[KeptClient]:
        return await issuer.services.clients.list(limit=limit, after=after)

    kept = with_issuer(settings, work)
    of_settings = [] if after else sorted(settings.client, key=lambda one: one.id)
    rows = [(one, "settings") for one in of_settings] + [(one.client, one.source.value) for one in kept]
    if as_json:
        show_json([{"client_id": one.id, "source": source, **as_dict(one)} for one, source in rows])
    elif not rows:
        done(
            "No clients." if not after else "No more clients.",
            then="admit client add --name NAME --redirect-uri URI",
        )
    else:
        show_table(
            ("ID", "NAME", "KIND", "FROM", "TRUSTED"),
            [
                (one.id, one.name, one.auth_method.value, source, "yes" if one.trusted else "no")
                for one, source in rows
            ],
        )
    if len(kept) == limit:
        click.echo(f"  next: admit client list --after={kept[-1].client.id}", err=True)


@client.command()
@click.argument("client")
@json_option
@settings_options
def show(settings: Settings, client: str, as_json: bool) -> None:
    """Show all that is known of a client, its secrets not among it: only their hashes are kept."""

    async def work(issuer: Issuer) -> tuple[Client | None, KeptClient | None]:
        of_settings = issuer.registry.client(client)
        return of_settings, (await issuer.services.clients.get(client) if of_settings is None else None)

    of_settings, kept = with_issuer(settings, work)
    found = of_settings if of_settings is not None else kept.client if kept is not None else None
    if found is None:
        raise ClientNotFoundError
    told: dict[str, Any] = {
        "client_id": found.id,
        "source": "settings" if kept is None else kept.source.value,
    }
    told |= as_dict(found) | {"secrets": len(found.secret_hashes)}
    if kept is not None:
        told |= {"created_at": stamp(kept.created_at), "updated_at": stamp(kept.updated_at)}
        told |= {"invited_by": kept.invited_by} if kept.invited_by is not None else {}
    if as_json:
        show_json(told)
    else:
        show_table(("SETTING", "VALUE"), [(name, plain(value)) for name, value in told.items()])


@client.command()
@click.argument("client")
@click.option("--drop-old", is_flag=True, help="Only the new one is good from now on.")
@json_option
@settings_options
def secret(settings: Settings, client: str, drop_old: bool, as_json: bool) -> None:
    """Make a new secret for a client of the database, and show it this once.

    The newest old one stays good beside it, so that the application can be moved without a pause. Then make the old one
    worthless: run this again with --drop-old, or at once where it was stolen.
    """

    async def work(issuer: Issuer) -> tuple[str, int]:
        if issuer.registry.client(client) is not None:
            fail("this client is in the settings: its secrets are changed there (secret_hashes)", MISSING)
        return await issuer.services.clients.new_secret(client, drop_old=drop_old, info=CLI, now=time.time())

    made, count = with_issuer(settings, work)
    if as_json:
        show_json({"client_id": client, "client_secret": made, "secrets": count})
        return
    done(
        f"{client} has a new secret. "
        + ("The one before it is good too." if count > 1 else "No other one is good."),
        then=f"admit client secret {client} --drop-old" if count > 1 else None,
    )
    click.echo(f"The secret, shown this once: {made}")


@client.command()
@click.argument("client")
@reason_option
@json_option
@settings_options
def remove(settings: Settings, client: str, reason: str, as_json: bool) -> None:
    """Remove a client from the database and end all that was ever granted to it. No node knows it from then on."""

    async def work(issuer: Issuer) -> int:
        if issuer.registry.client(client) is not None:
            fail(
                "this client is in the settings: take it out there, restart the nodes, then: admit client end",
                MISSING,
            )
        return await issuer.remove_client(client, reason=reason, actor=ACTOR)

    ended = with_issuer(settings, work)
    if as_json:
        show_json({"client": client, "removed": True, "ended": ended, "refused_within": seconds(settings)})
    else:
        tail = f" {within(settings, 'their tokens')}" if ended else ""
        done(f"Removed {client}; ended {counted(ended, 'grant')}.{tail}")


@client.command()
@click.argument("client")
@reason_option
@json_option
@settings_options
def end(settings: Settings, client: str, reason: str, as_json: bool) -> None:
    """End all that was ever granted to a client, whoever granted it, and void the codes on their way to it.

    The client may be used again at once: whoever is signed in can let it in again. Was its secret stolen? Replace the
    secret first (admit client secret CLIENT --drop-old), then run this. Is it to stay out? admit client remove CLIENT,
    or take it out of the settings, restart the nodes, then run this.
    """

    async def work(issuer: Issuer) -> int:
        return await issuer.end_client(client, reason=reason, actor=ACTOR)

    ended = with_issuer(settings, work)
    if as_json:
        show_json({"client": client, "ended": ended, "refused_within": seconds(settings)})
    elif ended:
        done(
            f"Ended {counted(ended, 'grant')} of {client}. {within(settings, 'their tokens')} "
            "The client may be granted new ones."
        )
    else:
        done(f"{client} has no live grants. The client may be granted new ones.")


def as_dict(one: Client) -> dict[str, Any]:
    """A client's settings for programs; no secret, and no hash of one."""
    members: dict[str, Any] = msgspec.to_builtins(one, order="deterministic")
    return {name: value for name, value in members.items() if name not in ("id", "secret_hashes")}


def plain(value: Any) -> str:
    """A value in one cell."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, dict):  # `*=orders:read clerk=orders:read,orders:move`, as options take it
        pairs = [
            f"{of}={','.join(its) if isinstance(its, list) else its if isinstance(its, str) else json.dumps(its)}"
            for of, its in value.items()
        ]
        return " ".join(pairs) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
