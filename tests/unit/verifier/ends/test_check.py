"""A verifier with a store of ends: what was ended is refused, also when remembered; what cannot be told gets 503."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from admit import Revocation, TrustedIssuer, Verifier, Waive
from admit.credentials.lookup import Found, StatusRef
from admit.errors import (
    ClaimError,
    ExpiredTokenError,
    RevokedError,
    SessionError,
    StaleRevocationError,
)
from admit.jose import JWK, JWKSet
from admit.principal import CredentialKind, Principal
from admit.tokens import status_list
from admit.verifier import InProcessSource
from admit.verifier.ends.file import FileEndStore
from admit.verifier.ends.memory import MemoryEndStore
from admit.verifier.ends.store import EndStore
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer
from tests.unit.verifier.ends.making import ISSUER, clocks, end

KEY = JWK.generate("ES256", kid="k1")
Make = Callable[..., Verifier]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryEndStore:
    return MemoryEndStore(**clocks(clock))


class NothingEnded:
    """What an issuer in this process hands over."""

    epoch, seq = 1, 1
    revoked_kids = frozenset[str]()

    def __init__(self) -> None:
        self.lists = {0: (status_list.version(status_list.EMPTY), status_list.EMPTY)}


def trusted(store: EndStore | None, **more: Any) -> TrustedIssuer:
    """An issuer that is no Admit."""
    return TrustedIssuer(
        ISSUER,
        audience=AUDIENCE,
        jwks=JWKSet([KEY.public()]),
        typ="JWT",
        revocation=Waive.REVOCATION,
        ends=store,
        **more,
    )


def verifier(clock: Clock, *trust: TrustedIssuer, net: FakeNet | None = None, **more: Any) -> Verifier:
    return Verifier(*trust, **clocks(clock), fetcher=net, **more)  # type: ignore[arg-type]  # only asked by get


def token(**changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": int(NOW) - 60,
        "exp": int(NOW) + 3_600,
        "jti": "t1",
        "sid": "s1",
    }
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return StatusIssuer().claims_token(kept, KEY)


@pytest.mark.threat("O-3", off="admit.verifier.ends.check:check_ended")
@pytest.mark.parametrize("which", [{"subject": "alice"}, {"session_id": "s1"}, {"token_id": "t1"}])
def test_an_ended_token_is_refused_though_it_is_remembered(
    clock: Clock, store: MemoryEndStore, which: dict[str, str]
) -> None:
    found = verifier(clock, trusted(store))
    text = token()
    assert found.verify(text).subject == "alice"
    assert found.verify(text).subject == "alice"
    store.add([end(**which)])
    with pytest.raises(RevokedError) as caught:
        found.verify(text)
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")
    with pytest.raises(RevokedError):
        verifier(clock, trusted(store)).verify(text)


@pytest.mark.parametrize("which", [{"subject": "bob"}, {"session_id": "s2"}, {"token_id": "t2"}])
def test_the_end_of_another_refuses_nobody(
    clock: Clock, store: MemoryEndStore, which: dict[str, str]
) -> None:
    found = verifier(clock, trusted(store))
    store.add([end(**which)])
    assert found.verify(token()).subject == "alice"


def test_a_token_issued_after_the_end_of_its_subject_is_taken(clock: Clock, store: MemoryEndStore) -> None:
    found = verifier(clock, trusted(store))
    store.add([end(subject="alice", before=NOW - 30)])
    with pytest.raises(RevokedError):
        found.verify(token(iat=int(NOW) - 30))
    assert found.verify(token(iat=int(NOW) - 29)).subject == "alice"


def test_an_end_counts_for_the_issuer_that_told_it_alone(clock: Clock, store: MemoryEndStore) -> None:
    found = verifier(clock, trusted(store))
    store.add([replace(end(), issuer="https://other.example.com")])
    assert found.verify(token()).subject == "alice"


def test_without_a_store_nothing_is_refused_by_it(clock: Clock, store: MemoryEndStore) -> None:
    store.add([end()])
    assert verifier(clock, trusted(None)).verify(token()).subject == "alice"


class Unread(MemoryEndStore):
    """A store that cannot be read."""

    def is_fresh(self) -> bool:
        return False

    def pending(self) -> Future[None] | None:
        return None


@pytest.mark.threat("O-4", off="admit.verifier.ends.check:check_read")
def test_a_store_that_cannot_be_read_makes_every_token_503(clock: Clock) -> None:
    found = verifier(clock, trusted(Unread(**clocks(clock))))
    with pytest.raises(StaleRevocationError) as caught:
        found.verify(token())
    assert (caught.value.status, caught.value.code) == (503, "revocation_stale")
    assert not found.ready()


def test_a_remembered_token_gets_503_too_once_the_store_is_not_read(
    clock: Clock, store: MemoryEndStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verifier(clock, trusted(store))
    text = token()
    assert found.verify(text) is found.verify(text)
    monkeypatch.setattr(store, "is_fresh", lambda: False)
    with pytest.raises(StaleRevocationError):
        found.verify(text)
    monkeypatch.undo()
    assert found.verify(text).subject == "alice"


def test_what_is_known_to_be_ended_is_refused_however_old_that_knowledge_is(clock: Clock) -> None:
    store = Unread(**clocks(clock))
    store.add([end()])
    with pytest.raises(RevokedError):
        verifier(clock, trusted(store)).verify(token())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store that was begun a while ago."""
    FileEndStore(tmp_path / "ends", **clocks(Clock(wall=NOW - 3_600))).read_now()
    return tmp_path / "ends"


def test_the_first_request_waits_for_the_first_reading(clock: Clock, path: Path) -> None:
    FileEndStore(path, **clocks(clock)).add([end()])
    store = FileEndStore(path, **clocks(clock))
    found = verifier(clock, trusted(store))
    with pytest.raises(RevokedError):
        found.verify(token())
    assert found.verify(token(sub="bob", sid="s2", jti="t2")).subject == "bob"
    assert found.ready()
    store.close()


def test_without_threads_whoever_verifies_reads(clock: Clock, path: Path) -> None:
    writing = FileEndStore(path, **clocks(clock))
    store = FileEndStore(path, **clocks(clock))
    found = verifier(clock, trusted(store), background=False)
    assert found.verify(token()).subject == "alice"
    writing.add([end()])
    clock.pass_time(0.3)
    with pytest.raises(RevokedError):
        found.verify(token())
    assert store._thread is None


def test_without_threads_a_remembered_token_of_an_issuer_in_this_process_reads_too(
    clock: Clock, path: Path
) -> None:
    """Its keys and revocations are handed over, so only the store of ends is due."""
    issuer, source = StatusIssuer(clock=clock.walltime), InProcessSource(clock=clock.boottime)
    source.publish(
        keys=JWKSet([issuer.key.public()]),
        state=NothingEnded(),
        issuer=issuer.issuer,
        as_of=clock.boot,
        wall=clock.wall,
    )
    writing = FileEndStore(path, **clocks(clock))
    store = FileEndStore(path, **clocks(clock))
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, source=source, ends=store)
    found = verifier(clock, trust, background=False)
    shown = issuer.token()
    for _ in range(2):
        assert found.verify(shown).subject == "u_alice"
    writing.add([end(issuer=issuer.issuer, subject="u_alice")])
    clock.pass_time(0.3)
    with pytest.raises(RevokedError):
        found.verify(shown)


@pytest.mark.threat("O-3", off="admit.verifier.ends.check:check_remembered")
def test_a_token_older_than_ends_are_kept_is_refused(clock: Clock) -> None:
    store = MemoryEndStore(keep=timedelta(hours=1), **clocks(clock))
    found = verifier(clock, trusted(store, leeway=timedelta(0)))
    text = token(exp=int(NOW) + 100_000)
    assert found.verify(text).subject == "alice"
    clock.pass_time(3_539)
    assert found.verify(text).subject == "alice"
    clock.pass_time(2)
    with pytest.raises(ExpiredTokenError):
        found.verify(text)


def test_a_token_that_does_not_say_when_it_was_issued_is_refused(clock: Clock, store: MemoryEndStore) -> None:
    with pytest.raises(ClaimError):
        verifier(clock, trusted(store)).verify(token(iat=None))
    assert verifier(clock, trusted(None)).verify(token(iat=None)).subject == "alice"


def test_an_admit_issuer_may_have_a_store_too(clock: Clock, store: MemoryEndStore) -> None:
    issuer = StatusIssuer(clock=clock.walltime)
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation(stream=False), ends=store)
    found = verifier(clock, trust, net=FakeNet(issuer))
    text = issuer.token()
    assert found.verify(text).subject == "u_alice"
    store.add([replace(end(subject="u_alice"), issuer=issuer.issuer)])
    with pytest.raises(RevokedError):
        found.verify(text)
    found.close()


def principal(**changes: Any) -> Principal:
    members: dict[str, Any] = {
        "issuer": ISSUER,
        "subject": "alice",
        "client_id": "shop",
        "audience": frozenset({AUDIENCE}),
        "session_id": "s1",
        "auth_time": NOW - 60,
        "credential": CredentialKind.SESSION,
    }
    return Principal(**{**members, **changes})


class Sessions:
    """One session for everybody."""

    def __init__(self, who: Principal) -> None:
        self.who = who

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found:
        return Found(self.who, StatusRef(0, 7), NOW + 3_600)


@pytest.mark.threat("O-3", off="admit.verifier.ends.check:check_ended")
@pytest.mark.parametrize("which", [{"subject": "alice"}, {"session_id": "s1"}])
async def test_an_ended_session_is_refused(
    clock: Clock, store: MemoryEndStore, which: dict[str, str]
) -> None:
    found = verifier(clock, trusted(store))
    sessions = Sessions(principal())
    assert (await found.verify_session(sessions, b"h", AUDIENCE)).subject == "alice"
    store.add([end(**which)])
    with pytest.raises(SessionError):
        await found.verify_session(sessions, b"h", AUDIENCE)
    other = Sessions(principal(subject="bob", session_id="s2"))
    assert (await found.verify_session(other, b"h", AUDIENCE)).subject == "bob"


async def test_a_session_that_began_after_the_end_of_its_subject_is_taken(
    clock: Clock, store: MemoryEndStore
) -> None:
    store.add([end(subject="alice")])
    found = verifier(clock, trusted(store))
    later = Sessions(principal(session_id="s2", auth_time=NOW + 5))
    assert (await found.verify_session(later, b"h", AUDIENCE)).subject == "alice"


async def test_the_first_session_waits_for_the_first_reading(clock: Clock, path: Path) -> None:
    FileEndStore(path, **clocks(clock)).add([end()])
    store = FileEndStore(path, **clocks(clock))
    found = verifier(clock, trusted(store))
    with pytest.raises(SessionError):
        await found.verify_session(Sessions(principal()), b"h", AUDIENCE)
    bob = Sessions(principal(subject="bob", session_id="s2"))
    assert (await found.verify_session(bob, b"h", AUDIENCE)).subject == "bob"
    store.close()


async def test_a_session_gets_503_when_the_store_cannot_be_read(clock: Clock) -> None:
    found = verifier(clock, trusted(Unread(**clocks(clock))))
    with pytest.raises(StaleRevocationError):
        await found.verify_session(Sessions(principal()), b"h", AUDIENCE)


def test_health_tells_of_the_store(clock: Clock, store: MemoryEndStore) -> None:
    found = verifier(clock, trusted(store), trusted_other())
    store.add([end()])
    one, two = found.health().issuers
    assert (one.ends, one.ends_age, two.ends) == (1, 0.0, None)
    assert one.ready


def trusted_other() -> TrustedIssuer:
    keys = JWKSet([KEY.public()])
    return TrustedIssuer(
        "https://other.example.com", audience=AUDIENCE, jwks=keys, typ="JWT", revocation=Waive.REVOCATION
    )
