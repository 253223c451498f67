"""Who a request speaks for: the one value that a session and a token both become."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from admit.errors import ConfigError

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class CredentialKind(Enum):
    """How the principal was carried."""

    TOKEN = "token"  # noqa: S105  # a word, no secret
    SESSION = "session"


class PrincipalKey(NamedTuple):
    """What applications store: a subject alone is not unique with two issuers, OpenID Connect Core §5.7."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class ByReference:
    """Groups that did not fit the token's size budget; a guard that needs them fetches them once a token.

    `endpoint` is an https URL of the issuer; never an empty set in their place.
    """

    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller. Frozen, and does no I/O.

    `auth_time` and `expires_at` are seconds since the epoch. `session_id` is the public id of the session or
    grant (`sid`), never the cookie. `claims` is read-only: for a token its payload, for a session what the ID
    token would say. `actor` is who acts for the subject (RFC 8693 §4.1), None where nobody does.
    """

    issuer: str
    subject: str
    client_id: str
    audience: frozenset[str]
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] | ByReference = frozenset()
    actor: Mapping[str, Any] | None = None
    session_id: str | None = None
    token_id: str | None = None
    auth_time: float | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    expires_at: float | None = None
    credential: CredentialKind = CredentialKind.TOKEN
    claims: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)

    def __post_init__(self) -> None:
        # A framework that is answered with a dataclass shows all its fields; a read-only mapping it cannot copy. So an
        # endpoint that returns the principal itself fails, whoever made it, and shows nobody's claims by accident.
        if type(self.claims) is not MappingProxyType:
            object.__setattr__(self, "claims", MappingProxyType(self.claims))

    @property
    def key(self) -> PrincipalKey:
        """`(issuer, subject)`: the identity to store."""
        return PrincipalKey(self.issuer, self.subject)

    @property
    def is_client(self) -> bool:
        """True for a machine caller: its subject is its client id, which no user's subject can equal."""
        return self.subject == self.client_id

    def as_dict(self) -> dict[str, Any]:
        """Everything but `claims`, as JSON has it: what an endpoint may show its own caller. Sets are sorted lists."""
        groups = self.groups
        return {
            "issuer": self.issuer,
            "subject": self.subject,
            "client_id": self.client_id,
            "audience": sorted(self.audience),
            "scopes": sorted(self.scopes),
            "roles": sorted(self.roles),
            "groups": {"endpoint": groups.endpoint} if isinstance(groups, ByReference) else sorted(groups),
            "actor": None if self.actor is None else dict(self.actor),
            "session_id": self.session_id,
            "token_id": self.token_id,
            "auth_time": self.auth_time,
            "acr": self.acr,
            "amr": list(self.amr),
            "expires_at": self.expires_at,
            "credential": self.credential.value,
        }

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> NoReturn:
        """Pydantic reads what requests say, and takes any dataclass for a form to fill in. This one is filled in by a
        guard alone: else a route that forgets the guard's parentheses has its caller write who they are.
        """
        raise ConfigError(
            "a Principal comes from a guard, never from what a request says: write Annotated[Principal, guard(...)],"
            " with the parentheses; to answer with one, return who.as_dict() from a route that returns a dict"
        )


OpenPrincipal: Any = make_dataclass(
    "OpenPrincipal", [(one.name, Any) for one in fields(Principal)], slots=True, kw_only=True
)
"""A principal on the hot path of a new token, until `__class__ = Principal` closes it: the same slots, not frozen yet.

A frozen dataclass sets each field by name, through `object.__setattr__`; that takes ten times as long, and more than
any other step of reading a token. Every field is given.
"""
