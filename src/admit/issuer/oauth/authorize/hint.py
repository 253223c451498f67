"""`id_token_hint`: the person that a client believes is signed in, OpenID Connect Core §3.1.2.1."""

from dataclasses import replace

from admit.errors import TokenError
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Known
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.oauth.parameters import Parameters
from admit.jose.waive import Waive
from admit.tokens import identity


def check_id_token_hint(request: AuthorizeRequest, parameters: Parameters, known: Known) -> AuthorizeRequest:
    """An ID token that we gave to this client, expired or not: nobody but its subject will do.

    A hint that cannot be read is refused: to pass over it could give the client another person than it asked for. An
    address that it carries is what the client was told, and stands in the form.
    """
    hint = parameters.get("id_token_hint")
    if hint is None:
        return request
    try:
        token = identity.verify_hint(
            hint,
            known.hint_keys,
            issuer=known.issuer,
            audience=request.client.id,
            now=known.now,
            expired_ok=Waive.EXPIRY,
        )
    except TokenError as error:
        raise InvalidRequestError(
            "id_token_hint", public="The id_token_hint is not an ID token of this client."
        ) from error
    email = token.claims.get("email")
    if "login_hint" not in parameters and isinstance(email, str):
        request = replace(request, parameters={**request.parameters, "login_hint": email}, login_hint=email)
    return replace(request, hinted=token.subject)
