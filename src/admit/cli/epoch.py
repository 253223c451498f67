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
@json_option
@settings_options
def raise_(settings: Settings, as_json: bool) -> None:
    """Raise the epoch after a restore, or a failover that may have lost writes.

    Verifiers that saw more than the database now holds answer 503 until this is done. All that was issued after the
    state that was restored is refused from then on. Who signed out or was disabled after that state was saved, and had
    signed in before, is unknown to it: disable or sign them out again.
    """

    async def work(issuer: Issuer) -> int:
        now = time.time()
        told = record(AuditEvent.EPOCH_RAISED, now=now, actor="command line")
        return await issuer.db.run(raise_epoch, issuer.lists, now=now, told=told)

    new = with_issuer(settings, work)
    if as_json:
        show_json({"epoch": new})
    else:
        done(f"The epoch is {new} now.")
