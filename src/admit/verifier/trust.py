"""Whom a verifier believes, and for how long what it knows of revocations is good."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from admit.errors import ConfigError, FetchError
from admit.fetch import egress
from admit.jose import JWK, JWKSet, Waive
from admit.jose.claims import ClaimPolicy

if TYPE_CHECKING:
    from admit.verifier.in_process import InProcessSource

ACCESS_TYP = "at+jwt"
_MIN_STALENESS = timedelta(seconds=1)
_MAX_STALENESS = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The bound on how long an ended token can still be accepted, and how often the issuer is asked.

    A token whose family was ended is refused at most `max_staleness` after the end was acknowledged. The price: when
    the issuer cannot be asked for that long, answers are 503. `poll` is at most a third of `max_staleness` (5 s
    unless that is more). `clock_leeway` is how far this machine's clock may be off the issuer's for the rule on young
    tokens, which need no list yet: those issued within `max_staleness - clock_leeway`.

    Raises:
        ConfigError: a duration out of range.
    """

    max_staleness: timedelta = timedelta(seconds=30)
    poll: timedelta | None = None
    clock_leeway: timedelta | None = None
    bound: float = field(init=False, repr=False)
    poll_every: float = field(init=False, repr=False)
    clock_bound: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
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
    sequence. Keys come from the issuer's metadata, or from `jwks` (a URL or a `JWKSet`), or are a shared `secret` for
    HS256 (octets, or a JWK). `rsa_alg` is for published RSA keys without `alg`.

    An Admit issuer says in each token where its revocation stands (`revocation=Revocation(...)`, the default), and a
    token without that is refused. Other issuers have nothing of the kind: that is given up by name, with
    `revocation=Waive.REVOCATION`; then tokens live until `exp`. Their `typ` is often not the one of RFC 9068: name it.
    `leeway` is for `exp`, `nbf` and `iat`. `source` follows an issuer inside this very process.

    Raises:
        ConfigError: the parts do not fit together; the message says which.
    """

    issuer: str
    audience: str | Sequence[str] = field(kw_only=True)
    revocation: Revocation | Literal[Waive.REVOCATION] = field(default_factory=Revocation, kw_only=True)
    jwks: str | JWKSet | None = field(default=None, kw_only=True)
    secret: bytes | JWK | None = field(default=None, kw_only=True, repr=False)
    rsa_alg: str | None = field(default=None, kw_only=True)
    typ: str | frozenset[str] | Literal[Waive.TYP] = field(default=ACCESS_TYP, kw_only=True)
    leeway: timedelta = field(default=timedelta(seconds=30), kw_only=True)
    max_age: timedelta | None = field(default=None, kw_only=True)
    source: "InProcessSource | None" = field(default=None, kw_only=True)
    policy: ClaimPolicy = field(init=False, repr=False, compare=False)
    fixed_keys: JWK | JWKSet | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        audiences = frozenset([self.audience] if isinstance(self.audience, str) else self.audience)
        put = object.__setattr__
        put(
            self,
            "policy",
            ClaimPolicy(
                issuer=self.issuer,
                audience=audiences,
                typ=self.typ,
                leeway=self.leeway,
                max_age=self.max_age,
                require=frozenset({"sub"}),
            ),
        )
        if sum(given is not None for given in (self.jwks, self.secret, self.source)) > 1:
            raise ConfigError("TrustedIssuer takes one of jwks, secret and source")
        put(self, "fixed_keys", self._fixed())
        if self.secret is not None and self.revocation is not Waive.REVOCATION:
            raise ConfigError("a shared secret has no status lists: say revocation=Waive.REVOCATION")
        if self.revocation is not Waive.REVOCATION and not isinstance(self.revocation, Revocation):
            raise ConfigError("revocation is Revocation(...) or Waive.REVOCATION")
        if self.revocation is not Waive.REVOCATION and self.typ != ACCESS_TYP:
            raise ConfigError(
                "only access tokens of RFC 9068 have a status: leave typ out, or say revocation=Waive.REVOCATION"
            )
        if self.source is None and self.needs_fetching:
            self._check_urls()

    @property
    def audiences(self) -> frozenset[str]:
        """What `aud` may name."""
        return self.policy.audiences

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
        named = [self.issuer] if self.needs_fetching else []
        if isinstance(self.jwks, str):
            named.append(self.jwks)
        return frozenset(egress.origin_of(url) for url in named)

    def _fixed(self) -> JWK | JWKSet | None:
        if isinstance(self.secret, bytes):
            return JWK.secret(self.secret, "HS256")
        if isinstance(self.secret, JWK):
            if self.secret.kty != "oct":
                raise ConfigError("TrustedIssuer(secret=...) is octets or a symmetric JWK; keys go to jwks")
            return self.secret
        if isinstance(self.jwks, JWKSet):
            if any(key.is_private for key in self.jwks):
                raise ConfigError("TrustedIssuer(jwks=...) is a set of public keys")
            return self.jwks
        return None

    def _check_urls(self) -> None:
        try:
            allowed = self.origins
            egress.check_url(self.issuer, allowed)
            if isinstance(self.jwks, str):
                egress.check_url(self.jwks, allowed)
        except FetchError:
            raise ConfigError("an issuer is an https URL; plain http is taken on localhost only") from None
