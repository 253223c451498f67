"""`admit epoch raise`: after the database went back in time."""

import time

import click

from admit.cli.output import done, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.issuer import Issuer, Settings
from admit.issuer.audit import AuditEvent, record
from admit.issuer.revocation.store import raise_epoch


@click.group()
def epoch() -> None:
    """The epoch of revocations: verifiers trust it to go forward only."""


@epoch.command("raise")
@click.option(
    "--keep-older-families",
    is_flag=True,
    help="Keep the sessions and grants that the database knows as alive.",
)
@json_option
@settings_options
def raise_(settings: Settings, keep_older_families: bool, as_json: bool) -> None:
    """Raise the epoch after a restore, or a failover that may have lost writes.

    Verifiers that saw more than the database now holds answer 503 until this is done. It ends all sessions and grants,
    so that everybody signs in again: who signed out after the state that was restored is unknown to it, and would be
    signed in again otherwise. Who was disabled since then is unknown too: disable them again.

    With --keep-older-families only what was begun after that state is ended. Right where nothing else was lost.
    """

    async def work(issuer: Issuer) -> int:
        now = time.time()
        detail = {"kept_older_families": keep_older_families}
        told = record(AuditEvent.EPOCH_RAISED, now=now, actor="command line", detail=detail)
        return await issuer.db.run(
            raise_epoch, issuer.lists, now=now, keep_older_families=keep_older_families, told=told
        )

    new = with_issuer(settings, work)
    if as_json:
        show_json({"epoch": new, "kept_older_families": keep_older_families})
    else:
        done(
            f"The epoch is {new} now. "
            + ("Older sessions live on." if keep_older_families else "Everybody signs in again.")
        )
