"""`admit resource add|list|show|set|remove`."""

import time
from dataclasses import replace
from typing import Any

import click
import msgspec

from admit.cli.client import plain
from admit.cli.client_add import setting
from admit.cli.output import MISSING, USAGE, Listed, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user import CLI
from admit.errors import ConfigError
from admit.issuer import Issuer, Resource, Settings
from admit.issuer.app import settings_file
from admit.issuer.app.jobs import RESOURCES_EVERY
from admit.issuer.clients.rules import hash_secret, new_secret

KNOWN = f"Every node knows within {RESOURCES_EVERY:g} s."


@click.group(cls=Listed)
def resource() -> None:
    """Resources, APIs that take tokens: add, list, show, set, remove."""


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
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="CLIENT=SCOPE",
    help="The client may have the scope in its own name (client_credentials); again for more.",
)
@click.option("--secret", "with_secret", is_flag=True, help="It may introspect tokens and look sessions up.")
@click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="Any other setting of [[resource]].")
@json_option
@settings_options
def add(
    settings: Settings, id: str, name: str, scopes: tuple[str, ...], roles: tuple[str, ...],
    clients: tuple[str, ...], with_secret: bool, more: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Add an API to the database. ID is its audience, an https URL.

    \b
    admit resource add https://api.example.com --name Orders \\
        --scope orders:read="See your orders" --role "*=orders:read" --client reports=orders:read
    """
    raw: dict[str, Any] = dict(map(setting, more))
    raw.update(id=id, name=name)
    if scopes:
        raw["scopes"] = dict(pair(text, "--scope") for text in scopes)
    if roles:
        raw["roles"] = gathered({}, roles, "--role")
    if clients:
        raw["clients"] = gathered({}, clients, "--client")
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


@resource.command("set")
@click.argument("id")
@click.option("--name", help="What people are shown.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE=TEXT", help="One more scope, or new words.")
@click.option("--role", "roles", multiple=True, metavar="ROLE=SCOPE", help="Let the role have the scope too.")
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="CLIENT=SCOPE",
    help="Let the client have the scope too, in its own name (client_credentials).",
)
@click.option("--drop-scope", multiple=True, metavar="SCOPE", help="No such scope any more, for anybody.")
@click.option("--drop-role", multiple=True, metavar="ROLE", help="Nothing for the role any more.")
@click.option(
    "--drop-client", multiple=True, metavar="CLIENT", help="Nothing for the client in its own name."
)
@click.option(
    "--set", "more", multiple=True, metavar="NAME=VALUE", help="Any other setting, instead of what it is."
)
@json_option
@settings_options
def change(
    settings: Settings, id: str, name: str | None, scopes: tuple[str, ...], roles: tuple[str, ...],
    clients: tuple[str, ...], drop_scope: tuple[str, ...], drop_role: tuple[str, ...], drop_client: tuple[str, ...],
    more: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Change an API of the database: what is given is added to what it has. Its secret stays.

    \b
    admit resource set https://api.example.com --client reports=orders:read
    admit resource set https://api.example.com --drop-client reports
    """
    if not any((name, scopes, roles, clients, drop_scope, drop_role, drop_client, more)):
        raise click.UsageError("say what is to change, such as --client CLIENT=SCOPE")
    given = dict(map(setting, more))
    texts = dict(pair(text, "--scope") for text in scopes)

    def changed(one: Resource) -> Resource:
        raw = {key: value for key, value in members(one).items() if key != "secret_hash"} | given
        if name:
            raw["name"] = name
        for key, dropped in (("scopes", drop_scope), ("roles", drop_role), ("clients", drop_client)):
            if missing := set(dropped) - raw[key].keys():
                raise ConfigError(f"this resource has nothing for {min(missing)} in its {key}")
            raw[key] = {has: value for has, value in raw[key].items() if has not in dropped}
        for key in ("roles", "clients"):
            left = {of: [has for has in its if has not in drop_scope] for of, its in raw[key].items()}
            raw[key] = {of: its for of, its in left.items() if its}
        raw["scopes"] |= texts
        raw["roles"] = gathered(raw["roles"], roles, "--role")
        raw["clients"] = gathered(raw["clients"], clients, "--client")
        made: Resource = settings_file.build(Resource, raw | {"id": one.id}, where="resource.")
        return replace(made, secret_hash=one.secret_hash)

    async def work(issuer: Issuer) -> Resource | None:
        if issuer.registry.is_of_settings(id):
            fail("this resource is in the settings: change it there, and restart the nodes", MISSING)
        return await issuer.services.clients.change_resource(id, changed, info=CLI, now=time.time())

    made = with_issuer(settings, work)
    if made is None:
        fail("there is no such resource. See: admit resource list", MISSING)
    if as_json:
        show_json(as_dict(made, "database"))
    else:
        done(f"Changed {made.name}, {made.id}. {KNOWN}", then=f"admit resource show {made.id}")


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


def gathered(has: dict[str, list[str]], pairs: tuple[str, ...], option: str) -> dict[str, list[str]]:
    """Lists by name: those that are there, and each `a=b` as one more `b` of `a`."""
    made = {name: list(values) for name, values in has.items()}
    for name, value in (pair(text, option) for text in pairs):
        made.setdefault(name, []).append(value)
    return made


def members(one: Resource) -> dict[str, Any]:
    """A resource as the plain values of a settings file."""
    plain_ones: dict[str, Any] = msgspec.to_builtins(one, order="deterministic", enc_hook=dict)
    return plain_ones


def as_dict(one: Resource, source: str) -> dict[str, Any]:
    """A resource for programs; neither its secret nor the hash of it."""
    told = {name: value for name, value in members(one).items() if name != "secret_hash"}
    return {**told, "secret": one.secret_hash is not None, "source": source}
