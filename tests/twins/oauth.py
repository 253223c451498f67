"""Permissive twins of the defences of `admit.issuer.oauth` and `admit.issuer.app`: what careless servers do."""

import traceback
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import bindparam, select
from starlette.responses import Response

from admit.errors import AdmitError
from admit.issuer.app import answers
from admit.issuer.app.call import Call
from admit.issuer.app.dispatch import Handler, Route
from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.grants.pushed import PushedRequests, hash_reference
from admit.issuer.grants.records import GrantedClaims, Pushed
from admit.issuer.grants.store.pushed import pushed_of, pushed_request
from admit.issuer.oauth import token
from admit.issuer.oauth.authorize.request import AuthorizeRequest
from admit.issuer.oauth.errors import UnsupportedGrantTypeError
from admit.issuer.oauth.logout import LogoutRequest
from admit.issuer.oauth.parameters import Parameters, as_query
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token.mint import TokenResponse
from admit.issuer.storage import Statement, Steps


def yes(*args: Any, **kwargs: Any) -> bool:
    return True


def no(*args: Any, **kwargs: Any) -> bool:
    return False


def ignore(*args: Any, **kwargs: Any) -> None:
    """Let it pass."""


async def ignore_async(*args: Any, **kwargs: Any) -> None:
    """Count nothing."""


async def password_grant(
    services: Services, client: Client, form: Parameters, info: RequestInfo, now: float
) -> TokenResponse:
    """RFC 6749 §4.3, as it once was: the client sees the password."""
    user = await services.accounts.check_password(
        email=form["username"], password=form["password"], info=info, now=now
    )
    return TokenResponse(
        access_token="for whoever knows the password" if user else "", expires_in=1, scope=""
    )


def with_password_grant(grant_type: str) -> token.Grant:
    if grant_type == "password":
        return password_grant
    found = token.GRANT_TYPES.get(grant_type)
    if found is None:
        raise UnsupportedGrantTypeError
    return found


def any_method(route: Route, method: str) -> Handler:
    """Whatever the route has answers."""
    return route.handlers.get(method) or next(iter(route.handlers.values()))


def telling_error(error: AdmitError, request_id: str) -> Response:
    """An error page for developers."""
    trace = traceback.format_exc()  # of the fault that is being handled
    return answers.json({"error": str(error), "trace": trace}, status=error.status)


def telling_page(self: Any, call: Call, error: AdmitError) -> Response:
    """The same in HTML."""
    trace = traceback.format_exc()  # of the fault that is being handled
    return Response(f"<pre>{trace}</pre>", status_code=error.status, media_type="text/html")


def as_asked(asked: str | None, granted: frozenset[str]) -> frozenset[str]:
    """Whatever a refresh asks for."""
    return granted if asked is None else frozenset(asked.split(" "))


def whatever_came(parameters: Parameters) -> dict[str, str]:
    """All of it."""
    return dict(parameters)


def all_that_was_asked(app: Any, request: AuthorizeRequest, session: Any) -> frozenset[str]:
    """Also what the page did not show."""
    return request.scope


def whatever_is_sealed(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypted, and nothing checked."""
    stream = Cipher(
        algorithms.AES(key), modes.CTR(bytes(15) + b"\x02")
    ).decryptor()  # GCM's own, SP 800-38D §7.2
    return stream.update(sealed[:-16])


def spent_or_not(reference_hash: Any, now: float) -> Steps[bool]:
    """Good for as long as anybody likes."""
    yield from ()
    return True


async def found_anyway(
    self: PushedRequests, request_uri: str, *, client_id: str, now: float
) -> Pushed | None:
    """Whoever comes with it, and whenever."""
    of_reference = pushed_request.c.reference_hash == bindparam("of_reference")
    find = Statement(select(pushed_request.c.request).where(of_reference))
    row = await self._db.one(find(of_reference=hash_reference(request_uri)))
    return None if row is None else pushed_of(row)


def whatever_was_asked(self: AuthorizeRequest, allowed: frozenset[str]) -> GrantedClaims:
    """Also what the person did not allow."""
    return GrantedClaims(userinfo=self.claims.userinfo, id_token=self.claims.id_token)


def all_of_it(form: Parameters) -> str:
    """Whatever was posted."""
    return as_query(form)


def wherever_it_asks(request: LogoutRequest) -> bool:
    """Whoever shows an ID token is sent on."""
    return request.return_uri is not None and request.proven


TWINS = {
    "admit.issuer.app.routes.authorize:carried": all_of_it,
    "admit.issuer.oauth.authorize.request:AuthorizeRequest.granted_claims": whatever_was_asked,
    "admit.issuer.grants.pushed:spend": spent_or_not,
    "admit.issuer.grants.pushed:PushedRequests.find": found_anyway,
    "admit.issuer.grants.pushed:is_reference": yes,
    "admit.issuer.oauth.authorize.steps:needs_push": no,
    "admit.issuer.oauth.reference:unsealed": whatever_is_sealed,
    "admit.issuer.oauth.introspect:may_learn": yes,
    "admit.issuer.oauth.userinfo:check_audience": ignore,
    "admit.issuer.oauth.shown:is_alive": yes,
    "admit.issuer.app.routes.introspect:check_confidential": ignore,
    "admit.issuer.oauth.authorize.steps:is_answered_in": yes,
    "admit.issuer.oauth.authorize.steps:understood": whatever_came,
    "admit.issuer.app.consenting:shown_scope": all_that_was_asked,
    "admit.issuer.oauth.userinfo:check_alive": ignore_async,
    "admit.issuer.oauth.token.refresh_token:narrowed": as_asked,
    "admit.issuer.oauth.authorize.steps:is_code": yes,
    "admit.issuer.oauth.authorize.steps:needs_pkce": no,
    "admit.issuer.oauth.authorize.steps:is_s256": yes,
    "admit.issuer.oauth.authorize.steps:is_ambiguous": no,
    "admit.issuer.oauth.token:offered": with_password_grant,
    "admit.issuer.oauth.logout:needs_confirmation": no,
    "admit.issuer.oauth.logout:is_readable": yes,
    "admit.issuer.oauth.token.authorization_code:count_wrong_code": ignore_async,
    "admit.issuer.oauth.refusals:count_wrong_secret": ignore_async,
    "admit.issuer.app.call:is_form": yes,
    "admit.issuer.app.call:refuse_repeated": ignore,
    "admit.issuer.app.dispatch:handler_of": any_method,
    "admit.issuer.app.dispatch:check_host": yes,
    "admit.issuer.app.answers:json_error": telling_error,
    "admit.issuer.app.context:App.error_page": telling_page,
    "admit.issuer.app.context:App.check_csrf": ignore,
    "admit.issuer.app.context:App.check_origin": ignore,
    "admit.issuer.app.routes.logout:may_clear": yes,
    "admit.issuer.oauth.logout:goes_back": wherever_it_asks,
    "admit.issuer.app.context:SEE_OTHER": 307,
}
