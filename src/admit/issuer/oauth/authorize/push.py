"""A pushed authorization request, RFC 9126: judged when it comes, by the steps that judge it again at `/authorize`."""

from collections.abc import Iterable
from typing import Any

from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.grants.pushed import hash_reference, new_reference
from admit.issuer.oauth.authorize import steps
from admit.issuer.oauth.authorize.request import Known
from admit.issuer.oauth.errors import InvalidRequestError, UntrustedTargetError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services

MAX_KEPT = 16_384  # characters of the values that are kept; a browser could not carry half of it


async def push(
    services: Services, client: Client, form: Parameters, info: RequestInfo, now: float
) -> dict[str, Any]:
    """The members of the answer, §2.2: the reference, and for how many seconds it is good.

    Raises:
        OAuthError: the authorization request's own error, told to the client at once (§2.3).
        ThrottledError: too many from this network.
    """
    form.required("client_id")  # §2.1: part of the request, however the client proves itself
    form.required("redirect_uri")
    request_uri = new_reference()
    known = Known(registry=services.registry, hint_keys=services.keys.snapshot.hint_keys, now=now)
    try:
        request = steps.judge(form, client, known, pushed=hash_reference(request_uri))
    except UntrustedTargetError as error:  # its text is for people
        raise InvalidRequestError(
            error.detail, public="The client_id or redirect_uri is not that of this client."
        ) from error
    except steps.RedirectableError as error:
        raise error.error from error
    check_size(request.parameters.values())
    await services.pushed.keep(request_uri, request.kept(), client_id=client.id, info=info, now=now)
    return {"request_uri": request_uri, "expires_in": int(services.pushed.lifetime.total_seconds())}


def check_size(values: Iterable[str]) -> None:
    """What a client may have kept without anybody's sign-in is bounded.

    Raises:
        InvalidRequestError: more than that.
    """
    if sum(map(len, values)) > MAX_KEPT:
        raise InvalidRequestError("too long to be kept", public="The request is too long.")
