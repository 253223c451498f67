"""The steps that judge an authorization request, in one visible table.

The first group proves the target. Until it has passed, an error is shown as a page of ours and nothing is redirected
(RFC 6749 §4.1.2.1, §3.1.2.4). In the second group each step takes the request as far as it is known and returns it
with one more thing settled; its errors are sent to the proven target.
"""

from collections.abc import Callable
from dataclasses import replace

from admit.errors import OAuthError, TokenError
from admit.issuer.clients import profiles
from admit.issuer.clients import rules as clients
from admit.issuer.clients.records import Client
from admit.issuer.grants import rules as grants
from admit.issuer.oauth.authorize.acr import check_acr
from admit.issuer.oauth.authorize.claims import check_claims
from admit.issuer.oauth.authorize.hint import check_id_token_hint
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Known, Prompt, ResponseMode, Target
from admit.issuer.oauth.errors import (
    InvalidRequestError,
    InvalidScopeError,
    InvalidTargetError,
    RequestNotSupportedError,
    RequestUriNotSupportedError,
    UnauthorizedClientError,
    UnsupportedResponseTypeError,
    UntrustedTargetError,
)
from admit.issuer.oauth.parameters import Parameters
from admit.jose import peek_unverified_claims

MAX_AGE_LIMIT = 10**9


class RedirectableError(Exception):
    """An error that may travel to a proven target."""

    def __init__(self, target: Target, error: OAuthError) -> None:
        super().__init__(error.code)
        self.target = target
        self.error = error


# ── first group: whom may we answer? ──────────────────────────────────────────────────────────────────────────────


def check_client(parameters: Parameters, client: Client | None) -> Client:
    """RFC 6749 §4.1.1: `client_id` names a registered client; `client` is who has this id."""
    if "client_id" in parameters.repeated or "client_id" not in parameters:
        raise UntrustedTargetError("client_id is missing or repeated")
    if client is None or client.id != parameters["client_id"]:
        raise UntrustedTargetError("client_id is unknown")
    return client


def check_redirect_uri(parameters: Parameters, client: Client) -> str:
    """RFC 9700 §2.1: byte-equal with a registered URI; only a native client's loopback port may differ."""
    redirect_uri = parameters.get("redirect_uri")
    if "redirect_uri" in parameters.repeated or redirect_uri is None:
        raise UntrustedTargetError("redirect_uri is missing or repeated")
    if not clients.redirect_uri_allowed(client, redirect_uri):
        raise UntrustedTargetError("redirect_uri is not registered")
    return redirect_uri


def prove_target(parameters: Parameters, found: Client | None) -> Target:
    """Client and redirect URI, or UntrustedTargetError: then a page is shown and nothing is redirected."""
    client = check_client(parameters, found)
    redirect_uri = check_redirect_uri(parameters, client)
    return Target(
        client=client,
        redirect_uri=redirect_uri,
        state=parameters.get("state"),
        response_mode=mode_of(parameters, redirect_uri),
    )


def mode_of(parameters: Parameters, redirect_uri: str) -> ResponseMode:
    """The response mode that was asked, for errors too (OAuth 2.0 Multiple Response Types §2.1); `query` where none
    that we have was: `check_response_mode` says so there. Only a web server can take a form.
    """
    asked = parameters.get("response_mode") or mode_within(parameters.get("request"))
    if asked == ResponseMode.FORM_POST and clients.origin_of(redirect_uri) is not None:
        return ResponseMode.FORM_POST
    return ResponseMode.QUERY


def mode_within(request_object: str | None) -> object:
    """The `response_mode` of a request object, which nobody has verified and `check_request_object` refuses: whoever
    takes answers by POST alone is to hear of that. Nothing else in it is looked at, and this much anybody could have
    asked for beside it.
    """
    if request_object is None:
        return None
    try:
        return peek_unverified_claims(request_object).get("response_mode")
    except TokenError:
        return None


# ── second group: what is asked? ──────────────────────────────────────────────────────────────────────────────────


def check_repeated(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 6749 §3.1; two resources are RFC 8707's own error."""
    if parameters.repeated == {"resource"}:
        raise InvalidTargetError("two resources")
    if is_ambiguous(parameters):
        raise InvalidRequestError("repeated parameter", public="A parameter occurs more than once.")
    return request


def is_ambiguous(parameters: Parameters) -> bool:
    """Something occurs twice, so that two readers could take two values."""
    return bool(parameters.repeated)


def check_request_object(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """OpenID Connect Core §6: request objects are not offered, and nothing is fetched. A reference to a pushed request
    was followed before this, and has no other in it (RFC 9126 §2.1).
    """
    if "request" in parameters:
        raise RequestNotSupportedError
    if "request_uri" in parameters:
        if request.pushed is not None:
            raise InvalidRequestError("request_uri is pushed", public="A request_uri cannot be pushed.")
        raise RequestUriNotSupportedError
    return request


def check_pushed(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 9126 §6: of a client that has to push its requests, nothing else is taken."""
    if needs_push(request.client) and request.pushed is None:
        raise InvalidRequestError("not pushed", public="This client has to push its authorization requests.")
    return request


def needs_push(client: Client) -> bool:
    """Whether what a browser brings could have been changed on its way, by the client's own word or its profile's."""
    return profiles.needs_push(client)


def check_response_type(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 9700 §2.1.2: `code` alone exists, so no token ever travels in a URL."""
    if not is_code(parameters.required("response_type")):
        raise UnsupportedResponseTypeError
    if "authorization_code" not in request.client.grant_types:
        raise UnauthorizedClientError
    return request


def is_code(response_type: str) -> bool:
    """The one response type that exists."""
    return response_type == "code"


def check_response_mode(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """OAuth 2.0 Multiple Response Types §2.1: in the query or by a form, never in a fragment or a message."""
    if not is_answered_in(request.target, parameters.get("response_mode")):
        raise InvalidRequestError(
            "response_mode", public="The response mode is query, or form_post to a web address."
        )
    return request


def is_answered_in(target: Target, asked: str | None) -> bool:
    """Whether the mode that was asked, if any was, is the one that the answer will have."""
    return asked is None or asked == target.response_mode


def check_pkce(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 7636 §4.3, RFC 9700 §2.1.1: S256, for every client that is not exempted by name."""
    challenge = parameters.get("code_challenge")
    method = parameters.get("code_challenge_method")
    if challenge is None:
        if method is not None or needs_pkce(request.client):
            raise InvalidRequestError(
                "no code_challenge",
                public="PKCE is required: send code_challenge and code_challenge_method=S256.",
            )
        return request
    if not is_s256(method):
        raise InvalidRequestError(
            "code_challenge_method", public="Only the code_challenge_method S256 is supported."
        )
    if not grants.well_formed_challenge(challenge):
        raise InvalidRequestError(
            "code_challenge form", public="The code_challenge is not an S256 challenge."
        )
    return replace(request, code_challenge=challenge)


def needs_pkce(client: Client) -> bool:
    """All clients but those that settings exempt by name, RFC 9700 §2.1.1."""
    return profiles.needs_pkce(client)


def is_s256(method: str | None) -> bool:
    """RFC 7636 §4.2: `plain`, which an absent method would mean, shows the verifier to whoever sees the request."""
    return method == "S256"


def check_scope(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 6749 §3.3: within the client's list. Without `scope`, all of the list that is of resources, or nothing, as
    the client's profile says.
    """
    allowed = frozenset(request.client.scopes)
    text = parameters.get("scope")
    if text is None and profiles.settled(request.client).scope_needed:
        raise InvalidScopeError("no scope")
    if text is None:
        return replace(request, scope=allowed - clients.OIDC_SCOPES - clients.ISSUER_SCOPES)
    asked = text.split(" ")
    if "" in asked or not allowed.issuperset(asked):
        raise InvalidScopeError("scope outside the client's list")
    if "offline_access" in asked and "refresh_token" not in request.client.grant_types:
        asked.remove("offline_access")  # OpenID Connect Core §11: ignored where it cannot be granted
    return replace(request, scope=frozenset(asked))


def check_resource(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """RFC 8707 §2: one registered resource of this client's; else its default; else the issuer."""
    asked = parameters.get("resource")
    if asked is None:
        return replace(request, audience=request.client.default_resource or known.issuer)
    if asked != known.issuer and (
        asked not in request.client.resources or known.registry.resource(asked) is None
    ):
        raise InvalidTargetError("resource is not this client's")
    return replace(request, audience=asked)


def check_prompt(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """OpenID Connect Core §3.1.2.1: known values; `none` stands alone."""
    text = parameters.get("prompt")
    if text is None:
        return request
    try:
        prompt = frozenset(Prompt(value) for value in text.split(" "))
    except ValueError:
        raise InvalidRequestError("prompt", public="A value of prompt is not known.") from None
    if Prompt.NONE in prompt and len(prompt) > 1:
        raise InvalidRequestError("prompt=none with others", public="prompt=none stands alone.")
    return replace(request, prompt=prompt)


def check_max_age(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """OpenID Connect Core §3.1.2.1: whole seconds; what the client registered where the request says nothing."""
    text = parameters.get("max_age")
    if text is None:
        return replace(request, max_age=request.client.default_max_age)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_AGE_LIMIT):
        raise InvalidRequestError("max_age", public="max_age is a number of seconds.")
    return replace(request, max_age=int(text))


def keep_echoes(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """`nonce` is echoed in the ID token; `login_hint` and `ui_locales` reach the pages as text."""
    nonce = parameters.get("nonce")
    if nonce is not None and len(nonce) > 512:
        raise InvalidRequestError("nonce too long", public="The nonce is too long.")
    return replace(
        request, nonce=nonce, login_hint=parameters.get("login_hint"), ui_locales=parameters.get("ui_locales")
    )


UNDERSTOOD = (
    "client_id", "redirect_uri", "state", "response_type", "response_mode", "code_challenge", "code_challenge_method",
    "scope", "resource", "prompt", "max_age", "acr_values", "claims", "nonce", "login_hint", "ui_locales",
)  # fmt: skip


def understood(parameters: Parameters) -> dict[str, str]:
    """What a step reads. The rest is ignored (RFC 6749 §3.1) and not kept: anybody may begin a request that waits."""
    return {name: parameters[name] for name in UNDERSTOOD if name in parameters}


Step = Callable[[AuthorizeRequest, Parameters, Known], AuthorizeRequest]

STEPS: tuple[Step, ...] = (
    check_repeated,
    check_request_object,
    check_pushed,
    check_response_type,
    check_response_mode,
    check_pkce,
    check_scope,
    check_resource,
    check_prompt,
    check_max_age,
    check_claims,
    check_acr,
    keep_echoes,
    check_id_token_hint,
)


def judge(
    parameters: Parameters,
    client: Client | None,
    known: Known,
    *,
    pushed: bytes | None = None,
    hinted: str | None = None,
) -> AuthorizeRequest:
    """The whole request, or the error with the place it may be shown. `client` is who has the id that it names;
    `pushed` and `hinted` are what is known of the request beside its parameters.

    Raises:
        UntrustedTargetError: nothing may be redirected; show a page.
        RedirectableError: the error goes to the proven target.
    """
    target = prove_target(parameters, client)
    request = AuthorizeRequest(target=target, parameters=understood(parameters), pushed=pushed, hinted=hinted)
    try:
        for step in STEPS:
            request = step(request, parameters, known)
    except OAuthError as error:
        raise RedirectableError(target, error) from error
    return request
