"""The hashes of other systems as they are stored here. Each knows how it is written, checked and imitated."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import ClassVar, Final, Self, TypeAlias

import argon2
import bcrypt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from admit.issuer.accounts.foreign import bounds
from admit.issuer.accounts.foreign.errors import MalformedHashError

MIN_DIGEST: Final = 16  # octets: a shorter one would take wrong passwords for right ones
MAX_DIGEST: Final = 128
MAX_SALT: Final = 512
BCRYPT_READS: Final = 72  # octets of a password; all others after them make no difference, and never did
_DIGITS: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*", re.ASCII)


def to_base64(octets: bytes) -> str:
    """The PHC string format's base64: no padding."""
    return base64.b64encode(octets).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes:
    """Octets of base64 with or without padding. Raises: MalformedHashError."""
    bare = text.rstrip("=")
    if not _BASE64.fullmatch(bare) or len(text) - len(bare) > 2:
        raise MalformedHashError("not base64")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise MalformedHashError("not base64") from None


def number(text: str) -> int:
    """A positive whole number. Raises: MalformedHashError."""
    if not _DIGITS.fullmatch(text):
        raise MalformedHashError("not a number")
    return int(text)


def parameters(text: str, *names: str) -> list[int]:
    """The numbers of `n=1,m=2`, in the order of `names`, which must be all of them. Raises: MalformedHashError."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if [name for name, _, _ in pairs] != list(names):
        raise MalformedHashError("parameters")
    return [number(value) for _, _, value in pairs]


def check_sizes(salt: bytes, key: bytes) -> None:
    """Raises: MalformedHashError for a salt or digest that no such system makes."""
    if len(salt) > MAX_SALT or not MIN_DIGEST <= len(key) <= MAX_DIGEST:
        raise MalformedHashError("length of salt or digest")


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """PBKDF2 with HMAC, RFC 8018 §5.2.

    Its output is made block by block, each at the full price. The first is kept: it proves as much as all of them.
    """

    SIZES: ClassVar[Mapping[str, int]] = MappingProxyType({"sha1": 20, "sha256": 32, "sha512": 64})

    hash: str
    iterations: int
    salt: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, hash: str, iterations: int, salt: bytes, key: bytes) -> "Pbkdf2":
        """Checked. Raises: ForeignHashError."""
        if hash not in cls.SIZES:
            raise MalformedHashError("hash function of PBKDF2")
        check_sizes(salt, key)
        bounds.check_cost(work=iterations, most=bounds.PBKDF2_ITERATIONS)
        return cls(hash, iterations, salt, key[: cls.SIZES[hash]])

    def encode(self) -> str:
        return f"$pbkdf2-{self.hash}$i={self.iterations}${to_base64(self.salt)}${to_base64(self.key)}"

    def matches(self, password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(self.hash, password, self.salt, self.iterations, len(self.key))
        return hmac.compare_digest(made, self.key)

    def another(self) -> Self:
        return replace(self, salt=secrets.token_bytes(len(self.salt)), key=secrets.token_bytes(len(self.key)))


@dataclass(frozen=True, slots=True)
class Scrypt:
    """scrypt, RFC 7914, with N = 2^`ln`."""

    NAME: ClassVar[str] = "scrypt"

    ln: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, ln: int, r: int, p: int, salt: bytes, key: bytes) -> Self:
        """Checked. Raises: ForeignHashError."""
        check_sizes(salt, key)
        # Bounded one by one first: what numbers of ten digits would make is no shift to try.
        bounds.check_cost(work=ln, most=30)
        bounds.check_cost(work=max(r, p), most=1 << 16)
        bounds.check_cost(work=r * p, most=bounds.SCRYPT_BLOCKS)
        bounds.check_cost(work=(r * p) << ln, most=bounds.SCRYPT_WORK, memory=128 * r << ln)
        if ln >= 16 * r:  # RFC 7914 §2: N is less than 2^(128·r/8). Libraries refuse it, at the sign-in
            raise MalformedHashError("N of scrypt is too large for its r")
        return cls(ln, r, p, salt, key)

    def encode(self) -> str:
        salt, key = to_base64(self.salt), to_base64(self.key)
        return f"${self.NAME}$ln={self.ln},r={self.r},p={self.p}${salt}${key}"

    def derive(self, password: bytes, size: int) -> bytes:
        """The first octets of the output."""
        n = 1 << self.ln
        return hashlib.scrypt(
            password,
            salt=self.salt,
            n=n,
            r=self.r,
            p=self.p,
            maxmem=256 * self.r * (n + self.p + 2),
            dklen=size,
        )

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(self.derive(password, len(self.key)), self.key)

    def another(self) -> Self:
        return replace(self, salt=secrets.token_bytes(len(self.salt)), key=secrets.token_bytes(len(self.key)))


@dataclass(frozen=True, slots=True)
class FirebaseScrypt(Scrypt):
    """Firebase's: scrypt's output is the key of AES-256-CTR, and what that makes of zeros is kept.

    Firebase encrypts its project's signer key instead. The one is the other XOR that key, so that the import can take
    it out (see `firebase`), and no sign-in needs it.
    """

    NAME: ClassVar[str] = "firebase-scrypt"

    def matches(self, password: bytes) -> bool:
        # AES in counter mode from zero: nothing is encrypted twice under this key, and nothing is kept secret by it.
        cipher = Cipher(algorithms.AES(self.derive(password, 32)), modes.CTR(bytes(16)))
        return hmac.compare_digest(cipher.encryptor().update(bytes(len(self.key))), self.key)


class Prehash(Enum):
    """What some systems make of a password before bcrypt, so that all of it counts."""

    NONE = ""
    SHA256_HEX = "sha256-hex"
    """Django's `bcrypt_sha256`."""
    SHA256_BASE64 = "sha256-b64"
    """passlib's `bcrypt_sha256`, version 1."""
    HMAC_SHA256_BASE64 = "hmac-sha256-b64"
    """passlib's `bcrypt_sha256`, version 2: the salt, as it is written, is the key."""


_BCRYPT: Final = re.compile(r"\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})", re.ASCII)
_BCRYPT_ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _without_spare_bits(text: str, spare: int) -> str:
    # 16 octets of salt and 23 of digest do not fill their last characters; some systems left noise in the rest.
    last = _BCRYPT_ALPHABET.index(text[-1])
    return text[:-1] + _BCRYPT_ALPHABET[last >> spare << spare]


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """bcrypt in its `$2a$`, `$2b$` and `$2y$` spellings, which mean one thing.

    It reads 72 octets of a password. With such a hash a password that is right up to there is right, as it was in the
    system that made it; the hash that replaces it at the first sign-in is of the whole password that was typed then.
    """

    text: str = field(repr=False)
    prehash: Prehash = Prehash.NONE

    @classmethod
    def of(cls, text: str, prehash: Prehash = Prehash.NONE) -> "Bcrypt":
        """Checked. Raises: ForeignHashError."""
        found = _BCRYPT.fullmatch(text)
        if found is None or not 4 <= int(found[1]) <= 31:
            raise MalformedHashError("bcrypt")
        bounds.check_cost(work=int(found[1]), most=bounds.BCRYPT_COST)
        salt, digest = _without_spare_bits(found[2], 4), _without_spare_bits(found[3], 2)
        return cls(f"$2b${found[1]}${salt}{digest}", prehash)

    def encode(self) -> str:
        return f"$bcrypt-{self.prehash.value}{self.text}" if self.prehash is not Prehash.NONE else self.text

    def matches(self, password: bytes) -> bool:
        made = bcrypt.hashpw(self._hashed_first(password)[:BCRYPT_READS], self.text[:29].encode("ascii"))
        return hmac.compare_digest(made, self.text.encode("ascii"))

    def _hashed_first(self, password: bytes) -> bytes:
        match self.prehash:
            case Prehash.NONE:
                return password
            case Prehash.SHA256_HEX:
                return hashlib.sha256(password).hexdigest().encode("ascii")
            case Prehash.SHA256_BASE64:
                return base64.b64encode(hashlib.sha256(password).digest())
            case Prehash.HMAC_SHA256_BASE64:
                return base64.b64encode(hmac.digest(self.text[7:29].encode("ascii"), password, "sha256"))

    def another(self) -> "Bcrypt":
        salt = bcrypt.gensalt(int(self.text[4:6])).decode("ascii")
        digest = "".join(secrets.choice(_BCRYPT_ALPHABET) for _ in range(31))
        return replace(self, text=salt + _without_spare_bits(digest, 2))


_ARGON2: Final = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=(?:19|16)\$)?([a-z0-9=,]+)\$([^$]+)\$([^$]+)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Argon2:
    """Argon2 with other parameters than ours, RFC 9106 §3.1, in the PHC string format."""

    text: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "Argon2":
        """Checked. Raises: ForeignHashError."""
        found = _ARGON2.fullmatch(text)
        if found is None:
            raise MalformedHashError("argon2")
        memory, passes, lanes = parameters(found[1], "m", "t", "p")
        salt, key = from_base64(found[2]), from_base64(found[3])
        check_sizes(salt, key)
        if len(salt) < 8 or memory < 8 * lanes:  # RFC 9106 §3.1
            raise MalformedHashError("parameters of argon2")
        bounds.check_cost(work=lanes, most=bounds.ARGON2_LANES)
        bounds.check_cost(work=passes * lanes, most=bounds.ARGON2_STEPS)
        bounds.check_cost(work=memory * passes, most=bounds.ARGON2_WORK, memory=memory << 10)
        return cls(f"{text[: found.start(2)]}{to_base64(salt)}${to_base64(key)}")

    @classmethod
    def of_bare(cls, text: str) -> "Argon2":
        """Django's: the same after its own word, without the first dollar. Raises: ForeignHashError."""
        return cls.of(f"${text}")

    def encode(self) -> str:
        return self.text

    def matches(self, password: bytes) -> bool:
        try:
            return argon2.PasswordHasher().verify(self.text, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def another(self) -> "Argon2":
        head, salt, key = self.text.rsplit("$", 2)
        made = (to_base64(secrets.token_bytes(len(from_base64(part)))) for part in (salt, key))
        return Argon2("$".join((head, *made)))


ForeignHash: TypeAlias = Argon2 | Bcrypt | FirebaseScrypt | Pbkdf2 | Scrypt


def _pbkdf2(kind: str, text: str) -> Pbkdf2:
    settings, salt, key = _three(text)
    (iterations,) = parameters(settings, "i")
    return Pbkdf2.of(kind.removeprefix("pbkdf2-"), iterations, from_base64(salt), from_base64(key))


def _scrypt(kind: str, text: str) -> Scrypt:
    settings, salt, key = _three(text)
    made = FirebaseScrypt if kind == FirebaseScrypt.NAME else Scrypt
    ln, r, p = parameters(settings, "ln", "r", "p")
    return made.of(ln, r, p, from_base64(salt), from_base64(key))


def _bcrypt(kind: str, text: str) -> Bcrypt:
    return Bcrypt.of(f"${text}", Prehash(kind.removeprefix("bcrypt-")))


def _three(text: str) -> list[str]:
    parts = text.split("$")
    if len(parts) != 3:
        raise MalformedHashError("number of parts")
    return parts


_KINDS: Final[Mapping[str, Callable[[str, str], ForeignHash]]] = MappingProxyType(
    {f"pbkdf2-{hash}": _pbkdf2 for hash in Pbkdf2.SIZES}
    | {one.NAME: _scrypt for one in (Scrypt, FirebaseScrypt)}
    | {f"bcrypt-{one.value}": _bcrypt for one in Prehash if one is not Prehash.NONE}
    | {f"2{letter}": lambda kind, text: Bcrypt.of(f"${kind}${text}") for letter in "aby"}
    | {f"argon2{kind}": lambda kind, text: Argon2.of(f"${kind}${text}") for kind in ("id", "i", "d")}
)
"""By what stands between the first two dollars."""


def decode(text: str) -> ForeignHash | None:
    """What `encode` wrote; None for what begins like none of it. Raises: ForeignHashError."""
    first, kind, rest = [*text.split("$", 2), "", ""][:3]
    reader = _KINDS.get(kind) if first == "" else None
    return None if reader is None else reader(kind, rest)
