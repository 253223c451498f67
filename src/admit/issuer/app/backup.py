"""Backing up an issuer's database while it runs, and taking a backup into use again."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from time import gmtime, strftime
from urllib.parse import quote, urlsplit

from admit.errors import AdmitError, ConfigError
from admit.issuer.app import went_back
from admit.issuer.app.settings import Settings
from admit.issuer.revocation import Lists
from admit.issuer.storage import Database, Keyring, mark
from admit.issuer.storage import sqlite_copy as copies
from admit.issuer.storage.sqlite import path_of
from admit.issuer.storage.sqlite_copy import Copy
from admit.issuer.storage.sqlite_file import DamagedError


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside`: where the database that was replaced lies now. `known`: whether it told what was revoked since."""

    copy: Copy
    epoch: int
    aside: Path | None
    known: bool


def existing_keyring(settings: Settings) -> Keyring:
    """The keyring that the settings name. None is made: a backup opens with its own key file and with no other.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    if settings.keys.file.lstrip().startswith("{"):
        return Keyring.from_env(settings.keys.file)
    return Keyring.load(settings.keys_path)


async def back_up(settings: Settings, to: Path, *, now: float) -> Copy:
    """Copy the database to the file `to`, or into the folder `to` under a name with the time.

    Raises:
        ConfigError: PostgreSQL, which has its own; no such database; `to` is there already, or cannot be written.
        StorageUnavailableError: another process holds the database.
    """
    source = _sqlite_path(settings, _PG_DUMP)
    target = _in_folder(to, now)
    keyring = existing_keyring(settings)
    busy = settings.storage.busy_timeout.total_seconds()
    return await asyncio.to_thread(copies.back_up, source, target, keyring, now=now, busy_timeout=busy)


async def restore(settings: Settings, source: Path, *, now: float) -> Restored:
    """Put a backup in the database's place, and the database that was there aside. Nothing of it is served before
    what may have been ended since is ended.

    Raises:
        ConfigError: somebody serves the database; it is no backup of it, or damaged; PostgreSQL. Nothing was changed.
    """
    target = _sqlite_path(settings, _PG_RESTORE)
    keyring = existing_keyring(settings)
    await asyncio.to_thread(copies.check_unused, target)
    try:
        draft = await asyncio.to_thread(copies.take_up, source, target, keyring)
    except DamagedError as error:
        raise ConfigError(
            f"backup {source} is empty or damaged: take another one; the database was not touched"
        ) from error
    try:
        await asyncio.to_thread(copies.check_same_database, target, draft)
        known = await _known_of_replaced(settings, target, keyring)
        db = Database.from_url(_url_of(draft.path), keyring, settings.storage)
        await db.open()
        try:
            epoch = await db.run(
                went_back.settle,
                Lists(keyring),
                now=now,
                known=known,
                revoke_keys=known is None,
                restored=True,
                above=mark.epoch_of(target),  # no clock need have gone on since
            )
        finally:
            await db.close()
        aside = await asyncio.to_thread(copies.put_in_place, draft.path, target)
    finally:
        await asyncio.to_thread(copies.discard, draft.path)
    return Restored(draft, epoch, aside, known is not None)


async def _known_of_replaced(settings: Settings, target: Path, keyring: Keyring) -> went_back.Known | None:
    """What the database that is to be replaced tells of what was revoked; None where it tells nothing any more."""
    if not await asyncio.to_thread(target.exists):
        return None
    db = Database.from_url(_url_of(target), keyring, settings.storage)
    try:
        await db.open(accept_older=True)
        try:
            return await went_back.known_of(db)
        finally:
            await db.close()
    except AdmitError:  # damaged, or newer than this version knows
        return None


def _in_folder(to: Path, now: float) -> Path:
    return to / strftime("admit-%Y%m%dT%H%M%SZ.db", gmtime(now)) if to.is_dir() else to


def _sqlite_path(settings: Settings, otherwise: str) -> Path:
    url = settings.database_url
    if urlsplit(url).scheme != "sqlite":
        raise ConfigError(otherwise)
    return path_of(url)


def _url_of(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


_PG_DUMP = (
    "PostgreSQL has its own backups, which Admit needs nothing besides: "
    "pg_dump --format=custom --file=admit.dump DATABASE (docs/backup.md)"
)
_PG_RESTORE = (
    "PostgreSQL has its own way: stop every node, pg_restore --clean --if-exists --dbname=DATABASE admit.dump, then "
    "admit epoch raise --revoke-keys, then start (docs/backup.md)"
)
