"""What of an API's answer, and of a page's request, goes through."""

import pytest

from admit.errors import ConfigError
from admit.relying_party import Api
from admit.relying_party.bff import proxy
from admit.relying_party.bff.http import Request

ORDERS = Api("orders", "https://api.example.com/v1/")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", "no-store"),
        ("no-store", "no-store"),
        ("public, max-age=60", "no-store"),
        ("S-MaxAge=60", "no-store"),
        ("max-age=60", "private, max-age=60"),
        ("no-cache", "private, no-cache"),
        ("private, max-age=60", "private, max-age=60"),
        ("PRIVATE", "PRIVATE"),
        ('max-age=60, private="set-cookie"', "no-store"),
        ('max-age=60, ext="a, private, b"', "no-store"),
        ("max-age=60, private=a", "private, max-age=60, private=a"),
    ],
    ids=["nothing", "none", "public", "shared", "age", "ask", "private", "loud", "field", "quoted", "value"],
)
@pytest.mark.rfc("9111", "3.5")
def test_no_cache_between_keeps_one_persons_answer_for_the_next(said: str, kept: str) -> None:
    assert proxy.for_one(said) == kept


@pytest.mark.threat("INF-path", off="admit.relying_party.bff.proxy:check_path")
def test_a_path_stays_below_its_base() -> None:
    assert proxy.target(ORDERS, "a/b%20c", "x=%2F..") == "https://api.example.com/v1/a/b%20c?x=%2F.."
    assert proxy.target(ORDERS, "", "") == "https://api.example.com/v1/"
    assert proxy.target(ORDERS, "a/", "") == "https://api.example.com/v1/a/"
    bad = [
        "..",
        "../a",
        "a/..",
        "a/%2e%2E/b",
        ".",
        "a//b",
        "/a",
        "a%2fb",
        "a%5cb",
        "a\\b",
        "a;b",
        "%252e%252e",
        "%0d%0a",
        "\u00e4",
    ]
    for path in bad:
        with pytest.raises(proxy.ForwardError):
            proxy.target(ORDERS, path, "")
    for query in ("a b", "a\r\nb", "#", "%zz", "\u00e4"):
        with pytest.raises(proxy.ForwardError):
            proxy.target(ORDERS, "a", query)


def test_an_api_is_https_and_has_a_plain_name() -> None:
    for name, base in (
        ("Orders", "https://api.example.com"),
        ("", "https://api.example.com"),
        ("orders", "http://api.example.com"),
        ("orders", "https://api.example.com?a=b"),
        ("orders", "https://a@b"),
    ):
        with pytest.raises(ConfigError):
            Api(name, base)


def asked(*headers: tuple[str, str], upload: bool = False) -> Request:
    told = [(name.encode(), value.encode()) for name, value in headers]
    return Request("POST", "/bff/api/orders/a", headers=told, upload=iter(()) if upload else None)


@pytest.mark.rfc("9110", "7.6.1")
def test_what_belongs_to_one_connection_or_to_the_browser_goes_no_further() -> None:
    sent = proxy.headers(
        asked(
            ("connection", "Keep-Alive, Prefer"),
            ("prefer", "respond-async"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic a"),
            ("authorization", "Bearer made-up"),
            ("cookie", "a=b"),
            ("host", "evil.example"),
            ("x-csrf-token", "a"),
            ("accept", "text/html"),
            ("accept", "text/plain"),
        ),
        "the-token",
    )
    assert sent == {
        "accept": "text/html, text/plain",
        "accept-encoding": "identity",
        "authorization": "Bearer the-token",
    }


@pytest.mark.rfc("9110", "14.2")
def test_ranges_conditions_and_codings_are_the_pages_and_the_apis_own() -> None:
    kept = {
        "range": "bytes=0-9", "if-range": '"a"', "if-match": '"a"', "if-none-match": '"b"',
        "accept-encoding": "gzip, br", "content-encoding": "gzip", "last-event-id": "7",
    }  # fmt: skip
    assert proxy.headers(asked(*kept.items()), "t") == {**kept, "authorization": "Bearer t"}
    told = {
        "content-range": "bytes 0-9/100", "accept-ranges": "bytes", "content-encoding": "br",
    }  # fmt: skip
    odd = {
        "connection": "Deprecation", "deprecation": "@1", "set-cookie": "a=b", "transfer-encoding": "chunked",
        "trailer": "etag", "www-authenticate": "Bearer", "location": "/", "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=1", "clear-site-data": '"*"', "service-worker-allowed": "/",
    }  # fmt: skip
    found = dict(proxy.answer(206, {**told, **odd}).headers)
    assert found.items() >= told.items()
    assert not odd.keys() & found.keys()


@pytest.mark.threat("INF-smuggle", off="admit.relying_party.bff.proxy:length")
def test_a_body_whose_length_is_said_twice_goes_nowhere() -> None:
    assert proxy.length(asked(("content-length", "12"))) == 12
    assert proxy.length(asked(("transfer-encoding", "chunked"))) is None
    assert proxy.headers(asked(("content-length", "12"), upload=True), "t")["content-length"] == "12"
    assert proxy.headers(asked(upload=True), "t")["transfer-encoding"] == "chunked"
    bad: list[list[tuple[str, str]]] = [
        [("content-length", "1"), ("content-length", "1")],
        [("content-length", "1"), ("transfer-encoding", "chunked")],
        [("content-length", "+1")],
        [("content-length", "1, 1")],
        [("content-length", "9" * 30)],
    ]
    for headers in bad:
        with pytest.raises(proxy.ForwardError):
            proxy.length(asked(*headers))


@pytest.mark.rfc("9112", "6.3")
def test_an_answer_of_two_lengths_is_passed_on_with_none() -> None:
    told = {"content-length": "5", "content-type": "text/plain"}
    assert dict(proxy.answer(200, told).headers)["content-length"] == "5"
    assert "content-length" not in dict(proxy.answer(200, {**told, "transfer-encoding": "chunked"}).headers)


def test_a_stream_of_events_is_not_held_by_a_proxy_before_the_application() -> None:
    events = dict(proxy.answer(200, {"content-type": "Text/Event-Stream; charset=utf-8"}).headers)
    assert events["x-accel-buffering"] == "no"
    assert "x-accel-buffering" not in dict(proxy.answer(200, {"content-type": "text/html"}).headers)


@pytest.mark.rfc("6455", "4.1")
def test_subprotocols_are_tokens_and_few() -> None:
    def offered(*values: str) -> list[str]:
        return proxy.subprotocols(asked(*(("sec-websocket-protocol", value) for value in values)))

    assert offered() == []
    assert offered("chat, v2.chat", "graphql-ws") == ["chat", "v2.chat", "graphql-ws"]
    for bad in ("a b", "a,,b", "", "a\r\nb", ",".join("a" * 17)):
        with pytest.raises(proxy.ForwardError):
            offered(bad)
