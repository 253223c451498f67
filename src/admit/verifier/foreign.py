"""Tokens of issuers that do not follow RFC 9068: what they must say, and a principal from the names that they use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias

from admit.errors import AudienceError, ClaimError, ConfigError, TokenTypeError
from admit.jose import JWK, JWKSet, jws
from admit.jose import claims as jose_claims
from admit.principal import ByReference, CredentialKind, Principal
from admit.tokens import access, members

if TYPE_CHECKING:
    from admit.verifier.trust import TrustedIssuer

Wanted: TypeAlias = str | int | frozenset[str] | EllipsisType
"""What a claim has to say: exactly this, one of these, or (`...`) anything but nothing."""

Path: TypeAlias = tuple[str, ...]

ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
"""Claims by which an ID token is known, OpenID Connect Core §2 and §3.3.2.11."""
_OTHER_KINDS = frozenset({"events", "toe", "htm", "htu", "ath", "status_list", "token_introspection"})
"""Claims of security events (RFC 8417 §2.2), DPoP proofs, status lists and introspection answers."""
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPaths:
    """Where an issuer's access tokens say what a principal has.

    Each is a claim's name, or a JSON Pointer (RFC 6901, it begins with `/`) to a member further down, or several of
    either. Of several for `client` and `scopes` the first that is there counts; those for `roles` and `groups` are
    joined.

    Raises:
        ConfigError: an empty name, or a pointer that is none.
    """

    client: str | Sequence[str] = ("client_id", "azp", "cid", "appid")
    scopes: str | Sequence[str] = ("scope", "scp")
    roles: str | Sequence[str] = "roles"
    groups: str | Sequence[str] = "groups"
    client_paths: tuple[Path, ...] = field(init=False, repr=False, compare=False)
    scope_paths: tuple[Path, ...] = field(init=False, repr=False, compare=False)
    role_paths: tuple[Path, ...] = field(init=False, repr=False, compare=False)
    group_paths: tuple[Path, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "client_paths", _paths(self.client))
        put(self, "scope_paths", _paths(self.scopes))
        put(self, "role_paths", _paths(self.roles))
        put(self, "group_paths", _paths(self.groups))


def _paths(named: str | Sequence[str]) -> tuple[Path, ...]:
    return tuple(path(one) for one in ((named,) if isinstance(named, str) else named))


def path(named: str) -> Path:
    """A claim's name, or the steps of a JSON Pointer, RFC 6901 §4.

    Raises:
        ConfigError: it is empty, or no pointer though it begins like one.
    """
    if not isinstance(named, str) or named in ("", "/"):
        raise ConfigError("a claim is named by a text that is not empty, or by a JSON Pointer (/a/b)")
    if not named.startswith("/"):
        return (named,)
    if "~" in named.replace("~0", "").replace("~1", ""):
        raise ConfigError("in a JSON Pointer ~ is written ~0, and / in a name ~1")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in named[1:].split("/"))


def find(claims: Mapping[str, Any], steps: Path) -> Any:
    """What stands at a path; None where nothing does."""
    found: Any = claims
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def verify(
    token: str | jws.UnverifiedJws, keys: JWK | JWKSet, trust: "TrustedIssuer", now: float
) -> dict[str, Any]:
    """The claims of an access token, once everything that this issuer's trust asks for holds. `now` in seconds.

    Not checked here: revocation, and the key a bound token is bound to.

    Raises:
        TokenError: a subclass for each rule.
    """
    claims = jose_claims.verify(token, keys, trust.policy, now)
    check_kind(claims, trust.refuse)
    if trust.audience_claim != "aud":
        check_audience_claim(claims, trust.audience_claim, trust.audiences)
    check_required(claims, trust.require)
    return claims


def check_kind(claims: Mapping[str, Any], refuse: frozenset[str]) -> None:
    """Refuse a token whose claims are those of another kind, RFC 8725 §3.12: its `typ` often says nothing.

    Raises:
        TokenTypeError: a claim is there that an access token of this issuer never has.
    """
    if not (_OTHER_KINDS.isdisjoint(claims) and refuse.isdisjoint(claims)):
        raise TokenTypeError("the claims are those of another kind of token")


def check_audience_claim(claims: Mapping[str, Any], name: str, audiences: frozenset[str]) -> None:
    """For issuers without `aud`: another claim names us. Where there is an `aud` all the same, it does too.

    Raises:
        AudienceError: the claim is missing or names others.
    """
    value = claims.get(name)
    if not isinstance(value, str) or value not in audiences:
        raise AudienceError(name, f"{name} is missing or names others")
    if "aud" in claims and audiences.isdisjoint(members.audience(claims)):
        raise AudienceError(detail="aud is there, and names others")


def check_required(claims: Mapping[str, Any], wanted: Mapping[str, Wanted]) -> None:
    """Claims say what they have to say; `true` is not 1.

    Raises:
        ClaimError: one is missing or says something else.
    """
    for name, value in wanted.items():
        found = find(claims, path(name))
        if value is ...:
            met = found is not None
        elif isinstance(value, frozenset):
            met = isinstance(found, str) and found in value
        else:
            met = found.__class__ is value.__class__ and found == value
        if not met:
            raise ClaimError(name, "a required claim is missing or says something else")


def check_wanted(wanted: Mapping[str, Wanted]) -> None:
    """Raise ConfigError unless every required value is one that a claim can have."""
    for name, value in wanted.items():
        path(name)
        texts = isinstance(value, frozenset) and value and all(isinstance(one, str) for one in value)
        if not (texts or value is ... or isinstance(value, str | int)):
            raise ConfigError(
                "require={...} maps a claim to a text, a number, true or false, a frozenset of texts, or ..."
            )


def principal(
    claims: Mapping[str, Any], paths: ClaimPaths | None = None, audience_claim: str = "aud"
) -> Principal:
    """Who verified claims speak for.

    The client is the subject itself where no claim names one.

    Raises:
        ClaimError: a claim has another type.
    """
    paths = paths or DEFAULT_PATHS
    subject = members.text(claims, "sub")
    own_aud = audience_claim == "aud" or "aud" in claims
    return Principal(
        issuer=members.text(claims, "iss"),
        subject=subject,
        client_id=_client(claims, paths) or subject,
        audience=members.audience(claims) if own_aud else frozenset({members.text(claims, audience_claim)}),
        scopes=_scopes(claims, paths),
        roles=_names(claims, paths.role_paths),
        groups=_groups(claims, paths),
        actor=access.read_actor(claims) if "act" in claims else None,
        session_id=members.optional_text(claims, "sid"),
        token_id=members.optional_text(claims, "jti"),
        auth_time=members.instant(claims, "auth_time") if "auth_time" in claims else None,
        acr=members.optional_text(claims, "acr"),
        amr=members.ordered_names(claims, "amr"),
        expires_at=members.instant(claims, "exp") if "exp" in claims else None,
        credential=CredentialKind.TOKEN,
        claims=claims,
    )


def _client(claims: Mapping[str, Any], paths: ClaimPaths) -> str | None:
    for steps in paths.client_paths:
        found = find(claims, steps)
        if found is not None:
            return members.text({steps[-1]: found}, steps[-1])
    return None


def _scopes(claims: Mapping[str, Any], paths: ClaimPaths) -> frozenset[str]:
    """A text of names with spaces between them, or a list of names."""
    for steps in paths.scope_paths:
        value = find(claims, steps)
        if isinstance(value, str):
            return frozenset(value.split())
        if value is not None:
            return members.names({steps[-1]: value}, steps[-1])
    return frozenset()


def _names(claims: Mapping[str, Any], paths: tuple[Path, ...]) -> frozenset[str]:
    joined: frozenset[str] = frozenset()
    for steps in paths:
        value = find(claims, steps)
        if value is not None:
            joined |= members.names({steps[-1]: value}, steps[-1])
    return joined


def _groups(claims: Mapping[str, Any], paths: ClaimPaths) -> frozenset[str] | ByReference:
    """Entra names a user's groups by reference once they are many, OpenID Connect Core §5.6.2: never an empty set."""
    if ("groups",) in paths.group_paths and "_claim_names" in claims:
        found = access.read_groups(claims)
        if isinstance(found, ByReference):
            return found
    return _names(claims, paths.group_paths)


DEFAULT_PATHS = ClaimPaths()
