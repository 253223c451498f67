"""Who may read and write the files: key file, database, settings with secrets, the certificate's key."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from admit.cli.doctor.findings import Finding, Severity, error, good, note, warning
from admit.issuer import Settings
from admit.issuer.storage.mounts import file_system_of

_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.s3fs", "vboxsf"}
)
_FLEETING = frozenset({"tmpfs", "ramfs"})


def findings(settings: Settings, config: Path | None) -> Iterator[Finding]:
    """All of them. `config` is the settings file, if there is one."""
    checked: list[Finding] = [
        *_key_file(settings),
        *_database(settings),
        *_settings_file(settings, config),
        *_certificate_key(settings),
    ]
    yield from checked
    is_file = not settings.keys.file.lstrip().startswith("{") and settings.keys_path.exists()
    if is_file and all(one.severity is Severity.NOTE for one in checked):
        yield good("files", "only their owner can read the key file and the database")


def _key_file(settings: Settings) -> Iterator[Finding]:
    if settings.keys.file.lstrip().startswith("{"):
        yield note(
            "files",
            "the keys are in the environment",
            "whoever may see this process's environment has them",
            "ADMIT_KEYS as the path of a file with mode 0600",
        )
        return
    path = settings.keys_path
    if not path.exists():
        yield note(
            "files",
            f"there is no key file {path} yet",
            "the first start makes it; back it up then",
            "admit serve",
        )
        return
    yield from _private(
        path,
        "files",
        "the key file",
        "it opens every secret in the database, and signs what everybody trusts",
    )
    yield from _folder(path.parent)
    if not settings.database and not settings.keys.file:
        yield note(
            "files",
            f"keys and database lie in one folder, {path.parent}",
            "whoever copies it, as a backup does, has both the secrets and what opens them",
            "keys.file at another place",
        )


def _database(settings: Settings) -> Iterator[Finding]:
    if not settings.database_url.startswith("sqlite:"):
        return
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    if not path.exists():
        return
    for one in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if one.exists():
            yield from _private(
                one, "files", "the database", "it holds names, addresses and hashes of passwords"
            )
    if path.parent != settings.keys_path.parent:
        yield from _folder(path.parent)
    kind = file_system_of(path)
    if kind in _REMOTE:
        yield error(
            "database",
            f"SQLite lies on a network file system ({kind})",
            "its locks do not hold there, so that two writers damage the file",
            'a local disk, or database = "postgresql://…"',
        )
    elif kind in _FLEETING:
        yield error(
            "database",
            f"SQLite lies in memory ({kind})",
            "a restart of the machine forgets every account",
            "a folder on a disk, by data or database",
        )
    elif kind == "overlay":
        yield warning(
            "database",
            "SQLite lies in the container's own layer",
            "it is gone with the container",
            "a volume for the data folder",
        )


def _settings_file(settings: Settings, config: Path | None) -> Iterator[Finding]:
    if config is None:
        return
    secrets = [
        name
        for name, url in (
            ("database", settings.database),
            ("mail.url", settings.mail.url),
            ("sessions.redis", settings.sessions.redis),
        )
        if _has_password(url)
    ]
    if settings.keys.file.lstrip().startswith("{") and "ADMIT_KEYS" not in os.environ:
        secrets.append("keys.file")
    if secrets:
        yield from _private(
            config,
            "files",
            "the settings file",
            f"there is a password in {', '.join(secrets)}",
            reading_only=True,
        )
    if config.exists() and stat.S_IMODE(config.stat().st_mode) & 0o022:
        yield error(
            "files",
            f"others may write the settings file {config}",
            "they can add a client that is let in everywhere",
            f"chmod go-w {config}",
        )


def _certificate_key(settings: Settings) -> Iterator[Finding]:
    if settings.tls.key and Path(settings.tls.key).exists():
        yield from _private(
            Path(settings.tls.key), "tls", "the certificate's key", "whoever reads it can pose as this issuer"
        )


def _private(path: Path, topic: str, what: str, why: str, *, reading_only: bool = False) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & (0o044 if reading_only else 0o077):
        yield error(topic, f"others may read {what} {path} (mode {mode:04o})", why, f"chmod 600 {path}")


def _folder(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o022 and not mode & stat.S_ISVTX:
        yield error(
            "files",
            f"others may write in {path} (mode {mode:04o})",
            "they can put a database and keys of their own in place of yours",
            f"chmod go-w {path}",
        )


def _has_password(url: str) -> bool:
    try:
        return bool(url) and urlsplit(url).password is not None
    except ValueError:
        return False
