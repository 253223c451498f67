"""Firebase's passwords: scrypt under a key of the whole project.

Firebase stores its signer key, encrypted with AES-256-CTR under scrypt's output. Counter mode XORs: what it stores, XOR
the signer key, is what the cipher makes of zeros. That is what we store. So the signer key is used at the import only,
is needed by no sign-in, and lies in no database.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from admit.errors import ConfigError, MalformedTokenError
from admit.issuer.accounts.foreign.errors import ForeignHashError, MalformedHashError
from admit.issuer.accounts.foreign.schemes import FirebaseScrypt, from_base64
from admit.jose import json as strict_json

_LARGEST = 65_536


def _octets(text: str) -> bytes:
    """Firebase writes both alphabets: the export of its command line the URL-safe one."""
    return from_base64(text.replace("-", "+").replace("_", "/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FirebaseProject:
    """The password hash parameters of a project, as its console shows them: `base64_signer_key`,
    `base64_salt_separator`, `rounds` (scrypt's r) and `mem_cost` (the exponent of N).
    """

    signer_key: bytes = field(repr=False)
    salt_separator: bytes = field(repr=False)
    rounds: int
    mem_cost: int

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "FirebaseProject":
        """Read from a JSON file that has those four members.

        Raises:
            ConfigError: it cannot be read, or is not that. One line.
        """
        try:
            octets = Path(path).read_bytes()[:_LARGEST]
        except OSError as error:
            raise ConfigError(f"the file of Firebase's parameters cannot be read: {error.strerror}") from None
        try:
            return cls.of(strict_json.loads_object(octets))
        except (MalformedTokenError, ForeignHashError):
            raise ConfigError(
                "the file of Firebase's parameters: want a JSON object with base64_signer_key, "
                "base64_salt_separator, rounds and mem_cost"
            ) from None

    @classmethod
    def of(cls, members: Any) -> "FirebaseProject":
        """Raises: MalformedHashError."""
        key, separator = members.get("base64_signer_key"), members.get("base64_salt_separator")
        rounds, mem_cost = members.get("rounds"), members.get("mem_cost")
        if not isinstance(key, str) or not isinstance(separator, str):
            raise MalformedHashError("signer key or salt separator")
        if type(rounds) is not int or type(mem_cost) is not int or min(rounds, mem_cost) < 1:
            raise MalformedHashError("rounds or mem_cost")
        signer_key = _octets(key)
        if not signer_key:
            raise MalformedHashError("signer key")
        return cls(signer_key=signer_key, salt_separator=_octets(separator), rounds=rounds, mem_cost=mem_cost)

    def read(self, password_hash: str, salt: str) -> FirebaseScrypt:
        """The hash of an exported user's `passwordHash` and `salt`.

        Raises:
            MalformedHashError, CostlyHashError.
        """
        stored = _octets(password_hash)
        if len(stored) != len(self.signer_key):
            raise MalformedHashError("the hash is not as long as the signer key")
        key = bytes(one ^ other for one, other in zip(stored, self.signer_key, strict=True))
        # Two blocks of the cipher prove as much as all of them.
        return FirebaseScrypt.of(self.mem_cost, self.rounds, 1, _octets(salt) + self.salt_separator, key[:32])
