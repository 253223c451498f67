"""`admit client add`."""

import json
import shlex
import time
import tomllib
from pathlib import Path
from typing import Any

import click

from admit.cli.output import USAGE, done, fail, json_option, show_json, warn
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user import CLI
from admit.errors import ConfigError
from admit.issuer import Client, Issuer, Settings
from admit.issuer.app import settings_file
from admit.issuer.clients import rules
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import hash_secret, new_secret

_NOT_HERE = frozenset({"id", "secret_hashes", "secret_hash"})  # the argument says it, or the command makes it


def setting(text: str) -> tuple[str, Any]:
    """`NAME=VALUE` as a line of a settings file; what is no TOML value is text."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier() or name in _NOT_HERE:
        raise click.UsageError(
            "--set wants NAME=VALUE, with the name of a setting of [[client]] or [[resource]]"
        )
    try:
        return name, tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value.strip()


@click.command()
@click.argument("id", required=False)
@click.option("--name", required=True, help="What people are shown.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, help="Where codes may be sent; again for more."
)
@click.option(
    "--post-logout-redirect-uri", "post_logout", multiple=True, help="Where browsers may go after sign-out."
)
@click.option(
    "--public", is_flag=True, help="It cannot keep a secret: a page's script, a program on a phone."
)
@click.option("--native", is_flag=True, help="It runs on people's own machines. Public.")
@click.option(
    "--jwks", type=click.Path(dir_okay=False), help="It signs with a key: the file with its public ones."
)
@click.option("--jwks-uri", help="It signs with a key: where its public ones are published.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope it may ask for; again for more. None named: openid, profile and email; naming any replaces them.",
)
@click.option("--resource", "resources", multiple=True, help="An API it may ask tokens for; again for more.")
@click.option("--grant-type", "grant_types", multiple=True, help="How it may ask for tokens; again for more.")
@click.option("--first-party", is_flag=True, help="No consent page: it is yours.")
@click.option(
    "--set",
    "more",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other setting of [[client]]; again for more.",
)
@json_option
@settings_options
def add(
    settings: Settings, id: str | None, name: str, redirect_uris: tuple[str, ...], post_logout: tuple[str, ...],
    public: bool, native: bool, jwks: str | None, jwks_uri: str | None, scopes: tuple[str, ...],
    resources: tuple[str, ...], grant_types: tuple[str, ...], first_party: bool, more: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Add a client to the database: every node knows it at once. ID is made where none is given.

    \b
    admit client add --name Orders --redirect-uri https://orders.example.com/callback
    admit client add orders-cli --native --name "Orders for terminals" --redirect-uri http://127.0.0.1/callback

    It has a secret unless it is public or signs with a key. The secret is shown once; only its hash is kept.
    """
    raw: dict[str, Any] = dict(map(setting, more))
    given: dict[str, Any] = {
        "redirect_uris": list(redirect_uris), "post_logout_redirect_uris": list(post_logout),
        "scopes": list(scopes), "resources": list(resources), "grant_types": list(grant_types),
    }  # fmt: skip
    raw.update({key: value for key, value in given.items() if value})
    raw.update(id=id if id is not None else rules.new_client_id(), name=name)
    if len(resources) == 1:
        raw.setdefault("default_resource", resources[0])
    if native:
        raw["application_type"] = "native"
    if first_party:
        raw["first_party"] = True
    if (jwks is not None or jwks_uri is not None) and (public or native):
        raise click.UsageError("a client with a key is not public: leave out --public and --native")
    secret = None
    if jwks is not None or jwks_uri is not None:
        raw.update(public=False, token_endpoint_auth_method="private_key_jwt")  # noqa: S106  # a method's name
        raw.update({"jwks": read(jwks)} if jwks is not None else {"jwks_uri": jwks_uri})
    elif not (public or native):
        secret = new_secret()
        raw.update(public=False, secret_hashes=[hash_secret(secret).hex()])
    client: Client = settings_file.build(Client, raw, where="client.")

    async def work(issuer: Issuer) -> tuple[bool, str | None, str | None]:
        try:
            added = await issuer.services.clients.add(client, info=CLI, now=time.time())
        except ConfigError as error:  # an id that was made here is nobody's yet
            raise error if id is not None else ConfigError(str(error).replace(client.id, name, 1)) from None
        return added, *(lacking(client, issuer.registry) if added else (None, None))

    added, lacks, then = with_issuer(settings, work)
    if not added:
        fail("this id is taken. See: admit client list", USAGE)
    if as_json:
        show_json(
            {"client_id": client.id, "client_name": client.name}
            | ({"client_secret": secret} if secret else {})
        )
    else:
        done(
            f"Added {client.name} as {client.id}.",
            then=f"admit client show {client.id}" if lacks is None else None,
        )
        if secret is not None:
            click.echo(f"Its secret, shown this once: {secret}")
    if lacks is not None:
        warn(lacks, then=then)
    if signs_nobody_in(client):
        warn(
            f"{client.id} signs nobody in: openid is not among its scopes, since --scope replaces openid, profile and "
            "email. That is right for one that wants tokens alone; else add it again with --scope openid as well",
            then=f"admit client remove {shlex.quote(client.id)}",
        )


def signs_nobody_in(client: Client) -> bool:
    """Whether people come to it with a code and it gets no ID token for that, OpenID Connect Core §3.1.2.1."""
    return "authorization_code" in client.grant_types and "openid" not in client.scopes


def lacking(client: Client, registry: Registry) -> tuple[str | None, str | None]:
    """Why a client that asks in its own name would get no token from anybody, and the command that lets it, RFC 6749
    §4.4; None where it gets some, or does not ask so.
    """
    if "client_credentials" not in client.grant_types:
        return None, None
    apis = [one for name in sorted(client.resources) if (one := registry.resource(name)) is not None]
    if any(rules.machine_scopes(client, one) for one in apis):
        return None, None
    for api in apis:
        wanted = sorted(client.scopes & api.scopes.keys())
        if wanted and registry.is_of_settings(api.id):
            line = f"clients = {{ {json.dumps(client.id)} = {json.dumps(wanted)} }}"
            return (
                f"{client.id} gets no token in its own name yet: write {line} "
                f"into [[resource]] {api.id}, and restart the nodes"
            ), None
        if wanted:
            given = " ".join(f"--client {shlex.quote(f'{client.id}={scope}')}" for scope in wanted)
            return (
                f"{client.id} gets no token in its own name yet: {api.id} does not say that it may",
                f"admit resource set {shlex.quote(api.id)} {given}",
            )
    return (
        f"{client.id} gets no token in its own name: it names no scope of an API. "
        "Add it with --resource URL and --scope SCOPE of that API",
        f"admit client remove {client.id}",
    )


def read(path: str) -> str:
    """A key set's file, as text."""
    return Path(path).read_text("utf-8")
