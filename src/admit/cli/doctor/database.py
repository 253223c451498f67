"""The database: its schema, its clock, what its durability rests on, and the keys and revocations that are in it."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from admit.cli.doctor.findings import Finding, error, good, note, warning
from admit.cli.ended import counted
from admit.errors import AdmitError, ConfigError
from admit.issuer import Settings
from admit.issuer.accounts.pepper import PREFIX
from admit.issuer.accounts.store import HASHES_THAT_START
from admit.issuer.app.keys import load_keyring
from admit.issuer.clients.store import COUNT
from admit.issuer.keys import SigningKeys, StoredKey
from admit.issuer.keys.records import KeyState
from admit.issuer.revocation import Lists, StatusService
from admit.issuer.storage import Database, identity
from admit.issuer.storage.looking import Look, look
from admit.issuer.storage.schema import HEAD

LEEWAY: Final = 30.0
"""Seconds that verifiers allow clocks to differ, by default."""
_DAY: Final = 86_400.0
_LISTED: Final = 1 << 20


async def findings(settings: Settings, *, clock: Callable[[], float]) -> AsyncIterator[Finding]:
    """All of them."""
    try:
        seen = await look(settings.database_url)
    except ConfigError as trouble:
        yield error(
            "database", str(trouble), "the issuer does not start", "set database, or restore a backup"
        )
        return
    except AdmitError as trouble:
        yield error(
            "database",
            "it was not reached",
            f"nobody can sign in ({trouble.detail or trouble.code})",
            "start it, or set database",
        )
        return
    if seen is None:
        yield note("database", "there is none yet", "the first start makes it", "admit serve")
        return
    for one in (*_schema(seen, settings), *_durable(seen), *_clock(seen)):
        yield one
    if seen.version == HEAD and not seen.missing and _has_keys(settings):
        async for one in _contents(settings, clock):
            yield one


def _schema(seen: Look, settings: Settings) -> Iterator[Finding]:
    sqlite = settings.database_url.startswith("sqlite:")
    if seen.version is None:
        yield error("database", "it holds no schema of Admit's", "the issuer does not start", "admit migrate")
    elif seen.version > HEAD:
        yield error(
            "database",
            f"its schema is {seen.version}, of a newer Admit; this one knows {HEAD}",
            "the issuer does not start",
            "upgrade Admit on this machine too",
        )
    elif seen.version < HEAD:
        yield (note if sqlite else error)(
            "database",
            f"its schema is {seen.version}, this Admit wants {HEAD}",
            "the next start brings it up to date" if sqlite else "the issuer does not start",
            "admit backup, then admit serve" if sqlite else "admit migrate",
        )
    elif seen.missing:
        yield error(
            "database",
            f"tables are missing: {', '.join(sorted(seen.missing)[:3])}",
            "the issuer does not start",
            "restore the backup made before the migration",
        )
    else:
        yield good("database", f"schema {HEAD}")


def _durable(seen: Look) -> Iterator[Finding]:
    wrong = list(_not_durable(seen))
    yield from wrong
    if not wrong:
        told = ", ".join(
            f"{name} {seen.settings[name]}"
            for name in ("fsync", "full_page_writes", "synchronous_commit", "journal_mode", "synchronous")
            if name in seen.settings
        )
        yield good("durable", told)
    if seen.replica:
        yield error(
            "durable",
            "this is a replica: it takes no writes",
            "nobody can sign in",
            "database = the primary's URL",
        )
    if seen.standbys and not seen.settings.get("synchronous_standby_names"):
        yield warning(
            "durable",
            f"{seen.standbys} replica(s) follow, none of them synchronously",
            "a failover may lose sign-outs that were confirmed, and verifiers then answer 503",
            "synchronous_standby_names, or run `admit epoch raise` after each failover",
        )
    if seen.readable:
        yield error(
            "durable",
            "the way to PostgreSQL is not encrypted",
            "whoever is on that network reads hashes and sessions, and may change them",
            "database = the same URL with ?sslmode=verify-full",
        )
    if seen.settings.get("is_superuser") == "on":
        yield note(
            "database",
            "Admit's role is a superuser",
            "it needs no more than to own its tables",
            "a role of its own: CREATE ROLE admit LOGIN; CREATE DATABASE admit OWNER admit",
        )


def _not_durable(seen: Look) -> Iterator[Finding]:
    for name, why in (
        ("fsync", "a crash of the machine loses or damages everything"),
        (
            "full_page_writes",
            "a crash in the middle of a write damages tables, unless the file system writes whole pages",
        ),
    ):
        if seen.settings.get(name) == "off":
            yield error(
                "durable",
                f"{name} is off",
                why,
                f"ALTER SYSTEM SET {name} = on, then SELECT pg_reload_conf()",
            )
    if seen.settings.get("synchronous_commit", "on") in ("off", "local"):
        yield error(
            "durable",
            f"synchronous_commit is {seen.settings['synchronous_commit']} for our connections, though we ask for on",
            "a crash revives sign-outs that were confirmed",
            "let the pooler in between pass synchronous_commit on, or take it out",
        )
    if seen.settings.get("journal_mode", "wal") != "wal" or seen.settings.get("synchronous", "full") not in (
        "full",
        "extra",
    ):
        yield error(
            "durable",
            f"journal_mode {seen.settings.get('journal_mode')}, synchronous {seen.settings.get('synchronous')}",
            "a crash of the machine loses what was confirmed",
            "put the file on a local disk",
        )


def _clock(seen: Look) -> Iterator[Finding]:
    if seen.ahead is None:
        return
    off = abs(seen.ahead)
    told = f"this machine and the database differ by {off:.3g} s"
    why = "sessions, codes and tokens end too soon or too late; beyond 30 s verifiers refuse good tokens"
    if off > LEEWAY:
        yield error("time", told, why, "timedatectl set-ntp true, on both")
    elif off > 1.0 + seen.within:
        yield warning("time", told, why, "timedatectl set-ntp true, on both")
    else:
        yield good("time", f"this machine and the database agree to {max(off, seen.within) * 1000:.0f} ms")


def _has_keys(settings: Settings) -> bool:
    """Whether there are keys that the issuer would read. A file that others may read is told where files are."""
    if settings.keys.file.lstrip().startswith("{"):
        return True
    path = settings.keys_path
    return path.exists() and not (os.name == "posix" and path.stat().st_mode & 0o077)


async def _contents(settings: Settings, clock: Callable[[], float]) -> AsyncIterator[Finding]:
    try:
        keyring = load_keyring(settings)
        db = Database.from_url(settings.database_url, keyring, settings.storage)
        await db.open()
    except ConfigError as trouble:
        yield error(
            "keys",
            str(trouble),
            "the issuer does not start",
            "keys.file = the file that belongs to this database",
        )
        return
    except AdmitError as trouble:
        yield error(
            "database",
            "it was not reached",
            f"nobody can sign in ({trouble.detail or trouble.code})",
            "start it",
        )
        return
    try:
        owner = await db.read(identity.READ_META(key=identity.ISSUER))
        if owner and owner[0]["value"] != settings.issuer:
            yield error(
                "database",
                f"it is that of the issuer {owner[0]['value']}, and the settings name {settings.issuer}",
                "the issuer does not start, so that users and keys of two issuers never mix",
                "data = a folder of its own; or, if it is the same issuer under another name, admit issuer rename",
            )
        for one in clients(int((await db.read(COUNT()))[0]["n"]), settings):
            yield one
        async for one in _peppered(db):
            yield one
        snapshot = await SigningKeys(db, settings.keys).refresh(clock())
        for one in keys(snapshot.keys, settings, clock()):
            yield one
        yield await _revocations(db, settings)
    except ConfigError as trouble:
        yield error(
            "keys",
            str(trouble),
            "the issuer does not start",
            "keys.file = the file that belongs to this database",
        )
    except AdmitError as trouble:
        yield error(
            "database",
            "it stopped answering",
            f"nobody can sign in ({trouble.detail or trouble.code})",
            "look at its log",
        )
    finally:
        await db.close()


def clients(kept: int, settings: Settings) -> Iterator[Finding]:
    """What the settings cannot tell of clients: how many the database has beside theirs."""
    if kept:
        yield good("clients", f"{counted(kept, 'client')} of the database: admit client list")
    elif not settings.client:
        yield note(
            "clients",
            "there are no clients yet",
            "nobody can sign in to an application",
            "admit client add --name NAME --redirect-uri URI, or [[client]] in the settings file",
        )


async def _peppered(db: Database) -> AsyncIterator[Finding]:
    """Are there hashes of passwords that no key of the key file belongs to?"""

    async def count(start: str) -> int:
        rows = await db.read_apart(HASHES_THAT_START(start=start))
        return int(rows[0]["n"])

    left = await count(PREFIX)
    for kid in db.keyring.kids if left else ():
        left -= await count(f"{PREFIX}{kid}$")
    if left > 0:
        yield error(
            "passwords",
            f"{counted(left, 'password')} hashed with a key that the key file does not hold",
            "whoever has one cannot sign in, whatever they type",
            "put that key back into keys.file, or let them set new passwords by mail",
        )


def keys(stored: tuple[StoredKey, ...], settings: Settings, now: float) -> Iterator[Finding]:
    """Is there an active key of each kind, and is rotation alive?"""
    if not stored:
        yield note("keys", "there are none yet", "the first start makes them", "admit serve")
        return
    config = settings.keys
    ages: list[float] = []
    wrong: list[Finding] = []
    for purpose, alg in config.algorithms:
        kind = f"{purpose} {alg}"
        active = [
            key
            for key in stored
            if (key.purpose, key.alg, key.state) == (purpose, alg, KeyState.ACTIVE) and key.revoked_at is None
        ]
        if not active:
            wrong.append(
                error(
                    "keys",
                    f"no active key for {kind}",
                    "nothing can be signed with it",
                    "start the issuer: it makes one",
                )
            )
            continue
        age = now - active[0].activates_at
        ages.append(age)
        late = age - config.rotate_every.total_seconds()
        if late > config.publish_ahead.total_seconds() + _DAY:
            wrong.append(
                warning(
                    "keys",
                    f"the key for {kind} signs for {age / _DAY:.0f} days, {late / _DAY:.0f} over keys.rotate_every",
                    "rotation stands still: the issuer's job fails, or no issuer has run for long",
                    f"admit key rotate --alg {alg} --for {purpose}",
                )
            )
        if active[0].activates_at > now + LEEWAY:
            wrong.append(
                error(
                    "keys",
                    f"the key for {kind} is active only from a time that is still to come",
                    "this machine's clock was ahead when it was made, or is behind now",
                    "timedatectl set-ntp true",
                )
            )
    yield from wrong
    if not wrong:
        revoked = sum(key.revoked_at is not None for key in stored)
        told = (
            f"the oldest signs for {max(ages) / _DAY:.0f} days, rotated every {config.rotate_every.days} days"
        )
        yield good("keys", told + (f"; {revoked} revoked" if revoked else ""))


async def _revocations(db: Database, settings: Settings) -> Finding:
    service = StatusService(db, Lists(db.keyring), settings.issuer, settings.revocation)
    state = await service.refresh()
    ends = sum(int.from_bytes(bits.bitmap, "big").bit_count() for bits in state.lists.values())
    room = len(state.lists) * _LISTED
    told = f"{counted(ends, 'end')} in {len(state.lists)} status lists; epoch {state.epoch}, step {state.seq}"
    if room and ends > room // 2:
        return note(
            "revocation",
            told,
            "more than half of all places are ended: lists are large to fetch",
            "nothing; lists leave by themselves",
        )
    return good("revocation", told)
