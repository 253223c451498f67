"""Where issuers send what ended: what is good is kept before it is answered, what is not is refused in our words."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit import TrustedIssuer, Waive
from admit.errors import ConfigError, EndStoreError, RevokedError, TokenTypeError
from admit.jose import JWK, JWKSet
from admit.tokens import security_event as set_
from admit.verifier.ends.end import End
from admit.verifier.ends.intake import Transmitter
from admit.verifier.ends.memory import MemoryEndStore
from admit.verifier.ends.receiver import MAX_BODY, EndReceiver
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer
from tests.unit.verifier.ends.making import ISSUER, clocks
from tests.unit.verifier.ends.telling import (
    ALICE,
    CLIENT,
    FORM,
    KEY,
    SET,
    event,
    logout_token,
    push_event,
    push_logout,
    send,
    signed,
    token,
    trusted,
    verifier,
)


class Scene:
    """A verifier, its store and its receiver."""

    def __init__(self, store: MemoryEndStore | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.store = store or MemoryEndStore(**clocks(self.clock))
        self.verifier = verifier(self.clock, trusted(self.store))
        self.receiver = EndReceiver(self.verifier, **{"audience": CLIENT, **options})

    def takes(self, **changes: Any) -> bool:
        try:
            self.verifier.verify(token(**changes))
        except RevokedError:
            return False
        return True


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_logout_token_ends_the_session_before_it_is_answered(scene: Scene) -> None:
    assert scene.takes()
    answer = await push_logout(scene.receiver, logout_token())
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert not scene.takes()
    assert scene.takes(sid="s2")
    assert not scene.takes(sid="s1", iat=int(NOW) + 5)


async def test_without_a_session_all_of_the_users_tokens_until_then_are_ended(scene: Scene) -> None:
    assert (await push_logout(scene.receiver, logout_token(sid=None))).status == 200
    assert not scene.takes(sid="s2")
    assert scene.takes(sid="s2", iat=int(NOW) + 1)
    assert scene.takes(sub="bob", sid="s3")


FIVE_BAD = {
    "forged": logout_token(key=JWK.generate("ES256", kid="k1")),
    "with a nonce": logout_token(nonce="n"),
    "for another client": logout_token(aud="another"),
    "of another issuer": logout_token(iss="https://evil.example"),
    "without its event": logout_token(events={}),
    "of another type": logout_token("at+jwt"),
    "an access token": token(aud=CLIENT),
    "an ID token": signed({"iss": ISSUER, "sub": "alice", "aud": CLIENT, "iat": NOW, "exp": NOW + 60}, "JWT"),
    "a security event": event(),
    "old": logout_token(iat=int(NOW) - 1_000, exp=int(NOW) - 900),
    "without an id": logout_token(jti=None),
    "about nobody": logout_token(sub=None, sid=None),
    "unsigned": logout_token().rpartition(".")[0] + ".",
    "nothing": "",
}


@pytest.mark.parametrize("bad", FIVE_BAD.values(), ids=FIVE_BAD)
async def test_a_bad_logout_token_is_400_and_ends_nothing(scene: Scene, bad: str) -> None:
    answer = await push_logout(scene.receiver, bad)
    assert answer.status == 400
    assert answer.json["error"] == "invalid_request"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert scene.store.view.count == 0
    assert scene.takes()


@pytest.mark.threat("EXT-logout", off="admit.verifier.ends.receiver:check_new")
async def test_a_logout_token_that_comes_again_is_400(scene: Scene) -> None:
    text = logout_token()
    assert (await push_logout(scene.receiver, text)).status == 200
    assert (await push_logout(scene.receiver, text)).status == 400
    assert (await push_logout(scene.receiver, logout_token(jti="l2"))).status == 200
    assert not scene.takes()


async def test_of_many_at_once_one_is_good(scene: Scene) -> None:
    text = logout_token()
    answers = await asyncio.gather(*(push_logout(scene.receiver, text) for _ in range(20)))
    assert sorted(one.status for one in answers) == [200] + [400] * 19


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"token=x", FORM),
        (urlencode([("logout_token", logout_token())] * 2).encode(), FORM),
        (urlencode({"logout_token": logout_token()}).encode(), "application/json"),
        (urlencode({"logout_token": logout_token()}).encode(), None),
        (logout_token().encode(), FORM),
        (b"logout_token=%ff%fe", FORM),
        ("logout_token=\u00e9".encode(), FORM),
        (b"&".join([b"a=b"] * 50), FORM),
        (b"logout_token=" + b"a" * MAX_BODY, FORM),
    ],
)
async def test_a_body_that_is_no_such_form_is_400(
    scene: Scene, body: bytes, content_type: str | None
) -> None:
    assert (await send(scene.receiver, "/backchannel-logout", body, content_type)).status == 400
    assert scene.store.view.count == 0


async def test_what_a_form_says_beside_is_ignored(scene: Scene) -> None:
    body = urlencode({"logout_token": logout_token(), "other": "x"}).encode()
    answer = await send(scene.receiver, "/backchannel-logout", [body[:9], body[9:]], FORM + "; charset=utf-8")
    assert answer.status == 200


@pytest.mark.rfc("8935", "2.2")
async def test_a_security_event_ends_the_users_tokens_before_it_is_answered(scene: Scene) -> None:
    answer = await push_event(scene.receiver, event())
    assert (answer.status, answer.body) == (202, b"")
    assert not scene.takes()
    assert scene.takes(iat=int(NOW) + 1)
    assert scene.takes(sub="bob")


@pytest.mark.rfc("8935", "2.2")
async def test_the_same_event_again_is_answered_as_the_first_time(scene: Scene) -> None:
    text = event()
    assert [(await push_event(scene.receiver, text)).status for _ in range(3)] == [202] * 3
    assert scene.store.view.count == 1


@pytest.mark.parametrize("kind", sorted(set_.ENDING))
async def test_each_event_that_ends_something_does(scene: Scene, kind: str) -> None:
    assert (await push_event(scene.receiver, event(kind))).status == 202
    assert not scene.takes()


@pytest.mark.parametrize(
    "kind",
    [
        "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
        "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change",
        "https://schemas.openid.net/secevent/risc/event-type/account-enabled",
        set_.VERIFICATION,
        set_.STREAM_UPDATED,
        "https://example.com/own",
    ],
)
async def test_an_event_that_ends_nothing_is_received(scene: Scene, kind: str) -> None:
    assert (await push_event(scene.receiver, event(kind))).status == 202
    assert scene.takes()
    assert scene.store.view.count == 0


async def test_a_subject_that_no_token_tells_is_received_and_ends_nothing(scene: Scene) -> None:
    mail = {"format": "email", "email": "alice@example.com"}
    assert (await push_event(scene.receiver, event(sub_id=mail))).status == 202
    assert scene.store.view.count == 0


async def test_a_session_of_a_user_is_ended_alone(scene: Scene) -> None:
    whom = {"format": "complex", "user": ALICE, "session": {"format": "opaque", "id": "s1"}}
    assert (await push_event(scene.receiver, event(sub_id=whom))).status == 202
    assert not scene.takes()
    assert scene.takes(sid="s2")


async def test_a_token_is_ended_alone(scene: Scene) -> None:
    whom = {"format": "jwt_id", "iss": ISSUER, "jti": "t1"}
    assert (await push_event(scene.receiver, event(sub_id=whom))).status == 202
    assert not scene.takes()
    assert scene.takes(jti="t2")


@pytest.mark.rfc("8935", "2.4")
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nonsense", "invalid_request"),
        (logout_token(), "invalid_request"),
        (event(typ="JWT"), "invalid_request"),
        (event(sub_id="alice"), "invalid_request"),
        (event(events={}), "invalid_request"),
        (event(iss="https://evil.example"), "invalid_issuer"),
        (event(aud="another"), "invalid_audience"),
        (event(key=JWK.generate("ES256", kid="k1")), "invalid_key"),
        (event(key=JWK.generate("ES256", kid="k2")), "invalid_key"),
        (event(key=JWK.generate("Ed25519", kid="k1")), "invalid_key"),
    ],
)
async def test_a_bad_event_is_400_with_its_code(scene: Scene, text: str, error: str) -> None:
    answer = await push_event(scene.receiver, text)
    assert answer.status == 400
    assert answer.json["err"] == error
    assert answer.json["description"]
    assert answer.headers["content-language"] == "en"
    assert answer.headers["content-type"] == "application/json"
    assert scene.store.view.count == 0


@pytest.mark.parametrize("content_type", [None, "application/jwt", FORM, "application/json"])
async def test_an_event_of_another_media_type_is_400(scene: Scene, content_type: str | None) -> None:
    answer = await send(scene.receiver, "/events", event().encode(), content_type)
    assert (answer.status, answer.json["err"]) == (400, "invalid_request")


@pytest.mark.threat("EXT-logout", off="admit.verifier.ends.receiver:is_authorized")
@pytest.mark.parametrize("sent", [None, "Bearer wrong", "Bearer secret ", "bearer secret", ""])
async def test_a_transmitter_has_to_show_what_it_was_given(sent: str | None) -> None:
    scene = Scene(authorization="Bearer secret")
    headers = {} if sent is None else {"authorization": sent}
    answer = await push_event(scene.receiver, event(), headers=headers)
    assert (answer.status, answer.json["err"]) == (400, "authentication_failed")
    assert scene.takes()
    good = await push_event(scene.receiver, event(), headers={"authorization": "Bearer secret"})
    assert good.status == 202


class Broken(MemoryEndStore):
    """A store that keeps nothing."""

    def add(self, ends: Sequence[End]) -> bool:
        raise EndStoreError("the disk is full")


@pytest.mark.threat("O-4")
async def test_what_could_not_be_kept_is_not_acknowledged() -> None:
    scene = Scene(Broken())
    failed = await push_logout(scene.receiver, logout_token())
    assert (failed.status, failed.json["error"]) == (400, "temporarily_unavailable")
    answer = await push_event(scene.receiver, event())
    assert answer.status == 503
    assert answer.headers["retry-after"]


async def test_a_logout_that_could_not_be_kept_is_good_when_it_comes_again() -> None:
    scene = Scene(MemoryEndStore(limit=1, **clocks(Clock())))
    assert (await push_event(scene.receiver, event())).status == 202
    assert (await push_logout(scene.receiver, logout_token())).status == 400
    scene.store._held._limit = 4
    assert (await push_logout(scene.receiver, logout_token())).status == 200


async def test_keys_that_cannot_be_had_are_no_answer_about_the_token() -> None:
    clock = Clock()
    issuer = StatusIssuer(issuer=ISSUER, down=True)
    store = MemoryEndStore(**clocks(clock))
    found = verifier(clock, trusted(store, jwks=f"{ISSUER}/jwks"), fetcher=FakeNet(issuer))
    receiver = EndReceiver(found, audience=CLIENT)
    assert (await push_event(receiver, event())).status == 503
    assert (await push_logout(receiver, logout_token())).json["error"] == "temporarily_unavailable"
    found.close()


@pytest.mark.parametrize("background", [True, False])
async def test_keys_are_those_that_the_verifier_follows_new_ones_too(background: bool) -> None:
    clock = Clock()
    issuer = StatusIssuer(issuer=ISSUER, key=KEY)
    store = MemoryEndStore(**clocks(clock))
    net = FakeNet(issuer)
    trust = trusted(store, jwks=f"{ISSUER}/jwks")
    found = verifier(clock, trust, fetcher=net, background=background)
    receiver = EndReceiver(found, audience=CLIENT)
    assert (await push_event(receiver, event())).status == 202
    assert len(net.dialled) == 1
    issuer.key = JWK.generate("ES256", kid="k2")
    assert (await push_event(receiver, event(key=issuer.key, jti="e2"))).status == 202
    assert len(net.dialled) == 2
    for number in range(5):  # strangers write kids too
        stranger = JWK.generate("ES256", kid=f"x{number}")
        assert (await push_event(receiver, event(key=stranger))).json["err"] == "invalid_key"
    assert len(net.dialled) == 2
    found.close()


@pytest.mark.parametrize("by", ["issuer", "transmitter"])
async def test_without_threads_keys_are_renewed_by_who_receives(by: str) -> None:
    """A key that was withdrawn opens nothing for a day, and a day later the present ones still do."""
    clock = Clock()
    name, old = (ISSUER, KEY) if by == "issuer" else (OTHER, OTHER_KEY)
    issuer, new = StatusIssuer(issuer=name, key=old), JWK.generate("ES256", kid="n1")
    store = MemoryEndStore(**clocks(clock))
    sending = f"{name}/jwks"
    trust = trusted(store, jwks=sending) if by == "issuer" else trusted(store)
    found = verifier(clock, trust, fetcher=FakeNet(issuer), background=False)
    others = [] if by == "issuer" else [transmitter(jwks=sending)]
    receiver = EndReceiver(found, audience=CLIENT, transmitters=others)
    assert (await push_event(receiver, event(iss=name, key=old))).status == 202
    issuer.key = new
    clock.pass_time(400)
    at = int(clock.wall)
    late = event(iss=name, key=old, jti="e2", iat=at)
    assert (await push_event(receiver, late)).json["err"] == "invalid_key"
    assert (await push_event(receiver, event(iss=name, key=new, jti="e3", iat=at))).status == 202
    clock.pass_time(90_000)
    at = int(clock.wall)
    assert (await push_event(receiver, event(iss=name, key=new, jti="e4", iat=at))).status == 202
    found.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/backchannel-logout", "/events"])
async def test_only_post_is_taken(scene: Scene, method: str, path: str) -> None:
    answer = await send(scene.receiver, path, b"", None, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_other_paths_are_nobodys_and_a_mount_is_left_out(scene: Scene) -> None:
    assert (await send(scene.receiver, "/", b"", None)).status == 404
    assert (await send(scene.receiver, "/hooks/events", b"", None)).status == 404
    body = event().encode()
    answer = await send(scene.receiver, "/hooks/events", body, SET, root_path="/hooks")
    assert answer.status == 202
    answer = await send(scene.receiver, "/events", body, SET, root_path="/hooks")
    assert answer.status == 202


async def test_it_can_be_mounted_in_starlette() -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    scene = Scene()
    app = Starlette(routes=[Mount("/hooks", app=scene.receiver)])

    def ask() -> int:
        client = TestClient(app)
        return client.post("/hooks/backchannel-logout", data={"logout_token": logout_token()}).status_code

    assert await asyncio.to_thread(ask) == 200
    assert not scene.takes()


async def test_alone_it_has_a_life_of_its_own(scene: Scene) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await scene.receiver({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    await scene.receiver({"type": "websocket"}, receive, send)
    assert sent[2:] == ["websocket.close"]


async def test_a_body_that_never_ends_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admit.verifier.ends.receiver._READING", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(30)
        return {}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/events", "headers": []}
    await scene.receiver(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_nobody_is_answered_who_went_away(scene: Scene) -> None:
    answer = await send(scene.receiver, "/events", [], SET)
    assert answer.status == 0


OTHER = "https://signals.example.com"
OTHER_KEY = JWK.generate("ES256", kid="t1")


def transmitter(**changes: Any) -> Transmitter:
    members: dict[str, Any] = {"issuer": OTHER, "jwks": JWKSet([OTHER_KEY.public()]), "ends_for": ISSUER}
    return Transmitter(**{**members, **changes})


async def test_a_transmitter_of_another_name_speaks_for_its_issuer() -> None:
    scene = Scene(transmitters=[transmitter()])
    assert (await push_event(scene.receiver, event(iss=OTHER, key=OTHER_KEY))).status == 202
    assert not scene.takes()
    forged = await push_event(scene.receiver, event(iss=OTHER, key=KEY, jti="e2"))
    assert forged.json["err"] == "invalid_key"
    forged = await push_event(scene.receiver, event(key=OTHER_KEY, jti="e3"))
    assert forged.json["err"] == "invalid_key"


async def test_a_transmitter_of_events_sends_no_logout_tokens_nor_access_tokens() -> None:
    scene = Scene(transmitters=[transmitter()])
    assert (await push_logout(scene.receiver, logout_token(iss=OTHER, key=OTHER_KEY))).status == 400
    assert scene.takes()


async def test_one_issuer_ends_nothing_of_another() -> None:
    clock = Clock()
    store = MemoryEndStore(**clocks(clock))
    theirs = JWK.generate("ES256", kid="theirs")
    evil = TrustedIssuer(
        OTHER,
        audience=AUDIENCE,
        jwks=JWKSet([theirs.public()]),
        typ="JWT",
        revocation=Waive.REVOCATION,
        ends=store,
    )
    found = verifier(clock, trusted(store), evil)
    receiver = EndReceiver(found, audience=CLIENT)
    assert (await push_logout(receiver, logout_token(key=theirs))).status == 400
    assert (await push_event(receiver, event(key=theirs))).status == 400
    assert (await push_event(receiver, event(iss=OTHER, key=theirs))).status == 202  # Alice is not theirs
    whom = {"format": "opaque", "id": "alice"}
    assert (await push_event(receiver, event(iss=OTHER, key=theirs, sub_id=whom))).status == 202
    assert found.verify(token()).subject == "alice"


@pytest.mark.threat("JWT-kinds", off="admit.verifier.foreign:check_kind")
def test_what_tells_of_ends_is_no_access_token(scene: Scene) -> None:
    text = logout_token("JWT", aud=AUDIENCE)
    with pytest.raises(TokenTypeError):
        scene.verifier.verify(text)
    with pytest.raises(TokenTypeError):
        scene.verifier.verify(event(aud=AUDIENCE))


async def test_issuers_call_us_by_different_names() -> None:
    clock = Clock()
    store = MemoryEndStore(**clocks(clock))
    found = verifier(clock, trusted(store))
    receiver = EndReceiver(found, audience={ISSUER: ["one", "two"], "https://x.example": "three"})
    assert (await push_event(receiver, event(aud="two"))).status == 202
    assert (await push_event(receiver, event(aud="three"))).status == 400


def test_what_cannot_work_is_refused_at_once(scene: Scene) -> None:
    good = scene.verifier
    no_store = verifier(Clock(), trusted(None))
    for make in (
        lambda: EndReceiver(no_store, audience=CLIENT),
        lambda: EndReceiver(good, audience=""),
        lambda: EndReceiver(good, audience=[]),
        lambda: EndReceiver(good, audience={"https://another.example": CLIENT}),
        lambda: EndReceiver(good, audience=CLIENT, authorization=""),
        lambda: EndReceiver(good, audience=CLIENT, logout_path="logout"),
        lambda: EndReceiver(good, audience=CLIENT, logout_path="/x", events_path="/x"),
        lambda: EndReceiver(good, audience=CLIENT, transmitters=[transmitter(ends_for="https://no.example")]),
        lambda: EndReceiver(good, audience=CLIENT, transmitters=[transmitter(), transmitter()]),
        lambda: EndReceiver(good, audience=CLIENT, transmitters=[transmitter(issuer=ISSUER)]),
    ):
        with pytest.raises(ConfigError):
            make()


_PARTS = st.sampled_from(
    [logout_token(), event(), token(), "logout_token=", "&", ".", "=", "%", "eyJhbGciOiJub25lIn0", "\u00e9"]
)
_BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(_PARTS, max_size=6).map(lambda parts: "".join(parts).encode()),
    st.text(max_size=100).map(lambda text: urlencode({"logout_token": text}).encode()),
)


@given(
    path=st.sampled_from(["/backchannel-logout", "/events"]),
    content_type=st.sampled_from([FORM, SET, None, "\x00", "text/plain;;;"]),
    body=_BODIES,
)
def test_whatever_comes_the_answer_is_ours(path: str, content_type: str | None, body: bytes) -> None:
    answer = asyncio.run(send(_SCENE.receiver, path, body, content_type))
    assert answer.status in (200, 202, 400)
    assert answer.headers["cache-control"] == "no-store"


_SCENE = Scene()
