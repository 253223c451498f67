"""A key with exactly one algorithm, RFC 7517. The key decides how a token is checked; a token never does."""

from collections.abc import Mapping
from os import urandom
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, final

from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding

from admit.errors import InvalidKeyError, MalformedTokenError
from admit.jose import base64url, binding, json, material
from admit.jose.algorithms import JwsAlg, Sign, Verify
from admit.jose.binding import Row
from admit.jose.material import KeyMaterial, octet
from admit.jose.parsing import holds_pem, octets

if TYPE_CHECKING:
    from admit.jose.key_management import Unwrap, Wrap

_MAX_KEY_SIZE = 65_536
_DER = b"\x30"  # a SEQUENCE; JSON and PEM begin otherwise


@final
class JWK:
    """One key, one algorithm, RFC 7517 §4. Immutable; `repr` shows no secret.

    Made by `generate`, `secret`, `password` or `load`. `alg` is the only algorithm it will ever work with, for
    signatures or for encryption and never for both; `use` and `key_ops` are obeyed. `is_private` is true of
    symmetric keys too. Two keys are equal when they are the same key with the same restrictions. `signer`,
    `verifier`, `wrapper`, `unwrapper` and `is_direct` are what `jws` and `jwe` work with: call those.
    """

    __slots__ = (
        "_headers",
        "_material",
        "_row",
        "_thumbprint",
        "alg",
        "is_direct",
        "is_private",
        "key_ops",
        "kid",
        "kty",
        "signature_size",
        "signer",
        "unwrapper",
        "use",
        "verifier",
        "wrapper",
    )

    alg: str
    kty: str
    kid: str | None
    use: str | None
    key_ops: frozenset[str] | None
    is_private: bool
    signature_size: int
    signer: Sign | None
    verifier: Verify | None
    wrapper: "Wrap | None"
    unwrapper: "Unwrap | None"
    is_direct: bool
    _headers: dict[str | None, bytes]
    _material: KeyMaterial
    _row: Row
    _thumbprint: str

    def __init__(
        self,
        key_material: KeyMaterial,
        row: Row,
        *,
        kid: str | None = None,
        use: str | None = None,
        key_ops: frozenset[str] | None = None,
    ) -> None:
        """Bind checked material to a row. Internal: `generate`, `secret` and `load` are the ways in."""
        binding.check_suits(key_material, row)
        binding.check_purpose(use, key_ops, signs=isinstance(row, JwsAlg))
        binding.check_kid(kid)
        private = key_material.private
        signer: Sign | None = None
        verifier: Verify | None = None
        wrapper: Wrap | None = None
        unwrapper: Unwrap | None = None
        if isinstance(row, JwsAlg):
            if private is not None and binding.may(key_ops, frozenset({"sign"})):
                signer = row.signer(private)
            if binding.may(key_ops, frozenset({"verify"})):
                verifier = row.verifier(key_material.public)
        else:
            if binding.may(key_ops, binding.FOR_WRAPPING):
                wrapper = row.wrapper(key_material)
            if private is not None and binding.may(key_ops, binding.FOR_UNWRAPPING):
                unwrapper = row.unwrapper(key_material)
        put = object.__setattr__
        put(self, "_material", key_material)
        put(self, "_thumbprint", _thumbprint(key_material))
        put(self, "alg", row.name)
        put(self, "kty", row.kty)
        put(self, "kid", kid)
        put(self, "use", use)
        put(self, "key_ops", key_ops)
        put(self, "is_private", private is not None)
        put(self, "signature_size", binding.signature_size(key_material, row))
        put(self, "_row", row)
        put(self, "signer", signer)
        put(self, "verifier", verifier)
        put(self, "wrapper", wrapper)
        put(self, "unwrapper", unwrapper)
        put(self, "is_direct", not isinstance(row, JwsAlg) and row.direct)
        put(self, "_headers", {})  # of its tokens, encoded, by `typ`: what `jws` prepares

    @classmethod
    def generate(
        cls, alg: str, *, crv: str | None = None, kid: str | None = None, bits: int | None = None
    ) -> "JWK":
        """A new key from the system's random source. Symmetric ones have the size that `alg` asks for.

        `crv` is for algorithms of several curves: without it `EdDSA` makes an Ed25519 key and `ECDH-ES` one of
        P-256. `bits` is for RSA: 2048, which is what it is without, 3072 or 4096. `kid` defaults to the thumbprint,
        RFC 7638 §1; of a symmetric key to a random name, since its thumbprint tells of the secret (RFC 7638 §7).

        Raises:
            InvalidKeyError: `alg` is unknown, takes no such curve or size, or does not say what key it wants (`dir`,
                PBES2).
        """
        rows = binding.rows_of(alg)
        if crv is not None:
            rows = [one for one in rows if isinstance(crv, str) and crv in one.curves]
        if not rows:
            raise InvalidKeyError("alg is not supported, or not with that curve")
        row = rows[0]
        if row.kty == "oct" and (alg == "dir" or row.curves):
            raise InvalidKeyError("alg does not say which key it wants")
        size = row.min_bits if isinstance(row, JwsAlg) else row.bits or row.min_bits
        if bits is not None:
            binding.check_bits(row, bits)
            size = bits
        fresh = material.KEY_TYPES[row.kty].generate(crv or min(row.curves, default=None), size)
        if kid is None:
            kid = _random_name() if row.kty == "oct" else _thumbprint(fresh)
        return cls(fresh, row, kid=kid)

    @classmethod
    def secret(cls, raw: bytes, alg: str, *, kid: str | None = None) -> "JWK":
        """A symmetric key from octets of your own, at least as many as the hash has, RFC 7518 §3.2.

        Octets, not text: a secret kept as base64 or hex is decoded first, else its length promises too much.

        Raises:
            InvalidKeyError: too short; a PEM, DER, JWK or SSH form; a repeated or well-known secret; or
                `alg` takes no symmetric key.
        """
        if not isinstance(raw, bytes):
            raise InvalidKeyError("a secret is bytes")
        found = octet.of_secret(raw)
        return cls(found, binding.row_of(alg, found), kid=kid)

    @classmethod
    def password(cls, password: bytes, alg: str, *, kid: str | None = None) -> "JWK":
        """What a person remembers, to encrypt with: only for the algorithms of PBES2, RFC 7518 §4.8, RFC 8725 §3.5.

        This is the one way to them: whoever gets such a token can try passwords at leisure, so a key is better.

        Raises:
            InvalidKeyError: empty or over 1,024 octets, or another algorithm.
        """
        if not isinstance(password, bytes):
            raise InvalidKeyError("a password is bytes")
        found = octet.of_password(password)
        return cls(found, binding.row_of(alg, found), kid=kid)

    @classmethod
    def load(
        cls, data: bytes | str | Mapping[str, Any], *, alg: str | None = None, kid: str | None = None
    ) -> "JWK":
        """Read a JWK (JSON text or mapping, RFC 7517 §4), or one key as PEM or DER, or the certificate of one as PEM.

        The algorithm is the key's own `alg`, else the argument, else for EC and OKP the one of the curve
        (`EdDSA` for Ed25519: pass `alg="Ed25519"` for RFC 9864's name). RSA and oct keys always need one.

        Raises:
            InvalidKeyError: malformed, too weak, of an unsupported kind, or contradicting an argument.
        """
        if isinstance(data, Mapping):
            return cls._from_members(dict(data), alg, kid)
        raw = octets(data)
        if raw is None:
            raise InvalidKeyError("neither a JWK nor a PEM or DER key")
        if len(raw) > _MAX_KEY_SIZE:
            raise InvalidKeyError("the key is too large")
        try:
            if raw.startswith(_DER) or holds_pem(raw):
                from admit.jose import pem  # with the first such key: it loads every type of key

                found = pem.read_der(raw) if raw.startswith(_DER) else pem.read_pem(raw)
                return cls(found, binding.resolve(found, None, alg), kid=kid)
            members = json.loads_object(raw, max_size=_MAX_KEY_SIZE)
        except MalformedTokenError:
            raise InvalidKeyError("neither a JWK nor a PEM or DER key") from None
        return cls._from_members(members, alg, kid)

    @classmethod
    def _from_members(cls, members: Mapping[str, Any], alg: str | None, kid: str | None) -> "JWK":
        own_alg, own_kid = _optional_text(members, "alg"), _optional_text(members, "kid")
        if kid is not None and own_kid is not None and kid != own_kid:
            raise InvalidKeyError("kid is not the key's own")
        use, key_ops = _optional_text(members, "use"), binding.operations(members)
        found = material.read_members(members)
        binding.check_certificate(members, found)
        return cls(
            found,
            binding.resolve(found, own_alg, alg),
            kid=own_kid if kid is None else kid,
            use=use,
            key_ops=key_ops,
        )

    def public(self) -> "JWK":
        """The public half, with the same `alg`, `kid` and `use`.

        Raises:
            InvalidKeyError: the key is symmetric, so there is none.
        """
        if not self.is_private:
            return self
        half = self._public_material()
        operations = None if self.key_ops is None else binding.public_operations(self.key_ops)
        return JWK(half, self._row, kid=self.kid, use=self.use, key_ops=operations)

    def _public_material(self) -> KeyMaterial:
        whole = self._material
        if not whole.public_members:
            raise InvalidKeyError("a symmetric key has no public half")
        return KeyMaterial(
            whole.kty, whole.crv, whole.bits, whole.public, None, whole.public_members, MappingProxyType({})
        )

    def to_dict(self, *, private: bool = False) -> dict[str, Any]:
        """The members of this key as a JWK, RFC 7517 §4; the secret ones only with `private=True`.

        Certificates (`x5c` and its kin) and members that nobody knows are not kept, so they are not written.

        Raises:
            InvalidKeyError: the private form of a public key or of a password, or the public form of a symmetric one.
        """
        whole = self._material
        if whole.crv == octet.PASSWORD:  # as a JWK it would be an `oct` key, and it is no key
            raise InvalidKeyError("a password has no form as a JWK")
        if private and not self.is_private:
            raise InvalidKeyError("a public key has no private form")
        members: dict[str, Any] = dict(whole.public_members if not private else {})
        if private:
            members = {**whole.public_members, **whole.private_members}
        elif not members:
            raise InvalidKeyError("a symmetric key has no public form")
        members["alg"] = self.alg
        if self.kid is not None:
            members["kid"] = self.kid
        if self.use is not None:
            members["use"] = self.use
        if self.key_ops is not None:
            shown = self.key_ops if private else binding.public_operations(self.key_ops)
            members["key_ops"] = sorted(shown)
        return members

    def to_private_bytes(self) -> bytes:
        """The private JWK as JSON; `JWK.load` reads it back. Seal it before it is stored.

        Raises:
            InvalidKeyError: the key is public, or a password.
        """
        return json.dumps_object(self.to_dict(private=True))

    def to_pem(self, *, private: bool = False) -> bytes:
        """The key as PEM: SubjectPublicKeyInfo, or PKCS #8 without encryption with `private=True`.

        Raises:
            InvalidKeyError: a symmetric key, or the private form of a public one.
        """
        return self._written(Encoding.PEM, private)

    def to_der(self, *, private: bool = False) -> bytes:
        """The key as DER, else as `to_pem`. Raises InvalidKeyError as it does."""
        return self._written(Encoding.DER, private)

    def _written(self, encoding: Encoding, private: bool) -> bytes:
        from admit.jose import pem

        return pem.write(self._material, private=private, encoding=encoding)

    def thumbprint(self) -> str:
        """base64url of the SHA-256 of the required members, RFC 7638 §3. Of `oct` it hashes the secret."""
        return self._thumbprint

    def thumbprint_uri(self) -> str:
        """The thumbprint as a name for the key, RFC 9278 §3. Raises InvalidKeyError for `oct`: it would tell of it."""
        if self.kty == "oct":
            raise InvalidKeyError("the thumbprint of a secret is not published")
        return f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{self._thumbprint}"

    def __repr__(self) -> str:
        return f"JWK(alg={self.alg!r}, kid={self.kid!r}, is_private={self.is_private})"

    def _identity(self) -> tuple[object, ...]:
        return (self._thumbprint, self.alg, self.kid, self.is_private, self.use, self.key_ops)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JWK) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a JWK cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a JWK cannot be changed")

    def __copy__(self) -> "JWK":
        return self

    def __deepcopy__(self, memo: object) -> "JWK":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a JWK is not pickled: to_private_bytes() and JWK.load() move a key on purpose")


def _optional_text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None and name not in members:
        return None
    if not isinstance(value, str):
        raise InvalidKeyError(f"{name} is not a string")
    return value


def _random_name() -> str:
    """A `kid` that tells nothing of its key."""
    return base64url.encode(urandom(16)).decode("ascii")


def _thumbprint(found: KeyMaterial) -> str:
    members = found.thumbprint_members
    digest = Hash(SHA256())
    digest.update(json.dumps_object({name: members[name] for name in sorted(members)}))
    return base64url.encode(digest.finalize()).decode("ascii")
