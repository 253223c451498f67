"""Sessions looked up from afar: kept for seconds, and only while their bit is known to be fresh and not set."""

import asyncio
import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from admit.credentials import cookies, lookup
from admit.errors import ConfigError, CsrfError, FetchError, LookupUnavailableError, SessionError
from admit.fetch import Response
from admit.integrations.gate import Gate, Waiting
from admit.jose import base64url
from admit.principal import CredentialKind, Principal
from admit.tokens import status_list
from admit.verifier import AsyncVerifier, Found, RemoteLookup, StatusRef, TrustedIssuer
from admit.verifier.follower import Follower
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer

ID = hashlib.sha256(b"session").digest()
SECRET = "the resource's secret"


class Net(FakeNet):
    """Notes what a look-up sends, and can answer wrongly."""

    def __init__(self, issuer: StatusIssuer) -> None:
        super().__init__(issuer)
        self.sent: list[dict[str, str]] = []
        self.wrong: Response | None = None
        self.hold: asyncio.Event | None = None

    async def apost(self, url: str, body: bytes, headers: Any = None, **more: Any) -> Response:
        self.sent.append(dict(headers))
        if self.hold is not None:
            await self.hold.wait()
        return self.wrong or await super().apost(url, body, headers, **more)


class Scene:
    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.issuer = StatusIssuer(clock=self.clock.walltime)
        self.net = Net(self.issuer)
        self.put()
        self.lookup = RemoteLookup(
            self.issuer.issuer,
            AUDIENCE,
            SECRET,
            fetcher=self.net,  # type: ignore[arg-type]  # stands in
            boottime=self.clock.boottime,
            **options,
        )
        self.verifier = AsyncVerifier(
            TrustedIssuer(self.issuer.issuer, audience=AUDIENCE),
            fetcher=self.net,  # type: ignore[arg-type]  # stands in
            wall=self.clock.walltime,
            boottime=self.clock.boottime,
        )

    def put(self, position: int = 5, id_hash: bytes = ID, **changes: Any) -> None:
        members: dict[str, Any] = {
            "issuer": self.issuer.issuer,
            "subject": "u_alice",
            "client_id": "admit",
            "audience": frozenset({AUDIENCE}),
            "scopes": frozenset({"orders:read"}),
            "session_id": "s1",
            "credential": CredentialKind.SESSION,
            **changes,
        }
        found = Found(Principal(**members), StatusRef(0, position), NOW + 3_600)
        self.issuer.sessions[base64url.encode(id_hash).decode()] = lookup.encode(found)

    def ask(self) -> None:
        """Have the follower ask now, in this thread."""
        source = self.verifier.core.source(self.issuer.issuer)
        assert isinstance(source, Follower)
        self.verifier.close()
        source._agenda.poll_due = 0.0
        source.step()

    async def who(self) -> Principal:
        return await self.verifier.verify_session(self.lookup, ID, AUDIENCE)

    @property
    def lookups(self) -> int:
        return self.issuer.hits.count("/session/lookup")


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[Scene]:
    made = Scene(**options)
    try:
        yield made
    finally:
        made.verifier.close()


async def test_a_session_is_asked_for_with_the_resources_id_and_secret() -> None:
    async with scene() as at:
        who = await at.who()
    assert (who.subject, who.credential) == ("u_alice", CredentialKind.SESSION)
    assert who.scopes == {"orders:read"}
    scheme, _, encoded = at.net.sent[0]["authorization"].partition(" ")
    assert scheme == "Basic"
    pair = b64decode(encoded).decode()
    assert pair == "https%3A%2F%2Fapi.example.com:the+resource%27s+secret"
    assert SECRET not in repr(at.lookup)


async def test_no_session_is_told_apart_from_no_answer() -> None:
    async with scene() as at:
        at.issuer.sessions.clear()
        assert await at.lookup.find(ID, AUDIENCE, NOW) is None
        with pytest.raises(SessionError):
            await at.who()


async def test_a_kept_answer_serves_while_its_bit_is_fresh() -> None:
    async with scene() as at:
        await at.who()
        at.ask()
        for _ in range(5):
            await at.who()
        assert at.lookups == 1
        at.clock.pass_time(30)
        await at.who()
        assert at.lookups == 2


async def test_a_gate_answers_at_once_for_a_kept_answer_that_is_good_still_and_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = bytes(range(32))
    cookie = [(b"cookie", f"__Host-s={cookies.encode_session_id(raw)}".encode())]
    async with scene() as at:
        at.put(id_hash=cookies.id_hash(raw))
        gate = Gate(at.verifier, sessions=at.lookup, session_cookie="__Host-s")

        async def found() -> Any:
            looked = gate.look(cookie, "GET")
            return await gate.wait_async(looked) if isinstance(looked, Waiting) else looked

        assert isinstance(gate.look(cookie, "GET"), Waiting), "never asked"
        assert isinstance(await found(), Principal)
        at.ask()
        await found()
        assert isinstance(gate.look(cookie, "GET"), Principal)
        assert isinstance(gate.look(cookie, "POST"), CsrfError)
        other = [(b"cookie", f"__Host-s={cookies.encode_session_id(bytes(32))}".encode())]
        assert isinstance(gate.look(other, "GET"), Waiting)
        core: Any = at.verifier.core
        for name, value in (
            ("pending_ends", lambda _: Future()),
            ("inline", (core.source(at.issuer.issuer),)),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(core, name, value)
                assert isinstance(gate.look(cookie, "GET"), Waiting), name
        at.clock.pass_time(30)
        assert isinstance(gate.look(cookie, "GET"), Waiting), "too old"
        at.ask()
        await found()
        assert isinstance(gate.look(cookie, "GET"), Principal)
        at.issuer.end(5)
        at.ask()
        assert isinstance(gate.look(cookie, "GET"), Waiting), "ended: whoever gives reasons is asked"
        assert isinstance(await found(), SessionError)


async def test_without_a_cache_each_request_asks() -> None:
    async with scene(cache=timedelta(0)) as at:
        at.ask()
        await at.who()
        await at.who()
    assert at.lookups == 2


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
async def test_a_kept_session_that_was_ended_is_refused_by_its_bit() -> None:
    async with scene() as at:
        await at.who()
        at.issuer.end(5)
        at.ask()
        with pytest.raises(SessionError) as refusal:
            await at.who()
        assert refusal.value.status == 401
        assert at.lookups == 1
        at.issuer.sessions.clear()
        with pytest.raises(SessionError):
            await at.who()
        assert at.lookups == 2


@pytest.mark.threat("O-4", off="admit.verifier.freshness:check_current")
async def test_a_kept_session_is_asked_for_anew_when_its_bit_is_stale() -> None:
    async with scene() as at:
        at.ask()
        await at.who()
        at.issuer.head_nonce = "an-answer-to-another-question"
        at.clock.pass_time(29)
        at.put()
        await at.who()
        at.clock.pass_time(2)
        at.lookup.forget(ID, AUDIENCE)
        await at.who()
        asked = at.lookups
        at.issuer.sessions.clear()
        with pytest.raises(SessionError):
            await at.who()
        assert at.lookups == asked + 1


class Counted:
    """An application's own wrapper around a look-up."""

    def __init__(self, inner: RemoteLookup) -> None:
        self.inner = inner

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        return await self.inner.find(id_hash, audience, now)


async def test_a_kept_session_is_held_to_its_bit_behind_a_wrapper_too() -> None:
    async with scene(cache=timedelta(seconds=30)) as at:
        wrapped = Counted(at.lookup)
        await at.verifier.verify_session(wrapped, ID, AUDIENCE)
        before = at.lookups
        at.issuer.sessions.clear()
        at.clock.pass_time(29)  # kept still, but nothing is known of its bit
        with pytest.raises(SessionError):
            await at.verifier.verify_session(wrapped, ID, AUDIENCE)
        assert at.lookups == before + 1, "asked anew"


@pytest.mark.threat("O-4", off="admit.verifier.freshness:check_current")
async def test_stale_and_the_look_up_down_is_503() -> None:
    async with scene() as at:
        await at.who()  # no head was ever had
        at.issuer.down = True
        with pytest.raises(LookupUnavailableError) as refusal:
            await at.who()
        assert refusal.value.status == 503


@pytest.mark.parametrize(
    "wrong",
    [
        Response(500, {}, b""),
        Response(401, {}, b""),
        Response(403, {}, b""),
        Response(204, {}, b""),
        Response(200, {}, b""),
        Response(200, {}, b"{}"),
        Response(200, {}, b'{"principal":{},"status":{"n":0,"idx":0},"expires_at":1}'),
    ],
)
async def test_what_is_no_answer_is_neither_yes_nor_no(wrong: Response) -> None:
    async with scene() as at:
        at.net.wrong = wrong
        with pytest.raises(LookupUnavailableError):
            await at.who()


@pytest.mark.threat("O-4", off="admit.verifier.sessions:check_answer")
@pytest.mark.parametrize(
    "changes", [{"issuer": "https://other.example"}, {"audience": frozenset({"https://other.example"})}]
)
async def test_an_answer_for_somebody_else_is_none(changes: dict[str, Any]) -> None:
    async with scene() as at:
        at.put(**changes)
        with pytest.raises(LookupUnavailableError):
            await at.lookup.find(ID, AUDIENCE, NOW)


async def test_a_session_of_an_untrusted_issuer_is_refused() -> None:
    class Elsewhere:
        async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
            principal = Principal(
                issuer="https://other.example", subject="u", client_id="admit", audience=frozenset({audience})
            )
            return Found(principal, StatusRef(0, 0), now + 60)

    async with scene() as at:
        with pytest.raises(SessionError):
            await at.verifier.verify_session(Elsewhere(), ID, AUDIENCE)


async def test_a_session_that_is_over_or_has_no_position_is_refused() -> None:
    async with scene() as at:
        with pytest.raises(SessionError):
            await at.verifier.verify_session(at.lookup, ID, AUDIENCE, now=NOW + 3_600)
        at.put(position=status_list.ENTRIES)
        at.lookup.forget(ID, AUDIENCE)
        with pytest.raises(LookupUnavailableError):
            await at.who()


async def test_requests_for_one_session_at_one_time_cause_one_question() -> None:
    async with scene() as at:
        at.net.hold = asyncio.Event()
        asking = [asyncio.create_task(at.who()) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking[0].cancel()
        at.net.hold.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert sum(isinstance(one, Principal) for one in found) == 49
        assert at.lookups == 1


async def test_the_memory_of_sessions_is_bounded() -> None:
    async with scene(limit=3) as at:
        body = at.issuer.sessions[base64url.encode(ID).decode()]
        for number in range(5):
            one = bytes([number]) * 32
            at.issuer.sessions[base64url.encode(one).decode()] = body
            await at.lookup.find(one, AUDIENCE, NOW)
        assert len(at.lookup._kept) == 3


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("https://id.example.com", "r", "s"), {"cache": timedelta(seconds=31)}),
        (("https://id.example.com", "r", "s"), {"cache": timedelta(seconds=-1)}),
        (("https://id.example.com", "", "s"), {}),
        (("https://id.example.com", "r", ""), {}),
        (("http://id.example.com", "r", "s"), {}),
        (("nonsense", "r", "s"), {}),
    ],
)
def test_a_look_up_that_cannot_work_is_refused_at_once(arguments: tuple[str, str, str], options: Any) -> None:
    with pytest.raises(ConfigError):
        RemoteLookup(*arguments, **options)


async def test_trouble_on_the_way_is_no_answer() -> None:
    async with scene() as at:
        at.issuer.down = True
        with pytest.raises(LookupUnavailableError) as refusal:
            await at.lookup.find(ID, AUDIENCE, NOW)
        assert isinstance(refusal.value.__cause__, FetchError)
