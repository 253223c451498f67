"""Whom a verifier believes, and for how long what it knows of revocations is good."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from admit.errors import ConfigError, FetchError, InvalidKeyError
from admit.fetch import egress
from admit.jose import JWK, JWKSet, Waive
from admit.jose.algorithms import JWS_ALGS
from admit.jose.claims import ClaimPolicy
from admit.jose.jwks import check_assumed
from admit.verifier import foreign
from admit.verifier.ends.store import EndStore
from admit.verifier.foreign import ClaimPaths, Wanted
from admit.verifier.introspection import Introspection

if TYPE_CHECKING:
    from admit.verifier.in_process import InProcessSource

ACCESS_TYP = "at+jwt"
_MIN_STALENESS = timedelta(seconds=1)
_MAX_STALENESS = timedelta(minutes=15)
TENANT = "{tenantid}"
"""Stands for the tenant in an issuer's name, as Entra's metadata writes it."""
ISSUER_OF_TESTS = "https://admit.invalid"
"""What `admit.testing` signs for: taken only inside one process, and never from a network (RFC 6761 §6.4)."""
_TENANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}", re.ASCII)
_NOTHING: Mapping[str, Wanted] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The bound on how long an ended token can still be accepted, and how often the issuer is asked.

    A token whose family was ended is refused at most `max_staleness` after the end was acknowledged. The price: when
    the issuer cannot be asked for that long, answers are 503. `poll` is at most a third of `max_staleness` (5 s
    unless that is more). With `stream` the issuer tells of ends as they happen, so that they are usually known within
    250 ms; losing it costs speed and nothing else. `clock_leeway` is how far this machine's clock may be off the
    issuer's for the rule on young tokens, which need no list yet: those issued within `max_staleness - clock_leeway`.
    Below one second nobody is young, since times in tokens are whole seconds.

    Raises:
        ConfigError: a duration out of range.
    """

    max_staleness: timedelta = timedelta(seconds=30)
    poll: timedelta | None = None
    clock_leeway: timedelta | None = None
    stream: bool = True
    bound: float = field(init=False, repr=False)
    poll_every: float = field(init=False, repr=False)
    clock_bound: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.max_staleness, timedelta) or not all(
            isinstance(given, timedelta | None) for given in (self.poll, self.clock_leeway)
        ):
            raise ConfigError("Revocation(...) takes timedeltas: max_staleness=timedelta(seconds=30)")
        if not _MIN_STALENESS <= self.max_staleness <= _MAX_STALENESS:
            raise ConfigError("Revocation(max_staleness=...) is a timedelta from 1 second to 15 minutes")
        third = self.max_staleness / 3
        poll = min(timedelta(seconds=5), third) if self.poll is None else self.poll
        if not timedelta(milliseconds=50) <= poll <= third:
            raise ConfigError("Revocation(poll=...) is from 50 ms to a third of max_staleness")
        leeway = min(timedelta(seconds=5), third) if self.clock_leeway is None else self.clock_leeway
        if not timedelta(0) <= leeway <= self.max_staleness:
            raise ConfigError("Revocation(clock_leeway=...) is from 0 to max_staleness")
        put = object.__setattr__
        put(self, "bound", self.max_staleness.total_seconds())
        put(self, "poll_every", poll.total_seconds())
        put(self, "clock_bound", leeway.total_seconds())


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer whose tokens are taken, and on which terms.

    `issuer` is compared letter by letter with `iss`; `audience` is what `aud` has to name, one of several if a
    sequence.

    **Keys** come from the issuer's metadata (`metadata` where it is not at the usual place), or from `jwks` (a URL or a
    `JWKSet`), or are a shared `secret` for HS256 (octets, or a JWK). `algorithms` narrows them: a key of another one
    is not taken. `rsa_alg` and `okp_alg` are for published keys of RSA, and of Ed25519 and Ed448, without `alg`:
    Entra's RSA keys need `RS256`; `okp_alg="Ed25519"` is for an issuer whose tokens have RFC 9864's name.

    **What tokens say.** An Admit issuer says in each token where its revocation stands (`revocation=Revocation(...)`,
    the default), and a token without that is refused. Other issuers have nothing of the kind: that is given up by
    name, with `revocation=Waive.REVOCATION`; then tokens live until `exp`. Their `typ` is often not the one of
    RFC 9068: name it. `audience_claim` is where an issuer without `aud` says for whom a token is. `require` maps a
    claim (or a JSON Pointer) to what it has to say: a value, a frozenset of texts of which it is one, or `...` for
    anything. `refuse` names claims that only other kinds of token have; by default those of ID tokens, which issuers
    often sign with the same keys and the same `typ`. `claims` tells where scopes, roles and the like stand.
    `leeway` is for `exp`, `nbf` and `iat`; `max_age` bounds the time since `iat`.

    **Many tenants.** With `{tenantid}` in `issuer`, `tenants` lists those that are trusted, each an issuer of its own;
    they share the keys of `metadata` or `jwks`, but for keys that are published for one tenant alone.

    `introspection` asks the issuer about tokens that are no JWT; `source` follows an issuer inside this very process.
    `ends` is a store of what the issuer told to be over, by a logout token or a security event (`EndReceiver`); it
    comes beside `revocation`. Tokens older than its `keep`, and those without `iat`, are not taken then.

    Raises:
        ConfigError: the parts do not fit together; the message says which.
    """

    issuer: str
    audience: str | Sequence[str] = field(kw_only=True)
    revocation: Revocation | Literal[Waive.REVOCATION] = field(default_factory=Revocation, kw_only=True)
    metadata: str | None = field(default=None, kw_only=True)
    jwks: str | JWKSet | None = field(default=None, kw_only=True)
    secret: bytes | JWK | None = field(default=None, kw_only=True, repr=False)
    algorithms: Collection[str] | None = field(default=None, kw_only=True)
    rsa_alg: str | None = field(default=None, kw_only=True)
    okp_alg: str = field(default="EdDSA", kw_only=True)
    typ: str | frozenset[str] | Literal[Waive.TYP] = field(default=ACCESS_TYP, kw_only=True)
    audience_claim: str = field(default="aud", kw_only=True)
    require: Mapping[str, Wanted] = field(default_factory=lambda: _NOTHING, kw_only=True)
    refuse: frozenset[str] = field(default=foreign.ID_TOKEN_CLAIMS, kw_only=True)
    claims: ClaimPaths = field(default=foreign.DEFAULT_PATHS, kw_only=True)
    tenants: Collection[str] | None = field(default=None, kw_only=True)
    introspection: Introspection | None = field(default=None, kw_only=True)
    leeway: timedelta = field(default=timedelta(seconds=30), kw_only=True)
    max_age: timedelta | None = field(default=None, kw_only=True)
    source: "InProcessSource | None" = field(default=None, kw_only=True)
    ends: EndStore | None = field(default=None, kw_only=True, compare=False)
    audiences: frozenset[str] = field(init=False, repr=False, compare=False)
    """What `aud`, or `audience_claim`, may name."""
    is_profiled: bool = field(init=False, repr=False, compare=False)
    """Whether tokens are read as RFC 9068 says: nothing here asks for another way."""
    policy: ClaimPolicy = field(init=False, repr=False, compare=False)
    fixed_keys: JWK | JWKSet | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_kinds()
        audiences = frozenset([self.audience] if isinstance(self.audience, str) else self.audience)
        if self.source is None and self.issuer.rstrip("/") == ISSUER_OF_TESTS:
            raise ConfigError(
                "https://admit.invalid is the issuer of tests: admit.testing alone can be trusted for it"
            )
        self._check_reading()
        own_aud = self.audience_claim == "aud"
        put = object.__setattr__
        put(self, "audiences", audiences)
        as_usual = self.claims == foreign.DEFAULT_PATHS and self.refuse == foreign.ID_TOKEN_CLAIMS
        put(self, "is_profiled", self.typ == ACCESS_TYP and own_aud and as_usual)
        put(self, "require", MappingProxyType(dict(self.require)))
        put(
            self,
            "policy",
            ClaimPolicy(
                issuer=self.issuer,
                audience=audiences if own_aud else Waive.AUDIENCE,
                typ=self.typ,
                leeway=self.leeway,
                max_age=self.max_age,
                require=frozenset({"sub"}),
            ),
        )
        if sum(given is not None for given in (self.metadata, self.jwks, self.secret, self.source)) > 1:
            raise ConfigError("TrustedIssuer takes one of metadata, jwks, secret and source")
        put(self, "fixed_keys", self._fixed())
        self._check_tenants()
        self._check_revocation()
        if self.source is None:
            self._check_urls()

    def each(self) -> "Iterator[TrustedIssuer]":
        """This issuer; or, with tenants, each tenant's, sharing all else."""
        if self.tenants is None:
            yield self
            return
        for tenant in sorted(self.tenants):
            yield replace(self, issuer=self.issuer.replace(TENANT, tenant), tenants=None)

    @property
    def follows(self) -> Revocation | None:
        """The terms on which revocation is followed; None where it is waived."""
        return None if self.revocation is Waive.REVOCATION else self.revocation

    @property
    def needs_fetching(self) -> bool:
        """Whether anything of this issuer has to be asked for over the network."""
        return self.source is None and (self.fixed_keys is None or self.follows is not None)

    @property
    def origins(self) -> frozenset[str]:
        """What the operator named here, and so opened the egress guard for."""
        named = [url for url in (self.metadata, self.jwks) if isinstance(url, str)]
        if self.introspection is not None and self.introspection.endpoint is not None:
            named.append(self.introspection.endpoint)
        if self._dials_issuer:
            named.append(self.issuer)
        return frozenset(egress.origin_of(url) for url in named)

    @property
    def _dials_issuer(self) -> bool:
        """Whether anything is at an address that is derived from the issuer's name."""
        if self.source is not None:
            return False
        finds_keys = self.fixed_keys is None and not isinstance(self.jwks, str)
        finds_endpoint = self.introspection is not None and self.introspection.endpoint is None
        return self.follows is not None or (self.metadata is None and (finds_keys or finds_endpoint))

    def _fixed(self) -> JWK | JWKSet | None:
        found: JWK | JWKSet | None = None
        if isinstance(self.secret, bytes):
            found = _of_secret(self.secret)
        elif isinstance(self.secret, JWK):
            if self.secret.kty != "oct":
                raise ConfigError("TrustedIssuer(secret=...) is octets or a symmetric JWK; keys go to jwks")
            found = self.secret
        elif isinstance(self.jwks, JWKSet):
            if any(key.is_private for key in self.jwks):
                raise ConfigError("TrustedIssuer(jwks=...) is a set of public keys")
            found = self.jwks
        held = () if found is None else (found,) if isinstance(found, JWK) else tuple(found)
        if self.algorithms is not None and not {key.alg for key in held} <= set(self.algorithms):
            raise ConfigError("a key given here has an algorithm that algorithms={...} leaves out")
        return found

    def _check_kinds(self) -> None:
        """Each part is of its kind: what is none would be found by the first token, or be passed over."""
        if not (isinstance(self.issuer, str) and self.issuer):
            raise ConfigError("issuer is the text that tokens say in iss, such as https://id.example.com")
        if not _are_texts([self.audience] if isinstance(self.audience, str) else self.audience):
            raise ConfigError("audience is a text that is not empty, or several")
        if not isinstance(self.metadata, str | None):
            raise ConfigError("metadata is a URL, or None")
        if not isinstance(self.jwks, str | JWKSet | None):
            raise ConfigError(
                "jwks is a URL or a JWKSet: JWKSet.load_foreign(...) reads one that others publish"
            )
        if not isinstance(self.secret, bytes | JWK | None):
            raise ConfigError("secret is octets (.encode() makes them of a text) or a symmetric JWK")
        if not isinstance(self.require, Mapping):
            raise ConfigError("require={...} maps a claim to what it has to say")
        if not isinstance(self.introspection, Introspection | None):
            raise ConfigError("introspection is Introspection(...), or None")

    def _check_reading(self) -> None:
        """What is asked of claims can be asked."""
        if not isinstance(self.audience_claim, str) or self.audience_claim in ("", "iss", "sub", "exp"):
            raise ConfigError("audience_claim is the name of the claim that says for whom a token is")
        if not isinstance(self.refuse, frozenset) or not isinstance(self.claims, ClaimPaths):
            raise ConfigError("refuse is a frozenset of claim names, and claims is ClaimPaths(...)")
        foreign.check_wanted(self.require)
        named = self.algorithms
        if named is not None and (not _are_texts(named) or not set(named) <= JWS_ALGS.keys()):
            raise ConfigError("algorithms is a set of supported JWS algorithms, and not empty")
        check_assumed("sig", self.rsa_alg, "ECDH-ES", self.okp_alg)
        given = {self.rsa_alg, self.okp_alg} - {None, "EdDSA"}
        if named is not None and not given <= set(named):
            raise ConfigError("rsa_alg or okp_alg is not one of algorithms")

    def _check_tenants(self) -> None:
        """Tenants are listed where the name has a place for them; there is no way to trust all."""
        if self.tenants is None:
            if TENANT in self.issuer:
                raise ConfigError(f"an issuer with {TENANT} needs tenants={{...}}: those that are trusted")
            return
        if self.issuer.count(TENANT) != 1:
            raise ConfigError(f"tenants={{...}} needs {TENANT} once in the issuer's name")
        if isinstance(self.tenants, str) or not self.tenants:
            raise ConfigError("tenants lists those that are trusted, and is not empty")
        if not all(isinstance(one, str) and _TENANT_ID.fullmatch(one) for one in self.tenants):
            raise ConfigError("a tenant is named by letters, digits, dots and hyphens")
        if self.metadata is None and self.jwks is None and self.secret is None:
            raise ConfigError("an issuer of many tenants needs metadata or jwks: where the keys of all are")
        if self.revocation is not Waive.REVOCATION:
            raise ConfigError(
                "an issuer of many tenants has no status lists: say revocation=Waive.REVOCATION"
            )
        if self.introspection is not None:
            raise ConfigError("introspection needs an issuer with one name")

    def _check_revocation(self) -> None:
        if self.revocation is Waive.REVOCATION:
            return
        if self.secret is not None:
            raise ConfigError("a shared secret has no status lists: say revocation=Waive.REVOCATION")
        if not isinstance(self.revocation, Revocation):
            raise ConfigError("revocation is Revocation(...) or Waive.REVOCATION")
        if not self.is_profiled:
            raise ConfigError(
                "only access tokens of RFC 9068 have a status: leave typ, audience_claim, refuse and claims out, or "
                "say revocation=Waive.REVOCATION"
            )

    def _check_urls(self) -> None:
        named = [url for url in (self.metadata, self.jwks) if isinstance(url, str)]
        if self.introspection is not None and self.introspection.endpoint is not None:
            named.append(self.introspection.endpoint)
        if self._dials_issuer:
            named.append(self.issuer)
        try:
            for url in named:
                egress.check_url(url, frozenset({egress.origin_of(url)}))
        except FetchError:
            raise ConfigError("an issuer is an https URL; plain http is taken on localhost only") from None


def _of_secret(secret: bytes) -> JWK:
    try:
        return JWK.secret(secret, "HS256")
    except InvalidKeyError as error:
        raise InvalidKeyError(
            f"{error.detail}. Have whoever signs use a generated one, such as secrets.token_bytes(32), for as long as "
            "a token lives; then trust that one here"
        ) from None


def _are_texts(values: object) -> bool:
    """Whether these are several texts, none of them empty; a mapping is no list of its names."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Collection):
        return False
    return bool(values) and all(isinstance(one, str) and one for one in values)
