"""Which API calls: a resource's id and secret by Basic. One function for `/session/lookup` and `/introspect`."""

from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients import rules as clients
from admit.issuer.clients.records import Resource
from admit.issuer.clients.registry import Registry
from admit.issuer.oauth import refusals
from admit.issuer.oauth.client_auth.client_secret import parse_basic
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.services import Services


def verified(resource: Resource | None, secret: str) -> Resource:
    """The resource, once its secret was shown.

    Raises:
        InvalidClientError: unknown, without a secret, or another one.
    """
    kept = resource.secret_hash if resource is not None else None
    if resource is None or kept is None or not clients.verify_secret((kept,), secret):
        raise InvalidClientError("unknown resource or wrong secret")
    return resource


def shown(authorization: bytes | None, registry: Registry) -> tuple[Resource | None, str]:
    """The resource in whose name a request comes, if any, and the secret that it is yet to be proved by.

    A resource's id is a URL. RFC 6749 §2.3.1 has it encoded, which many libraries and `curl -u` leave undone: then the
    last colon is the one before the secret, which has none.

    Raises:
        InvalidClientError: no such header.
    """
    resource_id, secret = parse_basic(authorization)
    found = registry.resource(resource_id)
    if found is None and "://" in (plain := f"{resource_id}:{secret}"):
        resource_id, _, secret = plain.rpartition(":")
        found = registry.resource(resource_id)
    return found, secret


async def authenticated(
    services: Services, authorization: bytes | None, *, info: RequestInfo, now: float
) -> Resource:
    """The resource whose id and secret the Basic header holds, with wrong secrets in a resource's name counted.

    Raises:
        InvalidClientError: anything else.
        ThrottledError: too many wrong ones in this resource's name from this network.
    """
    named, secret = shown(authorization, services.registry)
    return await proved(services, named, secret, info=info, now=now)


async def if_claimed(
    services: Services, authorization: bytes | None, *, info: RequestInfo, now: float
) -> Resource | None:
    """The same; None where the request comes in no resource's name, to be proved in another way.

    Raises:
        InvalidClientError, ThrottledError: as `authenticated` does.
    """
    try:
        named, secret = shown(authorization, services.registry)
    except InvalidClientError:
        return None
    return None if named is None else await proved(services, named, secret, info=info, now=now)


async def proved(
    services: Services, named: Resource | None, secret: str, *, info: RequestInfo, now: float
) -> Resource:
    """`verified`, with wrong secrets counted."""
    try:
        return verified(named, secret)
    except InvalidClientError:
        if named is not None:
            await refusals.count_wrong_secret(services, named.id, info=info, now=now)
        raise
