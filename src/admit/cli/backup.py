"""`admit backup` and `admit restore`."""

import asyncio
import time
from pathlib import Path

import click

from admit.cli.ended import counted, stamp, when
from admit.cli.output import done, json_option, show_json
from admit.cli.settings import settings_options
from admit.issuer import Settings
from admit.issuer.app import backup as backups


@click.command()
@click.argument("to", type=click.Path(path_type=Path))
@json_option
@settings_options
def backup(settings: Settings, to: Path, as_json: bool) -> None:
    """Copy the SQLite database to TO while the issuer runs.

    TO is a new file, or a folder, which gets a file with the time in its name. The copy is as the database was at one
    moment. It is checked page by page, and gets its name when it is whole; only you can read it.

    Keep the key file apart from it: without that the backup opens nothing, and neither does a thief with the backup.
    """
    made = asyncio.run(backups.back_up(settings, to, now=time.time()))
    if as_json:
        show_json(
            {
                "file": str(made.path),
                "bytes": made.size,
                "users": made.users,
                "schema": made.schema,
                "epoch": made.how_far.epoch,
                "seq": made.how_far.seq,
                "at": stamp(made.at or 0.0),
            }
        )
    else:
        done(
            f"Backed up to {made.path}: {counted(made.users, 'user')}, {_size(made.size)}, schema {made.schema}. "
            "Keep the key file too, and apart."
        )


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@settings_options
def restore(settings: Settings, source: Path, as_json: bool) -> None:
    """Take the backup FROM into use: nothing lives again that was ended since.

    Stop every process of the issuer first.

    Everybody signs in again: who signed out after the backup is unknown to it, and would be signed in otherwise. What
    the replaced database still tells is carried over: revoked signing keys, disabled users. Where it tells nothing any
    more, every signing key is revoked and made anew, and you disable again whom you disabled since.

    Passwords are those of the backup. The replaced database is kept beside it.
    """
    made = asyncio.run(backups.restore(settings, source, now=time.time()))
    if as_json:
        show_json(
            {
                "epoch": made.epoch,
                "users": made.copy.users,
                "backup_of": stamp(made.copy.at) if made.copy.at is not None else None,
                "replaced_kept_as": str(made.aside) if made.aside is not None else None,
                "revocations_carried_over": made.known,
            }
        )
        return
    at = f" of {when(made.copy.at)}" if made.copy.at is not None else ""
    lines = [f"Restored the backup{at}: {counted(made.copy.users, 'user')}. Everybody signs in again."]
    if made.aside is not None:
        lines.append(f"The replaced database is kept as {made.aside}.")
    if made.known:
        lines.append("Keys that were revoked and users that were disabled since the backup are so here too.")
    else:
        lines.append(
            "What was revoked since the backup is unknown: new signing keys are made, "
            "and whom you disabled since you disable again."
        )
    for line in lines[:-1]:
        done(line)
    done(lines[-1], then="admit serve")


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1_000:.0f} kB"
