"""Client metadata, RFC 7591 §2 and OpenID Connect Dynamic Client Registration §2: what a client says of itself, read
strictly into a `Client`, and a `Client` told in those words. Pure: nothing that is named here is ever fetched by it.

Members that we do not know are ignored, as RFC 7591 §2 wants; values that we know and cannot hold are refused, so that
no client believes that it has what it has not.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from admit.errors import ConfigError, InvalidKeyError
from admit.issuer.clients import authentication, rules
from admit.issuer.clients import policy as policies
from admit.issuer.clients.errors import InvalidClientMetadataError, InvalidRedirectUriError, RuleError
from admit.issuer.clients.policy import Policy
from admit.issuer.clients.records import ACRS, ApplicationType, AuthMethod, Client, Jwks
from admit.issuer.clients.registry import Registry

MAX_BODY: Final = 32_768
"""Octets of a client's whole metadata."""
_Uri = Annotated[str, msgspec.Meta(max_length=2_048)]
_Uris = Annotated[tuple[_Uri, ...], msgspec.Meta(max_length=20)]
_Word = Annotated[str, msgspec.Meta(max_length=100)]
_Line = Annotated[str, msgspec.Meta(max_length=rules.MAX_SHOWN)]
_TEXT_MEMBERS: Final = ("client_uri", "logo_uri", "policy_uri", "tos_uri", "software_id", "software_version")


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The members that are understood, with their types and lengths. Absent and null are the same, RFC 7592 §2.2."""

    redirect_uris: _Uris = ()
    post_logout_redirect_uris: _Uris = ()
    backchannel_logout_uri: _Uri | None = None
    backchannel_logout_session_required: bool = False
    client_name: _Line | None = None
    client_uri: _Uri | None = None
    logo_uri: _Uri | None = None
    policy_uri: _Uri | None = None
    tos_uri: _Uri | None = None
    contacts: Annotated[tuple[_Line, ...], msgspec.Meta(max_length=rules.MAX_SAID)] = ()
    software_id: _Line | None = None
    software_version: _Line | None = None
    application_type: Literal["web", "native"] | None = None
    grant_types: Annotated[tuple[_Word, ...], msgspec.Meta(max_length=20)] = ("authorization_code",)
    response_types: Annotated[tuple[_Word, ...], msgspec.Meta(max_length=20)] | None = None
    scope: Annotated[str, msgspec.Meta(max_length=2_048)] | None = None
    token_endpoint_auth_method: _Word | None = None
    token_endpoint_auth_signing_alg: _Word | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: _Uri | None = None
    id_token_signed_response_alg: _Word = "RS256"  # noqa: S105  # an algorithm's name
    userinfo_signed_response_alg: _Word | None = None
    subject_type: _Word = "public"
    default_max_age: Annotated[int, msgspec.Meta(ge=0, le=rules.MAX_AGE_LIMIT)] | None = None
    default_acr_values: Annotated[tuple[_Word, ...], msgspec.Meta(max_length=20)] = ()
    require_pushed_authorization_requests: bool = False


UNSUPPORTED: Final = (
    "id_token_encrypted_response_alg", "id_token_encrypted_response_enc", "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc", "introspection_encrypted_response_alg", "request_object_encryption_alg",
    "request_object_encryption_enc", "require_signed_request_object", "authorization_signed_response_alg",
    "sector_identifier_uri", "authorization_details_types", "frontchannel_logout_uri",
    "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens", "software_statement",
    "backchannel_token_delivery_mode",
)  # fmt: skip
"""Members whose promise could not be kept. `false` promises nothing, and is taken."""


def read(members: Mapping[str, Any]) -> Metadata:
    """The members, typed.

    Raises:
        InvalidClientMetadataError: a member of another type, too long, or one that cannot be held.
    """
    given = {name: value for name, value in members.items() if value is not None}
    for name in UNSUPPORTED:
        if given.get(name, False) is not False:
            raise invalid(name, "is not supported here")
    try:
        return msgspec.convert(given, Metadata)
    except msgspec.ValidationError as error:
        raise invalid(_member_of(error), "has another type than it should have, or is too long") from error


def _member_of(error: msgspec.ValidationError) -> str:
    """The member that the error is about, by its name here; nothing else of the message leaves."""
    found = re.search(r"at `\$\.([a-z_]+)", str(error))
    known = {one.name for one in msgspec.structs.fields(Metadata)}
    return found[1] if found is not None and found[1] in known else "the metadata"


def client_of(
    metadata: Metadata, *, id: str, secret_hashes: tuple[bytes, ...], policy: Policy, registry: Registry
) -> Client:
    """The client that this metadata describes, as far as the policy goes. `secret_hashes` are those of a client that
    proves itself by a secret; any other has none.

    Raises:
        InvalidRedirectUriError, InvalidClientMetadataError: what is not taken.
    """
    method = method_of(metadata)
    native = is_native(metadata, method)
    check_redirect_uris(metadata, policy, native=native, registry=registry)
    check_response_types(metadata)
    if metadata.subject_type != "public":
        raise invalid("subject_type", "is public here")
    if metadata.jwks is not None and metadata.jwks_uri is not None:
        raise invalid("jwks and jwks_uri", "do not go together")
    scopes = policies.allowed_scopes(policy, metadata.scope.split() if metadata.scope is not None else None)
    if not scopes and metadata.scope:
        raise invalid("scope", "has nothing that clients may have here")
    known = frozenset(one for one in policy.resources if registry.resource(one) is not None)
    client = Client(
        id=id,
        name=metadata.client_name or name_of(metadata, id),
        redirect_uris=metadata.redirect_uris,
        post_logout_redirect_uris=metadata.post_logout_redirect_uris,
        backchannel_logout_uri=metadata.backchannel_logout_uri,
        backchannel_logout_session_required=metadata.backchannel_logout_session_required,
        public=method is AuthMethod.NONE,
        localhost_redirects=native and policy.localhost,
        application_type=ApplicationType.NATIVE if native else ApplicationType.WEB,
        secret_hashes=secret_hashes if method in SECRET_METHODS else (),
        token_endpoint_auth_method=method,
        token_endpoint_auth_signing_alg=metadata.token_endpoint_auth_signing_alg,
        jwks=Jwks(msgspec.json.encode(metadata.jwks).decode()) if metadata.jwks is not None else None,
        jwks_uri=metadata.jwks_uri,
        grant_types=granted_types(metadata, policy),
        scopes=scopes,
        resources=known,
        id_token_signed_response_alg=metadata.id_token_signed_response_alg,
        userinfo_signed_response_alg=metadata.userinfo_signed_response_alg,
        require_pkce=policy.require_pkce or method is AuthMethod.NONE or not _all_https(metadata),
        require_pushed_authorization_requests=metadata.require_pushed_authorization_requests,
        profile=policy.profile,
        default_max_age=metadata.default_max_age,
        default_acr_values=known_classes(metadata),
        trusted=policy.trusted,
        contacts=metadata.contacts,
        **{name: getattr(metadata, name) for name in _TEXT_MEMBERS},
    )
    try:
        registry.check(client)
        if (
            client.jwks is not None
            and authentication.read_keys(client.jwks, *authentication.assumed(client)).private_seen
        ):
            raise invalid(
                "jwks", "holds a private or secret key: publish the public half, and make a new key"
            )
    except InvalidKeyError as error:
        raise invalid("jwks", "has no usable key") from error
    except ConfigError as error:
        # The sentence is ours: it names the setting and the rule, and of the input nothing but the id that we made.
        told = error.rule if isinstance(error, RuleError) else str(error)
        told = told.replace(f"client {id}: ", "").replace(f"client {id} ", "it ")
        raise InvalidClientMetadataError(told, public=f"{told}.") from error
    return client


SECRET_METHODS: Final = frozenset({AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST})


def method_of(metadata: Metadata) -> AuthMethod:
    """RFC 7591 §2: Basic where nothing is said; none for a native client, whose copies would all share one secret
    (RFC 8252 §8.5), unless it asks for one of its own.

    Raises:
        InvalidClientMetadataError: a method that is not offered.
    """
    try:
        if metadata.token_endpoint_auth_method is None and metadata.application_type == "native":
            return AuthMethod.NONE
        return AuthMethod(metadata.token_endpoint_auth_method or "client_secret_basic")
    except ValueError:
        raise invalid("token_endpoint_auth_method", "is not one of those that are offered") from None


def is_native(metadata: Metadata, method: AuthMethod) -> bool:
    """Whether it runs on people's own machines. Where a public client does not say, its redirect URIs do: no web page
    is reached by loopback or by a private-use scheme, RFC 8252 §7.
    """
    if metadata.application_type is not None:
        return metadata.application_type == "native"
    uris = metadata.redirect_uris
    return method is AuthMethod.NONE and any(not uri.startswith("https:") for uri in uris)


def check_redirect_uris(metadata: Metadata, policy: Policy, *, native: bool, registry: Registry) -> None:
    """Every redirect URI is one that may be registered, and of a host that the policy has.

    Raises:
        InvalidRedirectUriError: one is not; which of them is not said.
    """
    for uri in (*metadata.redirect_uris, *metadata.post_logout_redirect_uris):
        if not rules.is_registrable_redirect_uri(
            uri, native=native, dev=registry.dev, localhost=policy.localhost
        ):
            raise InvalidRedirectUriError(
                "not registrable",
                public="Redirect URIs are https without fragment; a native client may use loopback addresses and "
                "private-use schemes with a dot.",
            )
        if not policies.redirect_host_allowed(policy, uri):
            raise InvalidRedirectUriError(
                "host", public="A redirect URI has a host that clients may not have here."
            )
    if "authorization_code" in metadata.grant_types and not metadata.redirect_uris:
        raise InvalidRedirectUriError("none", public="redirect_uris is missing.")


def check_response_types(metadata: Metadata) -> None:
    """`code` alone, and it goes with its grant type, RFC 7591 §2.1.

    Raises:
        InvalidClientMetadataError: another one, or one without the other.
    """
    wants_code = "authorization_code" in metadata.grant_types
    asked = metadata.response_types
    if asked is not None and (set(asked) - {"code"} or ("code" in asked) is not wants_code):
        raise invalid("response_types", "is code, where grant_types has authorization_code")


def granted_types(metadata: Metadata, policy: Policy) -> frozenset[str]:
    """The grant types that were asked for.

    Raises:
        InvalidClientMetadataError: one that is not offered, or not to such clients.
    """
    asked = frozenset(metadata.grant_types)
    if not asked or not asked <= policy.grant_types:
        raise invalid("grant_types", "has one that clients may not have here")
    return asked


def known_classes(metadata: Metadata) -> tuple[str, ...]:
    """Of the classes of sign-in those that are known here: as in a request, the others are nothing that is held to.
    What was kept is told.
    """
    return tuple(one for one in dict.fromkeys(metadata.default_acr_values) if one in ACRS)


def name_of(metadata: Metadata, id: str) -> str:
    """What people are shown of a client that gives no name: where it leads."""
    host = urlsplit(metadata.redirect_uris[0]).hostname if metadata.redirect_uris else None
    return host or id[: rules.MAX_SHOWN]


def _all_https(metadata: Metadata) -> bool:
    return all(map(rules.is_plain_https, metadata.redirect_uris))


def invalid(member: str, why: str) -> InvalidClientMetadataError:
    """The error for one member, named."""
    return InvalidClientMetadataError(member, public=f"{member} {why}.")


def told(client: Client) -> dict[str, Any]:
    """What is registered of a client, in RFC 7591 §2's words."""
    members: dict[str, Any] = {
        "client_id": client.id,
        "client_name": client.name,
        "application_type": client.application_type.value,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": sorted(client.grant_types),
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "token_endpoint_auth_method": client.auth_method.value,
        "scope": " ".join(sorted(client.scopes)),
        "subject_type": "public",
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests,
    }
    more: dict[str, Any] = {
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "backchannel_logout_session_required": client.backchannel_logout_session_required or None,
        "contacts": list(client.contacts),
        "userinfo_signed_response_alg": client.userinfo_signed_response_alg,
        "token_endpoint_auth_signing_alg": client.token_endpoint_auth_signing_alg,
        "jwks": msgspec.json.decode(client.jwks) if client.jwks is not None else None,
        "jwks_uri": client.jwks_uri,
        "default_max_age": client.default_max_age,
        "default_acr_values": list(client.default_acr_values),
        **{name: getattr(client, name) for name in _TEXT_MEMBERS},
    }
    return members | {name: value for name, value in more.items() if value not in (None, [])}
