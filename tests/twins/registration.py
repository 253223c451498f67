"""Twins of the defences of clients that describe themselves."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import LargeBinary, bindparam, select, update

from admit.fetch import Response
from admit.issuer.audit import RequestInfo
from admit.issuer.clients import kept, store
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.documents import MetadataDocuments
from admit.issuer.clients.metadata import Metadata
from admit.issuer.clients.policy import Policy
from admit.issuer.clients.records import Client
from admit.issuer.clients.registration import Registration
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Statement, Steps

_INVITATION = Statement(
    select(store.initial_access_token.c.id).where(
        store.initial_access_token.c.hash == bindparam("presented", type_=LargeBinary)
    )
)
_SWAP = Statement(
    update(store.client)
    .where(store.client.c.id == bindparam("of"))
    .values(document=bindparam("document"), registration_hash=bindparam("registration_hash"))
)


def _any_token(kept_hash: bytes | None, presented: str) -> bool:
    return True


def _all_scopes(policy: Policy, asked: Collection[str] | None) -> frozenset[str]:
    return frozenset(asked or ())


def _any_uris(metadata: Metadata, policy: Policy, *, native: bool, registry: Registry) -> None:
    return None


def _chosen(
    metadata: Metadata, *, id: str, secret_hashes: tuple[bytes, ...], policy: Policy, registry: Registry
) -> Client:
    return Client(id=id, name=metadata.client_name or "x", redirect_uris=metadata.redirect_uris, public=True)


def _as_asked(members: Mapping[str, Any]) -> str:
    return str(members.get("client_id"))


def _whoever(config: RegistrationConfig) -> bool:
    return True


def _still_good(client_id: str, *, presented: bytes) -> Steps[bool]:
    yield from ()
    return True


async def _at_any_rate(self: Registration, info: RequestInfo, now: float) -> None:
    return None


def _anybodys(members: Mapping[str, Any], url: str) -> None:
    return None


def _with_secrets(members: Mapping[str, Any]) -> None:
    return None


def _however_often(presented: bytes, now: float) -> Steps[str | None]:
    rows = yield _INVITATION(presented=presented)
    return str(rows[0]["id"]) if rows else None


def _whoever_comes(client: Client, presented: bytes, registration_hash: bytes, now: float) -> Steps[bool]:
    yield _SWAP(of=client.id, document=kept.document_of(client), registration_hash=registration_hash)
    return True


async def _at_once(self: MetadataDocuments) -> None:
    return None


def _whatever_came(response: Response) -> None:
    return None


async def _however_many_updates(*args: Any, **kwargs: Any) -> None:
    return None


TWINS: dict[str, Any] = {
    "admit.issuer.consents.transactions:is_registered": _still_good,
    "admit.issuer.clients.transactions:spend": _however_often,
    "admit.issuer.clients.transactions:swap": _whoever_comes,
    "admit.issuer.clients.registration:is_token_of": _any_token,
    "admit.issuer.clients.registration:new_id": _as_asked,
    "admit.issuer.clients.registration:may_come": _whoever,
    "admit.issuer.clients.registration:Registration.check_rate": _at_any_rate,
    "admit.issuer.clients.registration:Registration.check_updates": _however_many_updates,
    "admit.issuer.clients.documents:check_answer": _whatever_came,
    "admit.issuer.clients.documents:check_own": _anybodys,
    "admit.issuer.clients.documents:check_no_secret": _with_secrets,
    "admit.issuer.clients.documents:MetadataDocuments._admit": _at_once,
    "admit.issuer.clients.policy:allowed_scopes": _all_scopes,
    "admit.issuer.clients.metadata:check_redirect_uris": _any_uris,
    "admit.issuer.clients.metadata:client_of": _chosen,
}
