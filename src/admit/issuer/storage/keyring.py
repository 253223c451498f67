"""The keys that live outside the database, and what is sealed and derived with them.

The key file is JSON, `{kid: 32 bytes as base64url}`; the first key is the current one, the others only open what they
once sealed. Each purpose has a key of its own, by HKDF (RFC 5869) from the key of the file.
"""

import json
import os
import re
import secrets
import stat
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from admit.errors import AdmitError, ConfigError
from admit.issuer.storage.placing import place

KEY_BYTES: Final = 32
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_MAX_FILE: Final = 65_536


class SealError(AdmitError):
    """A sealed value does not open: damaged, moved, or sealed by a key that is not in the keyring."""

    code = "sealed_value_unusable"


class Keyring:
    """Immutable; safe to use from several threads."""

    __slots__ = ("_aeads", "_keys", "_lock", "current")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ConfigError("the key file holds no key")
        for kid, key in keys.items():
            if not _KID.match(kid):
                raise ConfigError("the key file: a key's name is 1 to 32 of A-Z a-z 0-9 _ -")
            if len(key) != KEY_BYTES:
                raise ConfigError("the key file: each key is 32 bytes, written as base64url")
        if len(set(keys.values())) != len(keys):
            raise ConfigError("the key file holds one key under two names")
        self._keys = dict(keys)
        self.current = next(iter(keys))
        self._aeads: dict[tuple[str, str], AESGCM] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    @property
    def kids(self) -> tuple[str, ...]:
        """Names of all keys, the current one first."""
        return tuple(self._keys)

    @classmethod
    def generate(cls) -> "Keyring":
        """A keyring with one new key, in memory only."""
        return cls({_new_kid(): secrets.token_bytes(KEY_BYTES)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Keyring":
        """Read a key file that only its owner may read.

        Raises:
            ConfigError: missing, readable by others, or not a key file.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ConfigError(
                f"key file {os.fspath(path)} does not exist: restore it, or set keys.file"
            ) from None
        except OSError as error:
            raise ConfigError(f"key file {os.fspath(path)} cannot be read: {error.strerror}") from None
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise ConfigError(f"key file {os.fspath(path)} is not a file")
            check_private(about.st_mode, os.fspath(path))
            text = os.read(descriptor, _MAX_FILE + 1)
        finally:
            os.close(descriptor)
        return cls._parse(text)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "Keyring":
        """Write a new key file, mode 0600, whole or not at all.

        Raises:
            ConfigError: the file exists (it is never written over) or cannot be written.
        """
        keyring = cls.generate()
        target = Path(path)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    file.write(keyring._dump())
                    file.flush()
                    os.fsync(file.fileno())
                place(draft, target)
            finally:
                draft.unlink(missing_ok=True)
        except FileExistsError:
            raise ConfigError(
                f"key file {os.fspath(path)} exists already; it is never written over"
            ) from None
        except OSError as error:
            raise ConfigError(f"key file {os.fspath(path)} cannot be written: {error.strerror}") from None
        return keyring

    @classmethod
    def ensure(cls, path: str | os.PathLike[str]) -> "Keyring":
        """Load the key file, or create it when there is none; of several processes at once, one creates.

        Raises:
            ConfigError: as `load` and `create`.
        """
        if not os.path.lexists(path):
            try:
                return cls.create(path)
            except ConfigError:
                if not os.path.lexists(path):
                    raise
        return cls.load(path)

    @classmethod
    def from_env(cls, value: str) -> "Keyring":
        """The keyring of `ADMIT_KEYS`: the JSON itself when it begins with a brace, else the path of a key file.

        Raises:
            ConfigError: as `load`.
        """
        return cls._parse(value.encode()) if value.lstrip().startswith("{") else cls.load(value)

    @classmethod
    def _parse(cls, text: bytes) -> "Keyring":
        if len(text) > _MAX_FILE:
            raise ConfigError("the key file is too long")
        try:
            pairs: Any = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            raise ConfigError("the key file is not JSON") from None
        if not isinstance(pairs, _Pairs) or not all(isinstance(value, str) for _, value in pairs):
            raise ConfigError('the key file: want {"name": "32 bytes as base64url"}')
        if len(dict(pairs)) != len(pairs):
            raise ConfigError("the key file names a key twice")
        return cls({kid: _decode(value) for kid, value in pairs})

    def _dump(self) -> bytes:
        keys = {kid: urlsafe_b64encode(key).rstrip(b"=").decode() for kid, key in self._keys.items()}
        return json.dumps(keys, indent=2).encode() + b"\n"

    def derive(self, purpose: str, kid: str | None = None) -> tuple[str, bytes]:
        """The kid used, and 32 bytes that belong to `purpose` alone (HKDF-SHA256, RFC 5869 §2). None: current key.

        Raises:
            SealError: no such key.
        """
        chosen = self.current if kid is None else kid
        try:
            key = self._keys[chosen]
        except KeyError:
            raise SealError("the keyring has no such key") from None
        info = b"admit/" + purpose.encode()
        return chosen, HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)

    def seal(self, purpose: str, data: bytes, *, bound_to: str) -> bytes:
        """Encrypt with AES-256-GCM under the current key. It opens only for the same purpose and `bound_to`."""
        kid = self.current
        nonce = secrets.token_bytes(_NONCE_BYTES)
        name = kid.encode()
        sealed = self._aead(purpose, kid).encrypt(nonce, data, _associated(kid, purpose, bound_to))
        return _FORMAT + bytes((len(name),)) + name + nonce + sealed

    def open(self, purpose: str, sealed: bytes, *, bound_to: str) -> bytes:
        """What `seal` was given.

        Raises:
            SealError: damaged, of another purpose or place, or sealed by a key that is not here.
        """
        kid, rest = split(sealed)
        nonce, body = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return self._aead(purpose, kid).decrypt(nonce, body, _associated(kid, purpose, bound_to))
        except (InvalidTag, ValueError):
            raise SealError("a sealed value does not open") from None

    def _aead(self, purpose: str, kid: str) -> AESGCM:
        with self._lock:
            aead = self._aeads.get((purpose, kid))
            if aead is None:
                aead = self._aeads[purpose, kid] = AESGCM(self.derive("seal/" + purpose, kid)[1])
            return aead


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its doubled names still in it."""


def check_private(mode: int, path: str) -> None:
    """Raises ConfigError when a key file's mode lets anyone but its owner at it."""
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(f"key file {path} can be read by others: chmod 600 {path}")


def split(sealed: bytes) -> tuple[str, bytes]:
    """The kid of a sealed value, and what follows it. Raises SealError."""
    if len(sealed) < 2 or sealed[:1] != _FORMAT or len(sealed) < 2 + sealed[1] + _NONCE_BYTES:
        raise SealError("not a sealed value")
    end = 2 + sealed[1]
    return sealed[2:end].decode("ascii", "replace"), bytes(sealed[end:])


def _associated(kid: str, purpose: str, bound_to: str) -> bytes:
    # Lengths before the parts: no two different triples give the same bytes.
    parts = [part.encode() for part in (kid, purpose, bound_to)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _new_kid() -> str:
    return "k" + secrets.token_hex(4)


def _decode(value: str) -> bytes:
    try:
        decoded = urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except ValueError:
        decoded = b""
    if urlsafe_b64encode(decoded).rstrip(b"=").decode() != value:
        raise ConfigError("the key file: each key is 32 bytes, written as base64url")
    return decoded
