"""Keycloak's passwords: two JSON texts, `credentialData` (how) and `secretData` (what)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from admit.errors import MalformedTokenError
from admit.issuer.accounts.foreign.errors import MalformedHashError, UnknownHashError
from admit.issuer.accounts.foreign.schemes import Argon2, ForeignHash, Pbkdf2, from_base64, number, to_base64
from admit.jose import json as strict_json

_PBKDF2: Final[Mapping[str, str]] = MappingProxyType(
    {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
)
_VERSIONS: Final = MappingProxyType({"1.3": "19", "1.0": "16"})


def read_keycloak(credential_data: str, secret_data: str) -> ForeignHash:
    """The hash of the two columns of Keycloak's table `credential`, or of the same members of a realm export.

    Raises:
        UnknownHashError, MalformedHashError, CostlyHashError.
    """
    how, what = _object(credential_data), _object(secret_data)
    algorithm, iterations = how.get("algorithm"), how.get("hashIterations")
    salt, key = from_base64(_text(what.get("salt"))), from_base64(_text(what.get("value")))
    if type(iterations) is not int or iterations < 1:
        raise MalformedHashError("hashIterations")
    if algorithm == "argon2":
        return _argon2(how.get("additionalParameters"), iterations, salt, key)
    if not isinstance(algorithm, str) or algorithm not in _PBKDF2:
        raise UnknownHashError("algorithm of Keycloak")
    return Pbkdf2.of(_PBKDF2[algorithm], iterations, salt, key)


def _argon2(more: Any, iterations: int, salt: bytes, key: bytes) -> ForeignHash:
    kind, version = _first(more, "type"), _first(more, "version")
    memory, lanes = number(_first(more, "memory")), number(_first(more, "parallelism"))
    if kind not in ("id", "i", "d") or version not in _VERSIONS:
        raise MalformedHashError("parameters of argon2")
    return Argon2.of(
        f"$argon2{kind}$v={_VERSIONS[version]}$m={memory},t={iterations},p={lanes}${to_base64(salt)}${to_base64(key)}"
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        return strict_json.loads_object(text.encode("utf-8"))
    except (MalformedTokenError, UnicodeEncodeError):
        raise MalformedHashError("not a JSON object") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedHashError("a member is not text")
    return value


def _first(members: Any, name: str) -> str:
    """Keycloak keeps a list of texts for each of these."""
    values = members.get(name) if isinstance(members, dict) else None
    if not isinstance(values, list) or len(values) != 1:
        raise MalformedHashError("additionalParameters")
    return _text(values[0])
