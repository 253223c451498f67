"""Which redirect URI, secret and scope a client may use. Pure."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from admit.errors import ConfigError
from admit.issuer.clients import authentication, profiles
from admit.issuer.clients.errors import RuleError
from admit.issuer.clients.hosts import is_host
from admit.issuer.clients.records import ACRS, Client, Resource, TokenFormat
from admit.tokens import scope as scope_names

RESERVED_CLIENT_ID = "admit"  # the `client_id` of a session's principal, contracts of the verifier
USER_ID_PREFIX = "u_"  # every user's `sub` begins so, hence no client id may, RFC 9700 §4.15
EVERYBODY = "*"
MAX_DOCUMENT_URL = 256  # what a record of the audit keeps whole
SIGNING_ALGS = ("ES256", "RS256")  # what tokens are signed with, here and in the keys' defaults
GRANT_TYPES = frozenset({"authorization_code", "refresh_token", "client_credentials"})
# Those that some claim of an account answers.
PERSON_SCOPES = frozenset({"openid", "profile", "email", "address", "phone"})
OIDC_SCOPES = PERSON_SCOPES | {"offline_access"}
SESSIONS_SCOPE = "admit:sessions"  # to see and end one's sessions and grants by the issuer's own JSON API
KEYS_SCOPE = "admit:keys"  # to revoke a signing key by it, for whoever may operate the issuer
ISSUER_SCOPES = frozenset({SESSIONS_SCOPE, KEYS_SCOPE})
# OpenID Connect Core §5.4, and the issuer's own; no resource may have one.
RESERVED_SCOPES = OIDC_SCOPES | ISSUER_SCOPES

_CLIENT_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._~-]{0,126}[A-Za-z0-9])?", re.ASCII)
_URI_CHARS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)  # RFC 3986 §2
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?(/[^#]*)?", re.ASCII)
_ANY_LOCALHOST = re.compile(r"http://(localhost)(?::([1-9][0-9]{0,4}))?(/[^#]*)?", re.ASCII)
_LOCALHOST = re.compile(r"http://localhost:[1-9][0-9]{0,4}(?:/[^#]*)?", re.ASCII)
_PRIVATE_SCHEME = re.compile(
    r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/[^/#][^#]*|[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/", re.ASCII
)


def is_client_id(text: str) -> bool:
    """Whether this may be a client's id: in a name space of its own, so that it never equals a user's `sub`."""
    return (
        bool(_CLIENT_ID.fullmatch(text))
        and not text.lower().startswith(USER_ID_PREFIX)
        and text.lower() != RESERVED_CLIENT_ID
    )


def is_document_url(text: str) -> bool:
    """Whether this may be a client's id that is the URL of its metadata document, Client ID Metadata Document §3:
    https, a host, a path, no fragment, user info or dot segments. We take no query either, and no address that is not
    spelled as browsers spell it.
    """
    return (
        len(text) <= MAX_DOCUMENT_URL
        and is_plain_https(text)
        and "?" not in text
        and "#" not in text
        and len(urlsplit(text).path) > 1
    )


def new_client_id() -> str:
    """An id of our own making, RFC 9700 §4.15: 120 random bits, in the clients' name space."""
    return f"c_{secrets.token_hex(15)}"


# Redirect URIs


def loopback_parts(uri: str, *, localhost: bool = False) -> tuple[str, str] | None:
    """The address and what follows the port of a loopback-IP redirect URI, RFC 8252 §7.3; None for any other. With
    `localhost` also of one with that name.
    """
    match = _LOOPBACK.fullmatch(uri) or (_ANY_LOCALHOST.fullmatch(uri) if localhost else None)
    if match is None or not _URI_CHARS.fullmatch(uri):
        return None
    address, port, rest = match.groups()
    if port is not None and int(port) > 65535:
        return None
    return address, rest or ""


def redirect_uri_allowed(client: Client, uri: str) -> bool:
    """Whether a redirect may go to `uri`: byte-equal to a registered one, RFC 9700 §4.1.3.

    No patterns. The one difference that is allowed is the port of a loopback-IP URI of a native client, RFC 8252 §7.3.
    """
    if uri in client.redirect_uris:
        return True
    if not client.is_native:
        return False
    localhost = client.localhost_redirects
    asked = loopback_parts(uri, localhost=localhost)
    return asked is not None and any(
        loopback_parts(known, localhost=localhost) == asked for known in client.redirect_uris
    )


def post_logout_redirect_uri_allowed(client: Client, uri: str) -> bool:
    """The same rule for `post_logout_redirect_uri`, OpenID Connect RP-Initiated Logout §2: byte-equal, always."""
    return uri in client.post_logout_redirect_uris


def is_registrable_redirect_uri(uri: str, *, native: bool, dev: bool, localhost: bool = False) -> bool:
    """Whether a redirect URI may be registered at all.

    https for all; for native applications also `http` on a loopback IP address and private-use schemes that contain
    a dot (RFC 8252 §7), with `localhost` on that name as well; with `dev` the exact `http://localhost:PORT/…`. Never a
    fragment, user info or dot segments.
    """
    if not _URI_CHARS.fullmatch(uri) or "#" in uri or len(uri) > 2048:
        return False
    if native and localhost and loopback_parts(uri, localhost=True) is not None:
        return True
    if _LOCALHOST.fullmatch(uri):
        return dev
    if native and (loopback_parts(uri) is not None or _PRIVATE_SCHEME.fullmatch(uri)):
        return True
    return is_plain_https(uri)


def may_register(client: Client, uri: str, *, dev: bool) -> bool:
    """Whether this client may have the redirect URI."""
    return is_registrable_redirect_uri(
        uri, native=client.is_native, dev=dev, localhost=client.localhost_redirects
    )


def is_plain_https(uri: str) -> bool:
    """https with a host that is one, no user info, no default port, no dot segments: as browsers write it."""
    if not _URI_CHARS.fullmatch(uri) or not uri.startswith("https://"):
        return False
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    if not is_host(host) or parts.username is not None or parts.password is not None or "@" in parts.netloc:
        return False
    expected = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    segments = parts.path.lower().replace("%2e", ".").split("/")
    return parts.netloc == expected and port != 443 and "." not in segments and ".." not in segments


def is_backchannel_uri(uri: str, *, dev: bool) -> bool:
    """Whether logout tokens may be sent there, OpenID Connect Back-Channel Logout §2.2: https without fragment; with
    `dev` also http on this very machine. Which addresses are dialled is the egress guard's to say.
    """
    if "#" in uri or len(uri) > 2048:
        return False
    if dev and (_LOCALHOST.fullmatch(uri) or loopback_parts(uri) is not None):
        return True
    return is_plain_https(uri)


def origin_of(uri: str) -> str | None:
    """The web origin (RFC 6454 §6.2) of an http or https URI; None for private-use schemes."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}"


# Scopes


def scopes_for(resource: Resource, roles: Collection[str]) -> frozenset[str]:
    """The scopes of a resource that a user with these roles may have: the one bound of sessions and of tokens alike."""
    allowed: set[str] = set(resource.roles.get(EVERYBODY, ()))
    for role in roles:
        if role != EVERYBODY:
            allowed.update(resource.roles.get(role, ()))
    return frozenset(allowed) & resource.scopes.keys()


def allowed_scopes(resource: Resource | None, roles: Collection[str]) -> frozenset[str]:
    """All that a user with these roles can have at an audience: what a session has there, and no token has more.

    The OpenID Connect scopes about the person are everybody's; `offline_access` speaks of a grant, not of an API.
    """
    of_resource = frozenset[str]() if resource is None else scopes_for(resource, roles)
    return PERSON_SCOPES | of_resource


def grantable_scopes(client: Client, resource: Resource | None, roles: Collection[str]) -> frozenset[str]:
    """All that a token for this client, audience and user may hold: the client's scopes that are of OpenID Connect or
    that the user's roles give at the resource, RFC 9700 §2.3.
    """
    return client.scopes & (OIDC_SCOPES | allowed_scopes(resource, roles))


def machine_scopes(client: Client, resource: Resource | None) -> frozenset[str]:
    """All that a client may have in its own name: of its own list, what the resource gives it by name, RFC 6749 §4.4.
    What speaks of a person or is the issuer's own is never among it.
    """
    if resource is None:
        return frozenset()
    return (client.scopes & resource.clients.get(client.id, frozenset())) - RESERVED_SCOPES


# Secrets


def new_secret() -> str:
    """A client secret of 256 random bits; shown once, kept as its hash."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """SHA-256: enough for what has 256 random bits, RFC 6749 §10.2."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def good_beside(hashes: tuple[bytes, ...], *, drop_old: bool) -> tuple[bytes, ...]:
    """Those of a client's secrets that stay good beside a new one: the newest, or none."""
    return () if drop_old else hashes[-1:]


def verify_secret(hashes: Iterable[bytes], secret: str) -> bool:
    """Whether the secret is one of those kept; looks at all of them, in constant time each."""
    presented = hash_secret(secret)
    found = False
    for kept in hashes:
        found |= hmac.compare_digest(kept, presented)
    return found


# What settings may say


def check_client(client: Client, *, dev: bool) -> None:
    """Raises: ConfigError, one line that says which rule the client's settings break."""
    where = "client"
    if not (is_client_id(client.id) or (not client.trusted and is_document_url(client.id))):
        raise ConfigError(
            f"{where}.id: letters, digits, . _ ~ - only; not '{RESERVED_CLIENT_ID}', not beginning '{USER_ID_PREFIX}'"
        )
    where = f"client {client.id}"
    authentication.check(client, where, dev=dev)
    for uri in client.redirect_uris:
        if not may_register(client, uri, dev=dev):
            raise RuleError(
                f"{where}: redirect_uris wants https URIs without fragment",
                mend="; http on loopback is for native clients (--native), or for all with --dev: see docs/clients.md",
            )
    for uri in client.post_logout_redirect_uris:
        if not may_register(client, uri, dev=dev):
            raise ConfigError(f"{where}: post_logout_redirect_uris wants https URIs without fragment")
    if client.backchannel_logout_uri is not None and not is_backchannel_uri(
        client.backchannel_logout_uri, dev=dev
    ):
        raise ConfigError(f"{where}: backchannel_logout_uri wants an https URI without fragment")
    unknown = client.grant_types - GRANT_TYPES
    if unknown or not client.grant_types:
        raise ConfigError(f"{where}: grant_types wants some of {', '.join(sorted(GRANT_TYPES))}")
    profiles.check(client, where)
    if client.acr is not None and client.acr not in ACRS:
        raise ConfigError(f"{where}: acr wants one of {', '.join(ACRS)}")
    if "client_credentials" in client.grant_types and client.public:
        raise ConfigError(f"{where}: client_credentials is for clients that authenticate; set public = false")
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise ConfigError(f"{where}: authorization_code needs redirect_uris")
    if not client.require_pkce and (
        client.public or not all(is_plain_https(uri) for uri in client.redirect_uris)
    ):
        raise ConfigError(
            f"{where}: require_pkce = false is for confidential clients with https redirect URIs only"
        )
    if not all(map(scope_names.is_name, client.scopes)):
        raise ConfigError(f"{where}: a scope has a character that RFC 6749 §3.3 does not allow")
    if client.default_resource is not None and client.default_resource not in client.resources:
        raise ConfigError(f"{where}: default_resource is not among its resources")
    if client.default_max_age is not None and not 0 <= client.default_max_age <= MAX_AGE_LIMIT:
        raise ConfigError(f"{where}: default_max_age wants a number of seconds, 0 or more")
    if not set(ACRS).issuperset(client.default_acr_values):
        raise ConfigError(f"{where}: default_acr_values wants some of {', '.join(ACRS)}")
    check_shown(client, where)
    if client.first_party and not client.trusted:
        raise ConfigError(f"{where}: first_party is not for clients that nobody here let in")
    if client.api_login:
        check_api_login(client, where)


def check_api_login(client: Client, where: str) -> None:
    """A client that is given people's passwords is one's own, and gets nothing for them but codes bound to PKCE.

    Raises: ConfigError.
    """
    if not client.first_party:
        raise ConfigError(
            f"{where}: api_login shows it people's passwords; it is for first_party = true clients only"
        )
    if "authorization_code" not in client.grant_types:
        raise ConfigError(f"{where}: api_login ends in a code; add authorization_code to grant_types")
    if not client.require_pkce:
        raise ConfigError(f"{where}: api_login wants PKCE; remove require_pkce = false")
    if profiles.needs_push(client):
        raise ConfigError(f"{where}: api_login takes no pushed requests, which this client has to send")


def check_kept(client: Client) -> None:
    """What only settings may say, so that whoever reads them has read all of it.

    Raises: ConfigError.
    """
    if client.api_login:
        raise ConfigError(f"client {client.id}: api_login is for [[client]] in the settings file only")


MAX_AGE_LIMIT = 10**9  # seconds
MAX_SHOWN = 200  # characters of a name
MAX_SAID = 20  # contacts


def check_shown(client: Client, where: str) -> None:
    """What a client says of itself is shown to people: bounded, in one line, and addresses are https.

    Raises: ConfigError.
    """
    texts = [client.name, *client.contacts, client.software_id or "", client.software_version or ""]
    if not client.name.strip() or not all(len(text) <= MAX_SHOWN and text.isprintable() for text in texts):
        raise ConfigError(
            f"{where}: name, contacts and software want one line of text, {MAX_SHOWN} characters"
        )
    if len(client.contacts) > MAX_SAID:
        raise ConfigError(f"{where}: at most {MAX_SAID} contacts")
    for uri in (client.client_uri, client.logo_uri, client.policy_uri, client.tos_uri):
        if uri is not None and not (len(uri) <= 2048 and is_plain_https(uri)):
            raise ConfigError(f"{where}: client_uri, logo_uri, policy_uri and tos_uri want https URLs")


def check_resource(resource: Resource, *, dev: bool) -> None:
    """Raises: ConfigError, one line that says which rule the resource's settings break."""
    uri = resource.id
    loopback_http = dev and (_LOCALHOST.fullmatch(uri) is not None or loopback_parts(uri) is not None)
    if "#" in uri or not (is_plain_https(uri) or loopback_http or re.fullmatch(r"urn:[\x21-\x7e]+", uri)):
        raise ConfigError("resource.id wants an absolute https or urn URI without fragment")
    where = f"resource {uri}"
    if not all(map(scope_names.is_name, resource.scopes)):
        raise ConfigError(f"{where}: a scope has a character that RFC 6749 §3.3 does not allow")
    if resource.alg not in SIGNING_ALGS:
        raise ConfigError(f"{where}: alg wants one of {', '.join(SIGNING_ALGS)}")
    if RESERVED_SCOPES & resource.scopes.keys():
        raise ConfigError(f"{where}: the scopes of OpenID Connect and of Admit are no resource's scopes")
    for name, scopes in resource.clients.items():
        if not scopes <= resource.scopes.keys():
            raise ConfigError(f"{where}: client {name} is given a scope that is not in scopes")
    for role, scopes in resource.roles.items():
        if not scopes <= resource.scopes.keys():
            raise ConfigError(f"{where}: role {role} names a scope that is not in scopes")
    if resource.secret_hash is not None and len(resource.secret_hash) != hashlib.sha256().digest_size:
        raise ConfigError(f"{where}: secret_hash is SHA-256, 32 bytes")
    if resource.access_token_format is TokenFormat.OPAQUE and resource.secret_hash is None:
        raise ConfigError(
            f"{where}: opaque access tokens are told by introspection only, which needs secret_hash"
        )
