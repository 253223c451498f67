"""`admit epoch raise`: after the database went back in time."""

import time

import click

from admit.cli.output import Listed, done, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.issuer import Issuer, Settings
from admit.issuer.app import went_back
from admit.issuer.storage import mark
from admit.issuer.storage.sqlite import path_of


@click.group(cls=Listed)
def epoch() -> None:
    """The epoch of revocations: verifiers trust it to go forward only."""


@epoch.command("raise")
@click.option(
    "--keep-older-families",
    is_flag=True,
    help="Keep the sessions and grants that the database knows as alive.",
)
@click.option(
    "--revoke-keys",
    is_flag=True,
    help="Revoke every signing key, too. Right where nobody knows which were revoked since.",
)
@json_option
@settings_options
def raise_(settings: Settings, keep_older_families: bool, revoke_keys: bool, as_json: bool) -> None:
    """Raise the epoch after a restore, or a failover that may have lost writes.

    Verifiers that saw more than the database now holds answer 503 until this is done. It ends all sessions and grants,
    so that everybody signs in again: who signed out after the state that was restored is unknown to it, and would be
    signed in again otherwise. Who was disabled since then is unknown too: disable them again.

    Codes and sign-ins under way are void. A database that Admit refuses as older than when it was last used is served
    again after this.

    With --keep-older-families only what was begun after that state is ended. Right where nothing else was lost.
    """

    url = settings.database_url
    above = mark.epoch_of(path_of(url)) if url.startswith("sqlite:") else 0

    async def work(issuer: Issuer) -> int:
        raised = await issuer.db.run(
            went_back.settle,
            issuer.lists,
            now=time.time(),
            keep_older_families=keep_older_families,
            revoke_keys=revoke_keys,
            above=above,
        )
        if revoke_keys:
            await issuer.keys.ensure(time.time())  # nodes that run have none to sign with
        return raised

    new = with_issuer(settings, work, accept_older=True)
    if as_json:
        show_json({"epoch": new, "kept_older_families": keep_older_families})
    else:
        done(
            f"The epoch is {new} now. "
            + ("Older sessions live on." if keep_older_families else "Everybody signs in again.")
        )
