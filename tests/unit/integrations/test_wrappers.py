"""`admit.integrations.asgi` and `.wsgi`: what wrappers do beside the answers that `tests/contract` holds."""

from typing import Any

import pytest

from admit.errors import ConfigError
from admit.integrations import asgi as asgi_guard
from admit.integrations import wsgi as wsgi_guard
from tests.contract import asgi, wsgi
from tests.contract.services import Issuer, by_token


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_the_lifespan_passes_and_the_servers_scope_stays_as_it_is(issuer: Issuer) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

    guarded = asgi_guard.Guard(issuer.verifier)(app)
    await guarded({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # neither is used
    assert seen.pop() == {"type": "lifespan"}
    scope = {**asgi.scope_of("/", by_token(issuer), "http"), "method": "GET"}

    async def send(message: Any) -> None: ...

    await guarded(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    assert seen[0][asgi_guard.PRINCIPAL].subject == "u_alice"
    assert asgi_guard.PRINCIPAL not in scope


async def test_a_request_within_another_speaks_for_its_own_caller(issuer: Issuer) -> None:
    """A batch serves several from one scope; a WSGI application calls another with its environ."""
    guard, seen = asgi_guard.Guard(issuer.verifier), list[str]()
    alice, bob = by_token(issuer), [(b"authorization", f"Bearer {issuer.token(subject='u_bob')}".encode())]

    @guard
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[asgi_guard.PRINCIPAL].subject)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @guard
    async def batch(scope: Any, receive: Any, send: Any) -> None:
        for headers in (alice, bob, alice, []):
            await inner({**scope, "headers": headers}, receive, send)

    await asgi.call(batch, "/", bob)
    assert seen == ["u_alice", "u_bob", "u_alice"]

    threaded = wsgi_guard.Guard(issuer.verifier)
    seen.clear()

    @threaded
    def within(environ: Any, start: Any) -> Any:
        seen.append(environ[wsgi_guard.PRINCIPAL].subject)
        start("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    @threaded
    def around(environ: Any, start: Any) -> Any:
        return within({**environ, "HTTP_AUTHORIZATION": alice[0][1].decode()}, start)

    wsgi.call(around, "/", bob)
    assert seen == ["u_alice"]


async def test_nobody_can_say_who_they_are_by_a_header(issuer: Issuer) -> None:
    """Keys that a server makes of headers are none of ours."""

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [("Content-Type", "text/plain")])
        return [repr(environ[wsgi_guard.PRINCIPAL]).encode()]

    guarded = wsgi_guard.Guard(issuer.verifier).optional(app)
    sent = [(b"admit.principal", b"x"), (b"admit-principal", b"x"), (b"remote-user", b"x")]
    assert wsgi.call(guarded, "/", sent).body == b"None"


async def test_a_refused_head_has_the_length_of_its_body_and_no_body(issuer: Issuer) -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    answers = [
        await asgi.call(asgi_guard.Guard(issuer.verifier)(never), "/", method="HEAD"),
        wsgi.call(wsgi_guard.Guard(issuer.verifier)(lambda *_: [b""]), "/", method="HEAD"),
    ]
    for answer in answers:
        assert (answer.status, answer.body) == (401, b"")
        assert answer.headers["content-length"] == str(
            len('{"error":"unauthorized","error_description":"Sign in first."}')
        )


def test_octets_that_no_header_has_are_no_credential() -> None:
    environ = {"HTTP_AUTHORIZATION": "Bearer \u0416\ud800", "HTTP_ACCEPT": "*/*"}
    assert wsgi_guard.headers_of(environ) == [(b"authorization", b"Bearer ??")]


def test_what_can_be_no_requirement_is_refused_when_the_application_is_wrapped(issuer: Issuer) -> None:
    for guard in (asgi_guard.Guard(issuer.verifier), wsgi_guard.Guard(issuer.verifier)):
        for wrap in (guard, guard.optional):
            with pytest.raises(ConfigError):
                wrap(None, "two words")  # type: ignore[operator]  # no application is needed to see that
    with pytest.raises(ConfigError):
        asgi_guard.Guard(issuer.verifier, sessions=issuer, token_cookie="__Host-orders")
    with pytest.raises(ConfigError):
        asgi_guard.Guard(issuer.verifier, token_cookie="a b")
