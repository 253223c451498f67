"""What a sign-in by JSON asks for, judged by the steps that judge an authorization request.

There is no browser that could be sent anywhere, so nothing is redirected and no target is proven: the client has called
itself. A sign-in ends in a code bound to PKCE (RFC 7636), or in a session of the browser that began it.
"""

from collections.abc import Mapping

from admit.issuer.clients.records import Client
from admit.issuer.oauth.authorize import steps
from admit.issuer.oauth.authorize.acr import check_acr
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Known, Target
from admit.issuer.oauth.errors import InvalidRequestError, UnauthorizedClientError
from admit.issuer.oauth.parameters import Parameters


def check_grant_type(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 6749 §5.2: a code is of no use to a client that may not redeem it."""
    if "authorization_code" not in request.client.grant_types:
        raise UnauthorizedClientError
    return request


def check_challenge(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 7636 §4.4.1: without exception, since nothing else holds the code to who began."""
    if not has_challenge(parameters):
        raise InvalidRequestError(
            "a sign-in by JSON without code_challenge",
            public="Send code_challenge and code_challenge_method=S256.",
        )
    return steps.check_pkce(request, parameters, known)


def has_challenge(parameters: Parameters) -> bool:
    """Whether the code will be held to a verifier."""
    return "code_challenge" in parameters


FOR_A_CODE: tuple[steps.Step, ...] = (
    check_grant_type,
    check_challenge,
    steps.check_scope,
    steps.check_resource,
    steps.check_max_age,
    check_acr,
    steps.keep_echoes,
)
FOR_A_SESSION: tuple[steps.Step, ...] = (steps.check_max_age, check_acr)


def judge(asked: Mapping[str, str], client: Client, known: Known, *, for_session: bool) -> AuthorizeRequest:
    """The whole request, or its error.

    Raises:
        OAuthError: the authorization request's own errors.
    """
    parameters = Parameters(asked)
    request = AuthorizeRequest(
        target=Target(client=client, redirect_uri="", state=None), parameters=dict(asked)
    )
    for step in FOR_A_SESSION if for_session else FOR_A_CODE:
        request = step(request, parameters, known)
    return request
