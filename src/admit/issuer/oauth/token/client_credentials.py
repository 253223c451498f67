"""The client credentials grant, RFC 6749 §4.4: a token for the client itself, with no person behind it."""

from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients import rules
from admit.issuer.clients.records import Client, Resource
from admit.issuer.oauth.errors import InvalidScopeError, InvalidTargetError, UnauthorizedClientError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token import mint
from admit.issuer.oauth.token.mint import TokenResponse


async def act_for_itself(
    services: Services, client: Client, form: Parameters, info: RequestInfo, now: float
) -> TokenResponse:
    """An access token whose subject is the client, RFC 9068 §2.2. Never an ID token, never a refresh token: the client
    can ask again at any time (RFC 6749 §4.4.3).

    Raises:
        UnauthorizedClientError: a public client, whose name anybody can use; or one that was ended.
        InvalidTargetError: another resource than the client's.
        InvalidScopeError: more than the resource gives this client by name, or nothing at all.
    """
    check_confidential(client)
    audience = audience_of(services, client, form)
    scope = scope_of(client, services.registry.resource(audience), form.get("scope"))
    family = await services.machines.grant(
        client.id,
        audience,
        scope=scope,
        until=now + services.config.access_token_ttl.total_seconds(),
        info=info,
        now=now,
    )
    if family is None:
        raise UnauthorizedClientError("the client was ended")
    return mint.mint(
        services,
        client=client,
        user=None,
        family=family,
        scope=scope,
        refresh_token=None,
        nonce=None,
        now=now,
    )


def check_confidential(client: Client) -> None:
    """RFC 6749 §4.4: for confidential clients only.

    Raises:
        UnauthorizedClientError: it proves nothing of itself.
    """
    if client.public:
        raise UnauthorizedClientError("client_credentials for a public client")


def audience_of(services: Services, client: Client, form: Parameters) -> str:
    """RFC 8707 §2: the resource that is asked for, if it is this client's; else its default.

    Raises:
        InvalidTargetError: another one. The issuer is nobody's: what it offers is for people.
    """
    asked = form.get("resource", client.default_resource)
    if asked is None:
        raise InvalidTargetError("no resource is named, and the client has no default_resource")
    if asked not in client.resources or services.registry.resource(asked) is None:
        raise InvalidTargetError("resource is not this client's")
    return asked


def scope_of(client: Client, resource: Resource | None, asked: str | None) -> frozenset[str]:
    """RFC 6749 §3.3, §4.4.2: what the resource gives this client by name, or what is asked of that.

    Raises:
        InvalidScopeError: more than that, a scope that speaks of a person, or nothing.
    """
    allowed = rules.machine_scopes(client, resource)
    wanted = allowed if asked is None else frozenset(asked.split(" "))
    if not wanted or not wanted <= allowed:
        raise InvalidScopeError("wider than what the resource gives the client in its own name")
    return wanted
