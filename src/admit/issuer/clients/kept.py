"""Clients and resources as the database keeps them: one JSON document each, strictly decoded. Pure.

All fields are written, defaults too, so that a default that changes later changes no client that is there. A document
with a field that this version does not know was written by a later one: it is refused, for the field may be a bound.
"""

import dataclasses
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from admit.errors import AdmitError
from admit.issuer.clients.records import Client, Resource

T = TypeVar("T", Client, Resource)
DIGEST: Final = 32  # octets of a SHA-256
_SECRETS: Final = frozenset({"secret_hashes", "secret_hash"})  # they have columns of their own
_OF_SETTINGS: Final = frozenset({"api_login"})  # no row gives a client that


class KeptError(AdmitError):
    """A kept document cannot be read by this version."""


def _plain(value: object) -> object:
    """What msgspec does not know how to write."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise TypeError(type(value).__name__)


def _document(value: Client | Resource) -> str:
    members: dict[str, Any] = msgspec.to_builtins(value, order="deterministic", enc_hook=_plain)
    for name in ("id", *_SECRETS, *_OF_SETTINGS):
        members.pop(name, None)
    return msgspec.json.encode(members).decode()


def _known(kind: type[Client] | type[Resource]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind)) - _SECRETS - _OF_SETTINGS - {"id"}


_KNOWN: Final = {kind: _known(kind) for kind in (Client, Resource)}
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Any])


def _read(kind: type[T], id: str, document: str, **columns: object) -> T:
    try:
        members = _MEMBERS.decode(document)
        if not members.keys() <= _KNOWN[kind]:
            raise KeptError("a field of a later version")
        members.update(columns, id=id)
        return msgspec.convert(members, kind, builtin_types=(bytes,))
    except msgspec.MsgspecError as error:
        raise KeptError(type(error).__name__) from error


def document_of(client: Client) -> str:
    """The client as JSON, without its id and the hashes of its secrets."""
    return _document(client)


def join(hashes: tuple[bytes, ...]) -> bytes:
    """The hashes as one column."""
    return b"".join(hashes)


def split(column: bytes | None) -> tuple[bytes, ...]:
    """The hashes that one column holds."""
    octets = bytes(column or b"")
    return tuple(octets[at : at + DIGEST] for at in range(0, len(octets), DIGEST))


# What is remembered is what the very same text says, so nothing here can be out of date.
@lru_cache(maxsize=1_024)
def client_of(id: str, document: str, secret_hashes: bytes | None) -> Client:
    """The client that a row holds.

    Raises:
        KeptError: it is not what this version writes.
    """
    return _read(Client, id, document, secret_hashes=split(secret_hashes))


def document_of_resource(resource: Resource) -> str:
    """The resource as JSON, without its id and the hash of its secret."""
    return _document(resource)


def resource_of(id: str, document: str, secret_hash: bytes | None) -> Resource:
    """The resource that a row holds.

    Raises:
        KeptError: it is not what this version writes.
    """
    hash = bytes(secret_hash) if secret_hash is not None else None
    return _read(Resource, id, document, secret_hash=hash)
