"""`QueryTokens`: what is left of a URL that had a token, for servers that log it and for caches; RFC 6750 §2.3."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from admit.credentials import read
from admit.errors import AdmitError, ConfigError
from admit.integrations import asgi as asgi_guard
from admit.integrations import wsgi as wsgi_guard
from admit.integrations.query_token import QueryLinks, is_token
from admit.jose import Waive
from tests.contract import asgi, wsgi
from tests.contract.services import Issuer

TAKEN, REFUSED = "access_token=canary-7f3a.a.b", "access_token=canary-7f3a&access%5Ftoken=canary-7f3a"
HIDDEN = "access_token=hidden&access_token=hidden"


async def said(scope: Any, receive: Any, send: Any) -> None:
    headers = [
        (b"cache-control", b"public, max-age=60"),
        (b"Referrer-Policy", b"unsafe-url"),
        (b"etag", b'"1"'),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def started(environ: Any, start: Any) -> list[bytes]:
    headers = [("Cache-Control", "public, max-age=60"), ("REFERRER-POLICY", "unsafe-url"), ("ETag", '"1"')]
    start("200 OK", [*headers, ("Content-Type", "text/plain")])
    return [b""]


OFF = pytest.mark.threat("6819-4.6.7", off="admit.integrations.query_token:hidden")


@pytest.mark.parametrize(
    ("sent", "left"), [(TAKEN, ""), pytest.param(REFUSED, HIDDEN, marks=OFF)], ids=["taken", "refused"]
)
async def test_what_a_server_logs_afterwards_has_no_token(sent: str, left: str) -> None:
    """uvicorn and hypercorn write the scope's query, gunicorn the environ's; each hands its own one in."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await said(scope, receive, send)

    query = f"a=1&{sent}&b=%20" if left else sent
    kept = query.replace(sent, left)
    for kind in ("http", "websocket"):
        scope = {**asgi.scope_of(f"/files/1?{query}", None, kind), "method": "GET"}
        wrapped: Any = asgi_guard.QueryTokens(app, Waive.QUERY_TOKEN, paths=["/files"])
        await wrapped(scope, None, _nowhere)
        assert scope["query_string"] == seen[-1]["query_string"] == kept.encode()
        assert "canary" not in repr(scope)
        assert ("canary" in repr(seen[-1])) is (not left), "the application finds it in the header"

    def threaded(environ: Any, start: Any) -> Any:
        seen.append(environ)
        return started(environ, start)

    environ = wsgi.environ_of(f"/files/1?{query}", None, "GET")
    environ |= {"RAW_URI": f"/files/1?{query}", "REQUEST_URI": f"http://a.example/files/1?{query}"}
    wsgi_guard.QueryTokens(threaded, Waive.QUERY_TOKEN, paths=["/files"])(environ, lambda *_: None)  # type: ignore[arg-type]  # nothing is written
    assert environ["QUERY_STRING"] == seen[-1]["QUERY_STRING"] == kept
    assert "canary" not in repr(environ)
    assert environ["RAW_URI"] == seen[-1]["RAW_URI"] == (f"/files/1?{kept}" if kept else "/files/1")
    assert environ["REQUEST_URI"].startswith("http://a.example/files/1")
    assert ("canary" in repr(seen[-1])) is (not left)


async def _nowhere(message: Any) -> None: ...


@pytest.mark.rfc("6750", "2.3")
async def test_no_cache_keeps_what_came_by_a_link_and_no_other_answer_is_touched() -> None:
    answers = [
        await asgi.call(asgi.waived(said, ("/files",)), f"/files?{TAKEN}"),
        wsgi.call(wsgi.waived(started, ("/files",)), f"/files?{TAKEN}"),
    ]
    for answer in answers:
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["etag"] == '"1"'
    others = ["/files", "/files?a=1", f"/filesystem?{TAKEN}", f"/?{TAKEN}"]
    for path in others:
        for answer in (
            await asgi.call(asgi.waived(said, ("/files",)), path),
            wsgi.call(wsgi.waived(started, ("/files",)), path),
        ):
            assert answer.headers["cache-control"] == "public, max-age=60"


QUERIES = st.lists(
    st.builds(
        lambda name, value: name + value,
        st.sampled_from(
            ["access_token", "access%5Ftoken", "%61ccess_token", "a", "", "%ff", "+access_token"]
        ),
        st.sampled_from(
            ["=a.b.c", "=", "", "==", "=%", "=%ff", "=a b", "=a%20b", "=a#b", "=ä", "=;access_token=x"]
        ),
    ),
    max_size=4,
).map("&".join)


@example("access_token=a#b&a=%ff", "GET", False)
@given(QUERIES | st.text(st.characters(max_codepoint=255)), st.sampled_from(["GET", "POST"]), st.booleans())
def test_whatever_the_query_is_its_token_counts_once_or_never(query: str, method: str, header: bool) -> None:
    """What is moved is in one place; what is not is as good as not there, and what a guard refused it refuses still."""
    headers = [(b"authorization", b"Bearer other")] if header else []
    moved = QueryLinks(Waive.QUERY_TOKEN, ["/files"]).moved(headers, method, "/files", query)
    if moved is None:
        assert told(headers, query) in ("other" if header else None, "refused")
    elif moved.token is None:
        assert told(headers, moved.query) == told(headers, query)
        assert all(pair == "access_token=hidden" for pair in moved.query.split("&") if is_token(pair))
    else:
        assert (method, header) == ("GET", False)
        # No query has a `#`, RFC 3986 §3.4. What stood behind one was no part of it for the guard, and is now.
        odd = {"refused"} if "#" in query else set()
        found = told([(b"authorization", b"Bearer " + moved.token.encode())], moved.query)
        assert found in {moved.token, *odd}


def told(headers: Any, query: str) -> str | None:
    """What a guard reads there."""
    try:
        found = read(headers, "GET", f"?{query}")
    except AdmitError:
        return "refused"
    return getattr(found, "token", None)


async def test_a_refused_handshake_is_kept_by_nobody_either() -> None:
    issuer = Issuer()
    app = asgi.waived(asgi_guard.Guard(issuer.verifier)(said), ("/socket",))
    answer = await asgi.connect(app, f"/socket?{TAKEN}")
    assert (answer.status, answer.headers["cache-control"]) == (401, "private, no-store")
    assert (await asgi.connect(app, f"/socket?{TAKEN}", denial=False)).closed == 1008


async def test_the_path_is_the_applications_own_wherever_it_is_mounted() -> None:
    issuer = Issuer()
    app = asgi.waived(asgi_guard.Guard(issuer.verifier)(said), ("/files/",))
    for path, root, status in (("/api/files/1", "/api", 200), ("/api/files/1", "", 400), ("/files", "", 200)):
        told: list[Any] = []

        async def send(message: Any, told: list[Any] = told) -> None:
            told.append(message)

        scope = asgi.scope_of(f"{path}?access_token={issuer.token()}", None, "http")
        await app({**scope, "root_path": root, "method": "GET"}, None, send)
        assert told[0]["status"] == status, path


async def test_the_lifespan_passes() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    wrapped: Any = asgi.waived(app, ("/files",))
    await wrapped({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]


@pytest.mark.threat("6819-4.6.7", off="admit.integrations.query_token:check_waiver")
@pytest.mark.parametrize("waived", [True, None, Waive.AUDIENCE, "query_token"], ids=repr)
def test_it_is_given_up_by_its_name_only(waived: Any) -> None:
    for kind in (asgi_guard.QueryTokens, wsgi_guard.QueryTokens):
        with pytest.raises(ConfigError, match="QUERY_TOKEN"):
            kind(None, waived, paths=["/files"])  # type: ignore[arg-type]  # no application is needed to see that


@pytest.mark.parametrize("paths", ["/files", [], ["files"], [b"/files"]], ids=repr)
def test_the_paths_are_named(paths: Any) -> None:
    for kind in (asgi_guard.QueryTokens, wsgi_guard.QueryTokens):
        with pytest.raises(ConfigError, match="paths"):
            kind(None, Waive.QUERY_TOKEN, paths=paths)  # type: ignore[arg-type]  # as above
