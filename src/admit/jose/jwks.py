"""Sets of keys, RFC 7517 §5: one's own are read strictly, another's tolerantly."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NoReturn, final

from admit.errors import (
    AlgorithmError,
    ConfigError,
    InvalidKeyError,
    KeyNotFoundError,
    MalformedTokenError,
)
from admit.jose import json
from admit.jose.binding import FOR_WRAPPING, is_alg_of
from admit.jose.jwk import JWK
from admit.jose.material import PRIVATE_MEMBERS
from admit.jose.parsing import octets

OKP_ALGS = ("EdDSA", "Ed25519", "Ed448")
"""What a published Ed25519 or Ed448 key that names no algorithm can be taken for, RFC 9864 §2.2."""
_AGREEMENT_CURVES = ("X25519", "X448")
MAX_KEYS = 100
MAX_SIZE = 262_144
"""Octets of a key set; the largest of the big providers have a tenth of it."""


@final
class JWKSet:
    """An immutable set of keys, RFC 7517 §5, found by `kid` and `alg`.

    `private_seen` tells that a foreign set published secret or private members: its issuer must be told, and
    none of those keys was taken.
    """

    __slots__ = ("_by_id", "_keys", "_kids", "private_seen")

    _by_id: dict[tuple[str | None, str], JWK]
    _keys: tuple[JWK, ...]
    _kids: frozenset[str | None]
    private_seen: bool

    def __init__(self, keys: Iterable[JWK]) -> None:
        """A set of one's own keys.

        Raises:
            InvalidKeyError: two keys share a `kid`, private and public keys are mixed, or more than 100.
        """
        try:
            own = tuple(keys)
        except TypeError:
            raise InvalidKeyError("a key set holds JWKs") from None
        if not all(isinstance(key, JWK) for key in own):
            raise InvalidKeyError("a key set holds JWKs")
        kids = [key.kid for key in own if key.kid is not None]
        if len(set(kids)) != len(kids):
            raise InvalidKeyError("two keys have the same kid")
        if len({key.is_private for key in own}) > 1:
            raise InvalidKeyError("private and public keys are mixed")
        self._fill(own, private_seen=False)

    def _fill(self, keys: tuple[JWK, ...], *, private_seen: bool) -> None:
        if len(keys) > MAX_KEYS:
            raise InvalidKeyError("too many keys")
        by_id: dict[tuple[str | None, str], list[JWK]] = {}
        for key in keys:
            by_id.setdefault((None, key.alg), []).append(key)
            if key.kid is not None:
                by_id.setdefault((key.kid, key.alg), []).append(key)
        # Only what is unambiguous can be found.
        object.__setattr__(
            self, "_by_id", {name: found[0] for name, found in by_id.items() if len(found) == 1}
        )
        object.__setattr__(self, "_keys", keys)
        object.__setattr__(self, "_kids", frozenset(key.kid for key in keys))
        object.__setattr__(self, "private_seen", private_seen)

    @classmethod
    def load(cls, data: bytes | str | Mapping[str, Any]) -> "JWKSet":
        """Read one's own key set; anything odd refuses the whole file.

        Raises:
            InvalidKeyError: no keys, an unusable key, two of one `kid`, or private and public keys mixed.
        """
        members = _members(data)
        if not members:
            raise InvalidKeyError("the key set is empty")
        return cls(JWK.load(_mapping(key)) for key in members)

    @classmethod
    def load_foreign(
        cls,
        data: bytes,
        *,
        use: Literal["sig", "enc"] = "sig",
        rsa_alg: str | None = None,
        ecdh_alg: str = "ECDH-ES",
        okp_alg: str = "EdDSA",
    ) -> "JWKSet":
        """Read a set that another publishes, as RFC 7517 §5 says: what cannot be used is passed over.

        `use` says what for: keys to verify with, or (`"enc"`) keys to encrypt for that other with, RFC 7517 §4.2.
        A key that names neither `alg`, `use` nor `key_ops` is one for signatures (OpenID Connect Registration §2),
        unless its curve is made for agreements (X25519, X448).
        Keys with secret or private members are never taken and set `private_seen`. Of several keys with one
        `kid` and one `alg` none is taken, unless they are the same key. RSA keys without `alg` get `rsa_alg`,
        or are passed over; keys of a curve without `alg` that are to encrypt with get `ecdh_alg`. Ed25519 and Ed448
        keys without `alg` get `okp_alg`: `Ed25519` for an issuer whose tokens have RFC 9864's name; a key of another
        curve than that name's gets `EdDSA`. The result may be empty: then keep the set you have.

        Raises:
            InvalidKeyError: not a key set at all, more than 256 KiB, or more than 100 keys.
            ConfigError: `use` is neither, or one of the algorithms is not for keys of that type and use.
        """
        check_assumed(use, rsa_alg, ecdh_alg, okp_alg)
        taken: dict[tuple[str | None, str, str], JWK] = {}
        private_seen = False
        for entry in _members(data):
            if not isinstance(entry, dict):
                continue
            if entry.get("kty") == "oct" or PRIVATE_MEMBERS & entry.keys():
                private_seen = True
                continue
            try:
                key = JWK.load(entry, alg=_assumed(entry, use, rsa_alg, ecdh_alg, okp_alg))
            except InvalidKeyError:
                continue
            if (key.verifier if use == "sig" else key.wrapper) is not None:
                taken.setdefault((key.kid, key.alg, key.thumbprint()), key)
        found = cls.__new__(cls)
        found._fill(_without_rivals(taken.values()), private_seen=private_seen)
        return found

    def only(self, algs: frozenset[str]) -> "JWKSet":
        """The keys of these algorithms; the very same set where that is all of them."""
        kept = tuple(key for key in self._keys if key.alg in algs)
        if len(kept) == len(self._keys):
            return self
        narrowed = JWKSet.__new__(JWKSet)
        narrowed._fill(kept, private_seen=self.private_seen)
        return narrowed

    def find(self, kid: str | None, alg: str) -> JWK:
        """The one key of that `kid` and `alg`; without a `kid`, the only key of that `alg`.

        Raises:
            KeyNotFoundError: the `kid` is unknown, or there is none and not exactly one key has the `alg`.
            AlgorithmError: the `kid` is known, for another algorithm: fetching the keys again would not help.
        """
        try:
            key: JWK | None = self._by_id.get((kid, alg))
            if key is not None:
                return key
            known = kid is not None and kid in self._kids
        except TypeError:  # a list, say, which names no key
            known = False
        if known:
            raise AlgorithmError("alg is not that of the key named by kid")
        raise KeyNotFoundError("no key of that kid and alg")

    def to_dict(self) -> dict[str, Any]:
        """The public halves as a key set to publish, RFC 7517 §5.

        Raises:
            InvalidKeyError: the set holds a symmetric key, which has no public half.
        """
        return {"keys": [key.to_dict() for key in self._keys]}

    def __iter__(self) -> Iterator[JWK]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"JWKSet({list(self._keys)!r})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a JWKSet cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a JWKSet cannot be changed")

    def __copy__(self) -> "JWKSet":
        return self

    def __deepcopy__(self, memo: object) -> "JWKSet":
        return self


def check_assumed(use: str, rsa_alg: str | None, ecdh_alg: str, okp_alg: str) -> None:
    """Refuse a name that keys without one cannot have: they would all be passed over, and nobody would hear why.

    Raises:
        ConfigError: `use` is neither, or an algorithm is unknown or for other keys.
    """
    if use not in ("sig", "enc"):
        raise ConfigError('use is "sig" or "enc"')
    if okp_alg not in OKP_ALGS:
        raise ConfigError('okp_alg is "EdDSA", "Ed25519" or "Ed448"')
    if rsa_alg is not None and not is_alg_of(rsa_alg, "RSA", signs=use == "sig"):
        raise ConfigError("rsa_alg is an algorithm of RSA keys, of the use asked for")
    if use == "enc" and not is_alg_of(ecdh_alg, "EC", signs=False):
        raise ConfigError("ecdh_alg is ECDH-ES, or one of its kin")


def _assumed(
    entry: Mapping[str, Any], use: str, rsa_alg: str | None, ecdh_alg: str, okp_alg: str
) -> str | None:
    """The algorithm of a published key that names none; None where its curve says it, or nothing does."""
    if "alg" in entry:
        return None
    if use == "sig":
        if entry.get("kty") == "OKP":
            return okp_alg if entry.get("crv") == okp_alg else None
        return rsa_alg if entry.get("kty") == "RSA" else None
    if entry.get("crv") not in _AGREEMENT_CURVES and not _says_encryption(entry):
        return None
    return rsa_alg if entry.get("kty") == "RSA" else ecdh_alg


def _says_encryption(entry: Mapping[str, Any]) -> bool:
    """Whether a key is there to encrypt with, by its own word, RFC 7517 §4.2, §4.3."""
    named = entry.get("key_ops")
    return entry.get("use") == "enc" or (
        isinstance(named, list) and any(name in FOR_WRAPPING for name in named if isinstance(name, str))
    )


def _without_rivals(keys: Iterable[JWK]) -> tuple[JWK, ...]:
    """Drop the keys that share `kid` and `alg` with a different key: neither can be told from the other."""
    groups: dict[tuple[str | None, str], list[JWK]] = {}
    for key in keys:
        groups.setdefault((key.kid, key.alg), []).append(key)
    return tuple(key for (kid, _), group in groups.items() for key in group if kid is None or len(group) == 1)


def _members(data: bytes | str | Mapping[str, Any]) -> list[Any]:
    if isinstance(data, Mapping):
        members: Any = data.get("keys")
    else:
        raw = octets(data)
        if raw is None:
            raise InvalidKeyError("not a key set")
        try:
            members = json.loads_object(raw, max_size=MAX_SIZE).get("keys")
        except MalformedTokenError:
            raise InvalidKeyError("not a key set") from None
    if not isinstance(members, list):
        raise InvalidKeyError("keys is missing or not a list")
    if len(members) > MAX_KEYS:
        raise InvalidKeyError("too many keys")
    return members


def _mapping(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise InvalidKeyError("a key is not an object")
    return entry
