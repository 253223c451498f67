"""A token becomes a principal, or is refused: everything but real time and real sockets."""

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials import BearerCredential, NoCredential, SessionCredential
from admit.errors import (
    AdmitError,
    AudienceError,
    BoundTokenError,
    ClaimError,
    ExpiredTokenError,
    IssuerError,
    KeyNotFoundError,
    KeysUnavailableError,
    MalformedCredentialError,
    MalformedTokenError,
    MissingCredentialError,
    NotYetValidError,
    RevokedError,
    SignatureError,
    TokenError,
    TokenTypeError,
)
from admit.fetch import Fetcher
from admit.jose import JWK, JWKSet, Waive, base64url
from admit.jose import claims as jose_claims
from admit.principal import CredentialKind
from admit.tokens import status_list
from admit.verifier import AsyncVerifier, TrustedIssuer, Verifier
from admit.verifier.core import Pending
from admit.verifier.follower import Follower
from tests.fixtures.following import following
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer

SECRET = bytes(range(32))
BACKEND = TrustedIssuer("backend", audience=AUDIENCE, secret=SECRET, typ="JWT", revocation=Waive.REVOCATION)


def test_making_a_verifier_asks_nobody_and_starts_no_thread(issuer: StatusIssuer, clock: Clock) -> None:
    before = threading.active_count()
    with following(issuer, clock=clock):
        assert threading.active_count() == before
    assert issuer.hits == []


def test_a_good_token_becomes_its_principal(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        who = verifier.verify(issuer.token(roles=frozenset({"admin"}), session_id="s1"))
    assert who.key == (issuer.issuer, "u_alice")
    assert (who.client_id, who.session_id, who.credential) == ("spa", "s1", CredentialKind.TOKEN)
    assert who.scopes == {"orders:read"}
    assert who.roles == {"admin"}
    assert who.audience == {AUDIENCE}


def test_a_second_use_asks_nobody(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        first, hits = verifier.verify(token), list(issuer.hits)
        assert verifier.verify(BearerCredential(token)) is first
        assert issuer.hits == hits
        verifier.verify(issuer.token(8))
        assert issuer.hits == hits


def test_a_remembered_principal_cannot_be_changed_by_who_got_it(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token(extra={"nested": {"list": [1]}})
        claims: Any = verifier.verify(token).claims
        with pytest.raises(TypeError):
            claims["nested"]["more"] = 1
        assert verifier.verify(token).claims["nested"]["list"] == (1,)


def test_a_token_that_expires_is_forgotten(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock, leeway=timedelta(0)) as verifier:
        token = issuer.token(exp=NOW + 10)
        verifier.verify(token)
        with pytest.raises(ExpiredTokenError):
            verifier.verify(token, now=NOW + 10)
        with pytest.raises(NotYetValidError):
            verifier.verify(token, now=NOW - 61)
        assert len(verifier.core.remembered) == 0
        verifier.verify(token, now=NOW + 9.9)


def test_the_memory_of_tokens_is_bounded(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.clock = clock.walltime
    verifier = Verifier(BACKEND, remember=5, wall=clock.walltime)
    key = JWK.secret(SECRET, "HS256")
    tokens = [backend_token(key, sub=str(number)) for number in range(9)]
    for token in tokens:
        verifier.verify(token)
    assert len(verifier.core.remembered) == 5


@pytest.mark.rfc("8725", "3.8")
@pytest.mark.threat("JWT-iss-sub", off="admit.verifier.choosing:trusted_keys")
def test_a_key_of_one_issuer_signs_nothing_for_another(clock: Clock) -> None:
    one, two = StatusIssuer("https://a.example"), StatusIssuer("https://b.example")
    with following(one, two, clock=clock) as verifier:
        assert verifier.verify(one.token()).issuer == one.issuer
        assert verifier.verify(two.token()).issuer == two.issuer
        with pytest.raises(KeyNotFoundError):
            verifier.verify(two.token(key=one.key))


@pytest.mark.parametrize(
    "iss", ["https://id.example.com/", "https://ID.example.com", "https://other.example", ""]
)
def test_an_issuer_is_compared_letter_by_letter(issuer: StatusIssuer, clock: Clock, iss: str) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        hits = list(issuer.hits)
        claims = {"iss": iss, "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60}
        with pytest.raises(IssuerError):
            verifier.verify(issuer.claims_token(claims, issuer.key, "at+jwt"))
        assert issuer.hits == hits


@pytest.mark.rfc("9068", "4")
def test_what_an_access_token_must_be_is_held(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        with pytest.raises(AudienceError):
            verifier.verify(issuer.token(audience="https://other.example"))
        with pytest.raises(SignatureError):
            verifier.verify(issuer.token()[:-8] + "AAAAAAAA")
        with pytest.raises(TokenTypeError):
            verifier.verify(issuer.claims_token({"iss": issuer.issuer, "sub": "u"}, issuer.key))
        status_signed = issuer.claims_token(
            {"iss": issuer.issuer, "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60, "iat": int(NOW),
             "jti": "j", "client_id": "c", "status": {"status_list": {"uri": issuer.issuer + "/status/0", "idx": 0}}},
            issuer.status_key, "at+jwt",
        )  # fmt: skip
        with pytest.raises(TokenError):
            verifier.verify(status_signed)


@pytest.mark.rfc("9449", "7.1")
@pytest.mark.threat("9700-sender", off="admit.verifier.reading:check_unbound")
def test_a_token_bound_to_a_key_is_refused_as_bearer(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier, pytest.raises(BoundTokenError):
        verifier.verify(issuer.token(confirmation={"jkt": "x"}))


def with_header(issuer: StatusIssuer, own: JWK, **more: Any) -> str:
    """A token of a stranger whose header brings what should convince."""
    payload = issuer.token(key=own).split(".")[1]
    header = {"alg": "ES256", "typ": "at+jwt", "kid": own.kid, **more}
    encoded = base64url.encode(json.dumps(header).encode()) + b"." + payload.encode()
    assert own.signer is not None
    return (encoded + b"." + base64url.encode(own.signer(encoded))).decode()


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust", off="admit.jose.jws:choose_key")
def test_no_key_is_taken_from_a_header(issuer: StatusIssuer, clock: Clock) -> None:
    own = JWK.generate("ES256", kid="mine")
    with following(issuer, clock=clock) as verifier, pytest.raises(KeyNotFoundError):
        verifier.verify(with_header(issuer, own, jwk=own.public().to_dict()))


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust")
@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_no_url_is_taken_from_a_header(issuer: StatusIssuer, clock: Clock, name: str) -> None:
    elsewhere = StatusIssuer("https://evil.example", clock=clock.walltime)
    net = FakeNet(issuer, elsewhere)
    own = JWK.generate("ES256", kid="mine")
    elsewhere.key = own
    with following(issuer, clock=clock, net=net) as verifier, pytest.raises(KeyNotFoundError):
        verifier.verify(with_header(issuer, own, **{name: "https://evil.example/jwks"}))
    assert elsewhere.hits == []


def backend_token(key: JWK, **changes: Any) -> str:
    claims = {"iss": "backend", "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60, **changes}
    return jose_claims.encode(claims, key, typ="JWT")


def test_a_shared_secret_needs_no_network_and_no_thread(clock: Clock) -> None:
    verifier = Verifier(BACKEND, wall=clock.walltime)
    before = threading.active_count()
    who = verifier.verify(
        backend_token(JWK.secret(SECRET, "HS256"), scp=["a", "b"], azp="job", roles=["admin"])
    )
    assert who.scopes == {"a", "b"}
    assert who.client_id == "job"
    assert who.roles == {"admin"}
    assert verifier.ready()
    assert threading.active_count() == before
    with pytest.raises(SignatureError):
        verifier.verify(backend_token(JWK.secret(SECRET[::-1], "HS256")))
    with pytest.raises(BoundTokenError):
        verifier.verify(backend_token(JWK.secret(SECRET, "HS256"), cnf={"jkt": "x"}))
    with pytest.raises(ClaimError):
        verifier.verify(backend_token(JWK.secret(SECRET, "HS256"), scope=7))


def test_configured_keys_are_never_fetched(clock: Clock) -> None:
    key = JWK.generate("ES256")
    trust = TrustedIssuer(
        "https://f.example",
        audience=AUDIENCE,
        jwks=JWKSet([key.public()]),
        typ="JWT",
        revocation=Waive.REVOCATION,
    )
    verifier = Verifier(trust, wall=clock.walltime)
    assert verifier.verify(backend_token(key, iss="https://f.example")).is_client
    with pytest.raises(KeyNotFoundError):
        verifier.verify(backend_token(JWK.generate("ES256"), iss="https://f.example"))


@pytest.mark.parametrize(
    ("credential", "error"),
    [
        (NoCredential(), MissingCredentialError),
        (SessionCredential(b"a" * 32, b"b" * 32), MalformedCredentialError),
        (None, MalformedCredentialError),
        (b"token", MalformedCredentialError),
        ("", MalformedTokenError),
        ("a.b", MalformedTokenError),
        ("\ud800", MalformedTokenError),
        ("é" * 10, MalformedTokenError),
        ("a" * 1_000_000, MalformedTokenError),
    ],
)
def test_what_is_no_bearer_token_is_refused(credential: Any, error: type[AdmitError]) -> None:
    with pytest.raises(error):
        Verifier(BACKEND).verify(credential)


@given(
    st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}")
)
def test_whatever_the_token_the_refusal_is_ours(token: str) -> None:
    with pytest.raises(TokenError):
        Verifier(BACKEND).verify(token)


async def test_the_async_verifier_says_the_same(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.clock = clock.walltime
    verifier = AsyncVerifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE),
        fetcher=FakeNet(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
    )
    found = await asyncio.gather(*(verifier.verify(issuer.token(position)) for position in range(20)))
    assert {who.subject for who in found} == {"u_alice"}
    assert issuer.hits.count("/jwks") == 1
    issuer.end(3)
    clock.pass_time(31)
    with pytest.raises(RevokedError):
        await verifier.verify(issuer.token(3))
    verifier.close()


async def test_a_caller_that_goes_away_leaves_the_fetch_to_the_others(
    issuer: StatusIssuer, clock: Clock
) -> None:
    let_go = threading.Event()

    class Slow(FakeNet):
        def get(self, url: str, headers: Any = None, **more: Any) -> Any:
            let_go.wait(5)
            return super().get(url, headers, **more)

    issuer.clock = clock.walltime
    verifier = AsyncVerifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE),
        fetcher=Slow(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
    )
    impatient = asyncio.create_task(verifier.verify(issuer.token(1)))
    patient = asyncio.create_task(verifier.verify(issuer.token(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    let_go.set()
    assert (await patient).subject == "u_alice"
    assert impatient.cancelled() or (await asyncio.wait({impatient})) is not None
    verifier.close()


def test_health_tells_what_is_held(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        assert not verifier.health().ready
        verifier.verify(issuer.token())
        clock.pass_time(3)
        told = verifier.health().issuers[0]
        assert (told.ready, told.fresh_age, told.max_staleness, told.keys_age) == (True, 3.0, 30.0, 3.0)
        assert (told.epoch, told.seq, told.keys) == (100, 0, (issuer.key.kid,))
        assert told.lists == {0: status_list.version(status_list.EMPTY)}
        assert (told.last_error, told.went_back, told.follows) == (None, False, True)


def test_a_verifier_dials_by_the_guard_unless_told_otherwise() -> None:
    trust = TrustedIssuer("https://id.example.com/tenant", audience=AUDIENCE)
    assert trust.origins == {"https://id.example.com"}
    source = Verifier(trust).core.source(trust.issuer)
    assert isinstance(source, Follower)
    assert isinstance(source._fetcher, Fetcher)


def test_an_issuer_that_hangs_costs_a_request_one_wait_and_no_more(
    issuer: StatusIssuer, clock: Clock
) -> None:
    let_go = threading.Event()

    class Hanging(FakeNet):
        def get(self, url: str, headers: Any = None, **more: Any) -> Any:
            let_go.wait(10)
            return super().get(url, headers, **more)

    with following(issuer, clock=clock, net=Hanging(issuer)) as verifier:
        waits = []
        outcome = verifier.core.try_verify(issuer.token())
        while isinstance(outcome, Pending):
            waits.append(outcome.timeout)
            try:
                outcome = verifier.core.settle(issuer.token(), final=True)
            except KeysUnavailableError:
                break
        assert len(waits) == 1
        assert waits[0] < 10
        let_go.set()
        assert verifier.verify(issuer.token()).subject == "u_alice"
