"""Several issuers side by side: each token is held to the terms and keys of its own issuer, and no other matters."""

import json
import random
import string
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import httpcore2
import pytest

from admit.errors import (
    AdmitError,
    AlgorithmError,
    AudienceError,
    ClaimError,
    IntrospectionUnavailableError,
    KeyNotFoundError,
    KeysUnavailableError,
    RevokedError,
    SignatureError,
    StaleRevocationError,
    TokenError,
    TokenTypeError,
)
from admit.fetch import Fetcher, Response
from admit.jose import JWK, JWKSet, Waive, base64url
from admit.jose import claims as jose_claims
from admit.verifier import ClaimPaths, Introspection, TrustedIssuer, Verifier
from tests.fixtures.following import verifying
from tests.fixtures.opaque_issuer import API_ID, API_SECRET, OpaqueIssuer
from tests.fixtures.opaque_issuer import serve as serve_opaque
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer, serve
from tests.plugins.patience import patience

SECRET = bytes(range(32))
NAMES = ("https://a.example", "https://b.example", "https://c.example")
WAIVED: dict[str, Any] = {"revocation": Waive.REVOCATION}
TRUSTED_KEYS = "admit.verifier.choosing:trusted_keys"
ONE_LOOK = "admit.verifier.plain:read"


def three(clock: Clock) -> list[StatusIssuer]:
    return [StatusIssuer(name, clock=clock.walltime) for name in NAMES]


def admits(*issuers: StatusIssuer, **more: Any) -> list[TrustedIssuer]:
    return [TrustedIssuer(one.issuer, audience=AUDIENCE, **more) for one in issuers]


def claims(issuer: str, **changes: Any) -> dict[str, Any]:
    members = {"iss": issuer, "sub": "u", "aud": AUDIENCE, "iat": int(NOW), "exp": int(NOW) + 60, **changes}
    return {name: value for name, value in members.items() if value is not None}


@pytest.mark.rfc("8725", "3.8")
@pytest.mark.threat("JWT-iss-sub", off=[TRUSTED_KEYS, ONE_LOOK])
def test_one_kid_at_two_issuers_is_two_keys(clock: Clock) -> None:
    one, two, _ = three(clock)
    one.key, two.key = JWK.generate("ES256", kid="k1"), JWK.generate("ES256", kid="k1")
    with verifying(*admits(one, two), clock=clock, fetcher=FakeNet(one, two)) as verifier:
        assert verifier.verify(one.token()).issuer == one.issuer
        assert verifier.verify(two.token()).issuer == two.issuer
        for issuer, other in ((one, two), (two, one)):
            with pytest.raises(SignatureError):
                verifier.verify(issuer.token(key=other.key))


@pytest.mark.rfc("8725", "3.8")
@pytest.mark.threat("JWT-iss-sub", off=TRUSTED_KEYS)
@pytest.mark.parametrize("warm", [True, False])
def test_a_key_of_any_issuer_signs_nothing_for_any_other(clock: Clock, warm: bool) -> None:
    issuers = three(clock)
    with verifying(*admits(*issuers), clock=clock, fetcher=FakeNet(*issuers)) as verifier:
        for one in issuers if warm else issuers[1:]:
            verifier.verify(one.token())
        for one in issuers:
            for other in issuers:
                if one is not other:
                    with pytest.raises(KeyNotFoundError):
                        verifier.verify(one.token(key=other.key))
        for one in issuers:
            assert verifier.verify(one.token()).issuer == one.issuer


@pytest.mark.threat("JWT-alg-key")
def test_the_secret_of_one_issuer_makes_no_tokens_of_another(clock: Clock) -> None:
    key = JWK.generate("ES256")
    strong = TrustedIssuer("backend", audience=AUDIENCE, secret=SECRET, typ="JWT", **WAIVED)
    other = TrustedIssuer(
        "https://a.example", audience=AUDIENCE, jwks=JWKSet([key.public()]), typ="JWT", **WAIVED
    )
    shared = JWK.secret(SECRET, "HS256")
    with verifying(strong, other, clock=clock) as verifier:
        verifier.verify(jose_claims.encode(claims("backend"), shared, typ="JWT"))
        verifier.verify(jose_claims.encode(claims("https://a.example"), key, typ="JWT"))
        with pytest.raises(TokenError):
            verifier.verify(jose_claims.encode(claims("https://a.example"), shared, typ="JWT"))
        with pytest.raises(AlgorithmError):
            verifier.verify(jose_claims.encode(claims("backend"), key, typ="JWT"))


def test_each_issuer_has_terms_of_its_own(clock: Clock) -> None:
    """Static keys, a JWKS URL, a shared secret and metadata, each with other claims asked for."""
    static, hosted = JWK.generate("ES256", kid="s"), JWK.generate("EdDSA", kid="h")
    follows, *_ = three(clock)
    follows.clock = clock.walltime
    secret = JWK.secret(SECRET, "HS256")

    class Net(FakeNet):
        def get(self, url: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
            if url == "https://keys.example/jwks":
                return Response(200, {}, json.dumps({"keys": [hosted.public().to_dict()]}).encode())
            return super().get(url, headers, **more)

    trust = (
        TrustedIssuer(
            "static",
            audience="api-1",
            jwks=JWKSet([static.public()]),
            typ="JWT",
            require={"env": "prod"},
            **WAIVED,
        ),
        TrustedIssuer(
            "https://hosted.example",
            audience="web",
            audience_claim="client_id",
            jwks="https://keys.example/jwks",
            typ=frozenset({"JWT", "at+jwt"}),
            claims=ClaimPaths(roles="/realm/roles"),
            **WAIVED,
        ),
        TrustedIssuer(
            "backend",
            audience="api-2",
            secret=SECRET,
            typ="internal+jwt",
            max_age=timedelta(seconds=30),
            **WAIVED,
        ),
        *admits(follows),
    )
    with verifying(*trust, clock=clock, fetcher=Net(follows)) as verifier:

        def takes(members: dict[str, Any], key: JWK, typ: str = "JWT") -> Any:
            return verifier.verify(jose_claims.encode(members, key, typ=typ))

        takes(claims("static", aud="api-1", env="prod"), static)
        hosted_claims = claims("https://hosted.example", aud=None, client_id="web", realm={"roles": ["r"]})
        assert takes(hosted_claims, hosted).roles == {"r"}
        takes(claims("backend", aud="api-2"), secret, "internal+jwt")
        verifier.verify(follows.token())
        # What one asks for is nothing to another.
        with pytest.raises(ClaimError):
            takes(claims("static", aud="api-1"), static)
        with pytest.raises(AudienceError):
            takes(claims("static", aud="api-2", env="prod"), static)
        with pytest.raises(AudienceError):
            takes({**hosted_claims, "client_id": "another"}, hosted)
        with pytest.raises(TokenTypeError):
            takes(claims("backend", aud="api-2"), secret)
        with pytest.raises(TokenError):
            takes(claims("backend", aud="api-2", iat=int(NOW) - 61), secret, "internal+jwt")
        with pytest.raises(ClaimError):
            verifier.verify(follows.token(None))  # no status, and its revocations are followed


def test_one_issuer_down_disturbs_no_other(clock: Clock) -> None:
    one, two, three_ = three(clock)
    with verifying(*admits(one, two, three_), clock=clock, fetcher=FakeNet(one, two, three_)) as verifier:
        one.down = True  # from the start
        for issuer in (two, three_):
            assert verifier.verify(issuer.token()).issuer == issuer.issuer
        with pytest.raises(KeysUnavailableError):
            verifier.verify(one.token())
        two.down = True  # later on
        clock.pass_time(31)
        with pytest.raises(StaleRevocationError):
            verifier.verify(two.token())
        verifier.verify(three_.token())
        three_.end(7)
        health = {found.issuer: found for found in verifier.health().issuers}
        assert (health[one.issuer].ready, health[two.issuer].ready, health[three_.issuer].ready) == (
            False,
            False,
            True,
        )
        assert not verifier.ready()
        clock.pass_time(31)
        with pytest.raises(RevokedError):
            verifier.verify(three_.token())


def test_an_issuer_that_hangs_makes_nobody_else_wait(clock: Clock) -> None:
    slow, quick, _ = three(clock)
    hanging, let_go = threading.Event(), threading.Event()

    class Net(FakeNet):
        def get(self, url: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
            if url.startswith(slow.issuer):
                hanging.set()
                let_go.wait(2 * patience())
            return super().get(url, headers, **more)

    with verifying(*admits(slow, quick), clock=clock, fetcher=Net(slow, quick)) as verifier:
        waiting = threading.Thread(target=lambda: verifier.verify(slow.token()), daemon=True)
        try:
            waiting.start()
            assert hanging.wait(patience())
            for position in range(20):
                verifier.verify(quick.token(position))
            assert waiting.is_alive()
        finally:
            let_go.set()
            waiting.join(patience())


def test_an_issuer_whose_introspection_is_down_disturbs_no_other(clock: Clock) -> None:
    key = JWK.generate("ES256")
    steady = TrustedIssuer("steady", audience=AUDIENCE, jwks=JWKSet([key.public()]), typ="JWT", **WAIVED)
    with serve_opaque(OpaqueIssuer()) as asked:
        terms = Introspection(client_id=API_ID, secret=API_SECRET)
        opaque = TrustedIssuer(asked.issuer, audience=AUDIENCE, typ="JWT", introspection=terms, **WAIVED)
        asked.hangs_up = True
        with verifying(steady, opaque, clock=clock) as verifier:
            with pytest.raises(IntrospectionUnavailableError):
                verifier.verify("an-opaque-token")
            verifier.verify(jose_claims.encode(claims("steady"), key, typ="JWT"))
        assert asked.asked


@pytest.mark.threat("JWT-jwks", off="admit.verifier.keys:is_cool")
def test_a_flood_of_unknown_kids_over_many_issuers_costs_each_two_fetches_and_nobody_a_refusal(
    clock: Clock, rounds: Callable[..., range], rng: random.Random
) -> None:
    issuers = three(clock)
    attacker = JWK.generate("ES256", kid="x")
    parts = {one.issuer: one.token(key=attacker).split(".")[1:] for one in issuers}
    with verifying(*admits(*issuers), clock=clock, fetcher=FakeNet(*issuers)) as verifier:
        for one in issuers:
            verifier.verify(one.token())
        for number in rounds(quick=500, test=2_000, soak=10_000):
            one = rng.choice(issuers)
            kid = "".join(rng.choices(string.ascii_letters, k=12))
            head = base64url.encode(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": kid}).encode())
            with pytest.raises(KeyNotFoundError):
                verifier.verify(".".join([head.decode(), *parts[one.issuer]]))
            if number % 100 == 0:
                for good in issuers:
                    verifier.verify(good.token(jti=str(number)))
        assert all(one.hits.count("/jwks") <= 2 for one in issuers)


@pytest.mark.threat("JWT-jwks")
def test_a_flood_of_unknown_issuers_asks_nobody(clock: Clock) -> None:
    one, *_ = three(clock)
    with verifying(*admits(one), clock=clock, fetcher=(net := FakeNet(one))) as verifier:
        verifier.verify(one.token())
        asked = len(net.dialled)
        stranger = JWK.generate("ES256")
        for number in range(300):
            with pytest.raises(TokenError):
                verifier.verify(
                    jose_claims.encode(claims(f"https://{number}.example"), stranger, typ="at+jwt")
                )
        assert len(net.dialled) == asked


class Recorder(httpcore2.SyncBackend):
    """Dials the one port that is ours, and only notes every other attempt."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.attempts: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, *more: Any, **named: Any) -> httpcore2.NetworkStream:
        if port == self._port:
            return super().connect_tcp(host, port, *more, **named)
        self.attempts.append((host, port))
        raise httpcore2.ConnectError("recorded")


INSIDE = [
    "https://127.0.0.1:8443/keys",
    "https://[::1]:8443/keys",
    "https://0.0.0.0:8443/keys",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.5/keys",
    "https://0x7f000001:8443/keys",
    "https://127.1:8443/keys",
    "https://[::ffff:127.0.0.1]:8443/keys",
    "https://inside.example/keys",
    "https://mixed.example/keys",
]
PLAIN = [
    "http://127.0.0.1:8080/keys",
    "http://169.254.169.254/keys",
    "http://public.example/keys",
    "file:///etc/passwd",
]
RESOLVED = {
    "inside.example": ["192.168.1.1"],
    "mixed.example": ["8.8.8.8", "10.0.0.5"],
    "public.example": ["8.8.8.8"],
    "0x7f000001": ["127.0.0.1"],
    "127.1": ["127.0.0.1"],
}


def led_astray(member: str, url: str) -> tuple[list[tuple[str, int]], AdmitError, list[str]]:
    """An issuer whose metadata names `url`: what was dialled for it, the error, and what the issuer was asked."""
    with serve_opaque(OpaqueIssuer(metadata={member: url})) as issuer:
        backend = Recorder(int(issuer.issuer.rpartition(":")[2]))
        fetcher = Fetcher(
            frozenset({issuer.issuer}), backend=backend, resolver=lambda host, _: RESOLVED.get(host, [host])
        )
        terms = Introspection(client_id=API_ID, secret=API_SECRET)
        trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, typ="JWT", introspection=terms, **WAIVED)
        verifier = Verifier(trust, fetcher=fetcher)
        token = jose_claims.encode(claims(issuer.issuer), issuer.key, typ="JWT")
        try:
            with pytest.raises(AdmitError) as refusal:
                verifier.verify("an-opaque-token" if member == "introspection_endpoint" else token)
        finally:
            verifier.close()
            fetcher.close()
        return backend.attempts, refusal.value, issuer.asked


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
@pytest.mark.parametrize("url", INSIDE)
@pytest.mark.parametrize("member", ["jwks_uri", "introspection_endpoint"])
def test_metadata_that_points_inside_leads_nowhere(member: str, url: str) -> None:
    attempts, error, asked = led_astray(member, url)
    assert attempts == []
    assert asked == []
    assert error.status == 503
    assert url not in f"{error.detail} {error.public}"


@pytest.mark.threat("INF-ssrf")
@pytest.mark.parametrize("url", PLAIN)
@pytest.mark.parametrize("member", ["jwks_uri", "introspection_endpoint"])
def test_metadata_that_points_to_what_is_not_https_leads_nowhere(member: str, url: str) -> None:
    attempts, error, asked = led_astray(member, url)
    assert (attempts, asked, error.status) == ([], [], 503)


def test_metadata_that_points_to_a_public_address_is_followed_there() -> None:
    attempts, error, _ = led_astray("jwks_uri", "https://8.8.8.8/keys")
    assert attempts == [("8.8.8.8", 443)]
    assert error.status == 503


@pytest.mark.threat("INF-ssrf")
def test_what_is_opened_for_one_issuer_is_not_open_to_anothers_word() -> None:
    """Both are inside, named by the operator; one names the other's address as the place of its keys."""
    one, two = StatusIssuer(), StatusIssuer()
    clock = Clock(wall=time.time())
    with (
        serve(one),
        serve(two),
        serve_opaque(OpaqueIssuer(metadata={"jwks_uri": f"{two.issuer}/jwks"})) as liar,
    ):
        trust = [TrustedIssuer(liar.issuer, audience=AUDIENCE, typ="JWT", **WAIVED), *admits(one, two)]
        with verifying(*trust, clock=clock) as verifier:
            verifier.verify(one.token())
            with pytest.raises(KeysUnavailableError):
                verifier.verify(
                    jose_claims.encode(claims(liar.issuer, exp=int(time.time()) + 60), two.key, typ="JWT")
                )
            assert two.hits == []
