"""`admit resource add|list|show|remove`."""

import time
from typing import Any

import click
import msgspec

from admit.cli.client import plain
from admit.cli.client_add import setting
from admit.cli.output import MISSING, USAGE, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user import CLI
from admit.issuer import Issuer, Resource, Settings
from admit.issuer.app import settings_file
from admit.issuer.app.jobs import RESOURCES_EVERY
from admit.issuer.clients.rules import hash_secret, new_secret

KNOWN = f"Every node knows within {RESOURCES_EVERY:g} s."


@click.group()
def resource() -> None:
    """Resources, which are APIs that take tokens: add, list, show, remove."""


@resource.command()
@click.argument("id")
@click.option("--name", required=True, help="What people are shown.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE=TEXT",
    help="A scope, and what it means in plain words.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=SCOPE",
    help="Holders of the role may have the scope; * is everybody.",
)
@click.option("--secret", "with_secret", is_flag=True, help="It may introspect tokens and look sessions up.")
@click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="Any other setting of [[resource]].")
@json_option
@settings_options
def add(
    settings: Settings, id: str, name: str, scopes: tuple[str, ...], roles: tuple[str, ...], with_secret: bool,
    more: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Add an API to the database. ID is its audience, an https URL.

    \b
    admit resource add https://api.example.com --name Orders \\
        --scope orders:read="See your orders" --role "*=orders:read"
    """
    raw: dict[str, Any] = dict(map(setting, more))
    raw.update(id=id, name=name)
    if scopes:
        raw["scopes"] = dict(pair(text, "--scope") for text in scopes)
    if roles:
        of_roles: dict[str, list[str]] = {}
        for role, scope in (pair(text, "--role") for text in roles):
            of_roles.setdefault(role, []).append(scope)
        raw["roles"] = of_roles
    secret = new_secret() if with_secret else None
    if secret is not None:
        raw["secret_hash"] = hash_secret(secret).hex()
    made: Resource = settings_file.build(Resource, raw, where="resource.")

    async def work(issuer: Issuer) -> bool:
        return await issuer.services.clients.add_resource(made, info=CLI, now=time.time())

    if not with_issuer(settings, work):
        fail("this id is taken. See: admit resource list", USAGE)
    if as_json:
        show_json({"id": made.id, "name": made.name} | ({"secret": secret} if secret else {}))
        return
    done(f"Added {made.name} as {made.id}. {KNOWN}", then="admit resource list")
    if secret is not None:
        click.echo(f"Its secret, shown this once: {secret}")


@resource.command("list")
@json_option
@settings_options
def list_resources(settings: Settings, as_json: bool) -> None:
    """List the APIs of the settings and of the database."""
    found = with_issuer(settings, everything)
    if as_json:
        show_json([as_dict(one, source) for one, source in found])
    elif not found:
        done("No resources.", then="admit resource add URL --name NAME")
    else:
        show_table(
            ("ID", "NAME", "SCOPES", "FROM"),
            [(one.id, one.name, " ".join(sorted(one.scopes)) or "-", source) for one, source in found],
        )


@resource.command()
@click.argument("id")
@json_option
@settings_options
def show(settings: Settings, id: str, as_json: bool) -> None:
    """Show all that is known of an API, without its secret: only the hash of it is kept."""
    found = next(((one, source) for one, source in with_issuer(settings, everything) if one.id == id), None)
    if found is None:
        fail("there is no such resource. See: admit resource list", MISSING)
    told = as_dict(*found)
    if as_json:
        show_json(told)
    else:
        show_table(("SETTING", "VALUE"), [(name, plain(value)) for name, value in told.items()])


@resource.command()
@click.argument("id")
@json_option
@settings_options
def remove(settings: Settings, id: str, as_json: bool) -> None:
    """Remove an API from the database: no token is made for it any more. Those that are out end within their life."""

    async def work(issuer: Issuer) -> bool:
        if issuer.registry.is_of_settings(id):
            fail("this resource is in the settings: take it out there, and restart the nodes", MISSING)
        return await issuer.services.clients.remove_resource(id, info=CLI, now=time.time())

    if not with_issuer(settings, work):
        fail("there is no such resource. See: admit resource list", MISSING)
    if as_json:
        show_json({"id": id, "removed": True})
    else:
        done(f"Removed {id}. {KNOWN}")


async def everything(issuer: Issuer) -> list[tuple[Resource, str]]:
    """All resources, each with where it comes from."""
    registry = issuer.registry
    return [
        (one, "settings" if registry.is_of_settings(one.id) else "database") for one in registry.resources()
    ]


def pair(text: str, option: str) -> tuple[str, str]:
    """The two sides of `a=b`."""
    left, equals, right = text.partition("=")
    if not equals or not left or not right:
        raise click.UsageError(f"{option} wants two sides with = between them")
    return left, right


def as_dict(one: Resource, source: str) -> dict[str, Any]:
    """A resource for programs; neither its secret nor the hash of it."""
    members: dict[str, Any] = msgspec.to_builtins(one, order="deterministic", enc_hook=dict)
    told = {name: value for name, value in members.items() if name != "secret_hash"}
    return {**told, "secret": one.secret_hash is not None, "source": source}
