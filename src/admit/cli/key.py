"""`admit key list|rotate|revoke`."""

import time
from datetime import UTC, datetime

import click

from admit.cli.ended import ACTOR, TakesId, seconds, when, within
from admit.cli.output import MISSING, Listed, done, fail, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.issuer import Issuer, Settings
from admit.issuer.keys import Purpose, StoredKey


@click.group(cls=Listed)
def key() -> None:
    """Signing keys: list, rotate, revoke.

    A key is next (published, not used yet), active (signs), retiring (published, signs no more), then gone.
    """


@key.command("list")
@json_option
@settings_options
def list_keys(settings: Settings, as_json: bool) -> None:
    """List signing keys and their states. Private parts never leave the database."""

    async def work(issuer: Issuer) -> tuple[StoredKey, ...]:
        return (await issuer.keys.refresh(time.time())).keys

    keys = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(one) for one in keys])
    elif not keys:
        done("No keys yet: the first start makes them.", then="admit serve")
    else:
        show_table(
            ("KID", "FOR", "ALG", "STATE", "ACTIVE FROM"),
            [(one.kid, one.purpose, one.alg, state(one), when(one.activates_at)) for one in keys],
        )


@key.command()
@click.option("--alg", default="ES256", show_default=True, help="Which algorithm's key.")
@click.option("--for", "purpose", type=click.Choice(["token", "status"]), default="token", show_default=True)
@json_option
@settings_options
def rotate(settings: Settings, alg: str, purpose: str, as_json: bool) -> None:
    """Begin a rotation: make the next key, or put the one that is ready to use as soon as everybody knows it.

    A key signs only when it has been published for 24 hours, so no verifier ever meets an unknown one.
    For a stolen key use `admit key revoke`.
    """

    async def work(issuer: Issuer) -> StoredKey:
        await issuer.keys.ensure(time.time())
        kind: Purpose = "status" if purpose == "status" else "token"
        return await issuer.keys.rotate(alg, time.time(), purpose=kind, actor=ACTOR)

    following = with_issuer(settings, work)
    if as_json:
        show_json(as_dict(following))
    else:
        done(
            f"{following.kid} ({following.alg}) is {state(following)}, active from {when(following.activates_at)}.",
            then="admit key list",
        )


@key.command(cls=TakesId)
@click.argument("kid")
@json_option
@settings_options
def revoke(settings: Settings, kid: str, as_json: bool) -> None:
    """Stop trusting a key now: every verifier refuses what it signed within its stated bound.

    Everybody signed in by a token of this key signs in again or refreshes.
    """

    async def work(issuer: Issuer) -> bool:
        return await issuer.revoke_key(kid, actor=ACTOR)

    if not with_issuer(settings, work):
        fail("there is no such key, or it is revoked already. See: admit key list", MISSING)
    if as_json:
        show_json({"kid": kid, "revoked": True, "refused_within": seconds(settings)})
    else:
        done(
            f"Revoked {kid}. {within(settings, 'what it signed')}",
            then="admit key list",
        )


def state(one: StoredKey) -> str:
    """One word."""
    return "revoked" if one.revoked_at is not None else one.state.value


def as_dict(one: StoredKey) -> dict[str, object]:
    """A key for programs."""
    return {
        "kid": one.kid,
        "for": one.purpose,
        "alg": one.alg,
        "state": state(one),
        "active_from": datetime.fromtimestamp(one.activates_at, UTC).isoformat(timespec="seconds"),
    }
