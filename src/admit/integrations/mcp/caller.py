"""Who calls a tool, resource or prompt, and what a tool refuses: what the server's own code sees."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from pydantic import PrivateAttr

from admit.errors import AdmitError, MissingCredentialError
from admit.principal import Principal
from admit.verifier import policy


class AdmitAccessToken(AccessToken):
    """The SDK's value of a token that was verified. It knows the principal, which no dump of it shows."""

    _principal: Principal = PrivateAttr()
    _wall: Callable[[], float] = PrivateAttr()
    _lacking: policy.Requirement | None = PrivateAttr(default=None)

    @property
    def principal(self) -> Principal:
        """Who the token speaks for."""
        return self._principal


def principal(
    *scopes: str,
    role: str | None = None,
    group: str | None = None,
    acr: str | Sequence[str] = (),
    max_age: timedelta | None = None,
) -> Principal:
    """Who calls the tool, resource or prompt; only if there are all these scopes, and the role and the group if named.

    For what one tool needs beyond the others; ask before anything is done. Behind a `Guard`, a caller who lacks scopes
    alone is answered 403 with the challenge by which clients ask for them, and then comes again. Any other refusal is
    the tool's error, and this one too where the answer has begun, such as by a notification, or by `AdmitTokens`.

    Raises:
        Refused: nobody is there (no request, or none that Admit let in), or something is missing.
        ConfigError: a scope, role, group, class or age that can be none.
    """
    wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
    token = get_access_token()
    if not isinstance(token, AdmitAccessToken):
        raise Refused(MissingCredentialError(), wanted)
    try:
        policy.check(token.principal, wanted, token._wall())
    except AdmitError as error:
        token._lacking = wanted if lacks_scopes_alone(token.principal, wanted, token._wall()) else None
        raise Refused(error, wanted) from None
    return token.principal


def lacks_scopes_alone(who: Principal, wanted: policy.Requirement, now: float) -> bool:
    """Whether more scopes would do: nobody gets a role, a group or another sign-in by asking for scopes."""
    try:
        policy.check(who, replace(wanted, scopes=frozenset()), now)
    except AdmitError:
        return False
    return not wanted.scopes <= who.scopes


class Refused(ToolError, ResourceError):
    """A tool or resource is not for this caller. The server tells it, and logs no crash. `cause_` is the error."""

    def __init__(self, error: AdmitError, wanted: policy.Requirement) -> None:
        needed = f" It needs the scope {wanted.scope_text}." if wanted.scopes else ""
        super().__init__(f"{error.public}{needed}")
        self.cause_ = error
