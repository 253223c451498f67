"""`admit client invite add|list|remove`: initial access tokens, RFC 7591 §3."""

import time
from dataclasses import replace
from typing import Any

import click

from admit.cli.ended import stamp, when
from admit.cli.output import MISSING, Listed, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user import CLI
from admit.issuer import Issuer, Settings
from admit.issuer.app.durations import parse_duration
from admit.issuer.clients.policy import Policy
from admit.issuer.clients.registration import MAX_INVITED, Invite, Registration


@click.group(cls=Listed)
def invite() -> None:
    """Invitations for clients to register themselves: make one, list, remove.

    An invitation is an initial access token. Who registers with one is trusted, as far as it goes.
    """


@invite.command()
@click.option(
    "--uses", default=1, show_default=True, type=click.IntRange(1, MAX_INVITED), help="How many clients."
)
@click.option("--expires", default="1d", show_default=True, help="How long it is good, such as 2h or 30d.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope that they may have, instead of the settings'; again for more.",
)
@click.option(
    "--grant-type",
    "grant_types",
    multiple=True,
    help="A grant type, instead of the settings'; again for more.",
)
@click.option(
    "--resource", "resources", multiple=True, help="An API, instead of the settings'; again for more."
)
@click.option(
    "--redirect-host", "hosts", multiple=True, help="A host that redirect URIs may have; again for more."
)
@click.option("--no-pkce", is_flag=True, help="Let clients that have a secret do without PKCE.")
@json_option
@settings_options
def add(
    settings: Settings, uses: int, expires: str, scopes: tuple[str, ...], grant_types: tuple[str, ...],
    resources: tuple[str, ...], hosts: tuple[str, ...], no_pkce: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make an invitation, and show its token this once."""
    if not settings.registration.enabled:
        fail("registration is off: set registration.enabled = true, and restart the nodes", MISSING)
    lifetime = parse_duration(expires, name="--expires")
    policy = Policy.of_registration(settings.registration, trusted=True)
    changes: dict[str, Any] = {
        "scopes": frozenset(scopes), "grant_types": frozenset(grant_types),
        "resources": frozenset(resources), "redirect_hosts": frozenset(hosts),
    }  # fmt: skip
    policy = replace(policy, **{name: value for name, value in changes.items() if value})
    if no_pkce:
        policy = replace(policy, require_pkce=False)

    async def work(issuer: Issuer) -> tuple[str, Invite]:
        return await registration_of(issuer).invite(
            uses=uses, lifetime=lifetime, policy=policy, info=CLI, now=time.time()
        )

    token, made = with_issuer(settings, work)
    if as_json:
        show_json({**as_dict(made), "initial_access_token": token})
        return
    done(
        f"Made {made.id}, good for {uses} until {when(made.expires_at)}.",
        then=f"admit client invite remove {made.id}",
    )
    click.echo(f"The initial access token, shown this once: {token}")


@invite.command("list")
@json_option
@settings_options
def list_invites(settings: Settings, as_json: bool) -> None:
    """List the invitations that have not expired. Their tokens are known nowhere here."""

    async def work(issuer: Issuer) -> list[Invite]:
        return await registration_of(issuer).invites(time.time())

    found = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(one) for one in found])
    elif not found:
        done("No invitations.", then="admit client invite add")
    else:
        show_table(
            ("ID", "LEFT", "UNTIL", "SCOPES"),
            [
                (one.id, str(one.uses_left), when(one.expires_at), " ".join(sorted(one.policy.scopes)) or "-")
                for one in found
            ],
        )


@invite.command()
@click.argument("id")
@json_option
@settings_options
def remove(settings: Settings, id: str, as_json: bool) -> None:
    """Let nobody register by an invitation any more. The clients that did stay."""

    async def work(issuer: Issuer) -> bool:
        return await registration_of(issuer).remove_invite(id, info=CLI, now=time.time())

    if not with_issuer(settings, work):
        fail("there is no such invitation. See: admit client invite list", MISSING)
    if as_json:
        show_json({"id": id, "removed": True})
    else:
        done(f"Removed {id}.", then="admit client list")


def registration_of(issuer: Issuer) -> Registration:
    """What `/clients` does, for a command."""
    return Registration(issuer.db, issuer.registry, issuer.settings.registration)


def as_dict(one: Invite) -> dict[str, Any]:
    """An invitation for programs, without its token."""
    policy = one.policy
    return {
        "id": one.id, "uses_left": one.uses_left, "created_at": stamp(one.created_at),
        "expires_at": stamp(one.expires_at), "scopes": sorted(policy.scopes),
        "grant_types": sorted(policy.grant_types), "resources": sorted(policy.resources),
        "redirect_hosts": sorted(policy.redirect_hosts), "require_pkce": policy.require_pkce,
    }  # fmt: skip
