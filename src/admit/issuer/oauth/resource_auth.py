"""Which API calls: a resource's id and secret by Basic. One function for `/session/lookup` and `/introspect`."""

from contextlib import suppress

from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients import rules as clients
from admit.issuer.clients.records import Resource
from admit.issuer.clients.registry import Registry
from admit.issuer.oauth import refusals
from admit.issuer.oauth.client_auth.client_secret import parse_basic
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.services import Services


def authenticate(authorization: bytes | None, registry: Registry) -> Resource:
    """The resource whose id and secret the Basic header holds.

    Raises:
        InvalidClientError: anything else.
    """
    resource_id, secret = parse_basic(authorization)
    resource = registry.resource(resource_id)
    kept = resource.secret_hash if resource is not None else None
    if resource is None or kept is None or not clients.verify_secret((kept,), secret):
        raise InvalidClientError("unknown resource or wrong secret")
    return resource


def claimed(authorization: bytes | None, registry: Registry) -> Resource | None:
    """The resource in whose name an unproven request comes: to choose how it is to prove that, and to count."""
    with suppress(InvalidClientError):
        return registry.resource(parse_basic(authorization)[0])
    return None


async def authenticated(
    services: Services, authorization: bytes | None, *, info: RequestInfo, now: float
) -> Resource:
    """`authenticate`, with wrong secrets in a resource's name counted.

    Raises:
        InvalidClientError: as that does.
        ThrottledError: too many wrong ones in this resource's name from this network.
    """
    try:
        return authenticate(authorization, services.registry)
    except InvalidClientError:
        named = claimed(authorization, services.registry)
        if named is not None:
            await refusals.count_wrong_secret(services, named.id, info=info, now=now)
        raise
