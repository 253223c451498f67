"""`admit.credentials.cors`: who may read an answer. 9700-cors."""

import pytest

from admit.credentials.cors import CorsPolicy, CorsVerdict, verdict

OURS = "https://app.example.com"
ASKS = (b"access-control-request-method", b"POST")


def judge(
    policy: CorsPolicy, origin: str | None, method: str = "GET", *more: tuple[bytes, bytes]
) -> CorsVerdict:
    headers = [*more] if origin is None else [(b"origin", origin.encode()), *more]
    return verdict(headers, method, policy=policy, origins=frozenset({OURS}))


@pytest.mark.parametrize("policy", [CorsPolicy.REGISTERED, CorsPolicy.REGISTERED_WITH_COOKIES])
def test_a_registered_origin_may_read_and_is_named(policy: CorsPolicy) -> None:
    found = judge(policy, OURS)
    headers = dict(found.headers)
    assert found.allowed
    assert not found.preflight
    assert (headers["Access-Control-Allow-Origin"], headers["Vary"]) == (OURS, "Origin")
    assert headers["Access-Control-Expose-Headers"] == "DPoP-Nonce, WWW-Authenticate"
    assert ("Access-Control-Allow-Credentials" in headers) is (policy is CorsPolicy.REGISTERED_WITH_COOKIES)


@pytest.mark.rfc("9700", "2.6")
@pytest.mark.threat("9700-cors", off="admit.credentials.cors:is_registered")
@pytest.mark.parametrize("policy", [CorsPolicy.REGISTERED, CorsPolicy.REGISTERED_WITH_COOKIES])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_origin_gets_no_cors_header(policy: CorsPolicy, method: str) -> None:
    for foreign in (
        "https://evil.example",
        "null",
        "http://app.example.com",
        OURS + ".evil.example",
        OURS + "/",
        "*",
        "",
    ):
        found = judge(policy, foreign, method, ASKS)
        assert found.headers == (("Vary", "Origin"),)
        assert not found.allowed
    assert judge(policy, OURS, method, ASKS).allowed


def test_two_origins_and_none_get_no_cors_header() -> None:
    twice = verdict([(b"origin", OURS.encode())] * 2, "GET", policy=CorsPolicy.REGISTERED, origins={OURS})
    assert twice.headers == judge(CorsPolicy.REGISTERED, None).headers == (("Vary", "Origin"),)


def test_null_is_nobodys_origin_even_when_listed() -> None:
    assert not verdict([(b"origin", b"null")], "GET", policy=CorsPolicy.REGISTERED, origins={"null"}).allowed


@pytest.mark.parametrize("origin", [OURS, "https://evil.example", "null", None])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_pages_have_no_cors_header_whoever_asks(origin: str | None, method: str) -> None:
    found = judge(CorsPolicy.NOBODY, origin, method, ASKS)
    assert found.headers == ()
    assert not found.allowed


@pytest.mark.parametrize("origin", [OURS, "https://evil.example", "null"])
def test_public_documents_are_for_everybody_and_never_with_cookies(origin: str) -> None:
    headers = dict(judge(CorsPolicy.EVERYBODY, origin).headers)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers


def test_what_is_asked_for_all_the_time_tells_only_pages_that_they_may_read_it() -> None:
    asked = judge(CorsPolicy.EVERYBODY_WHO_ASKS, "https://evil.example")
    assert dict(asked.headers)["Access-Control-Allow-Origin"] == "*"
    assert asked.allowed
    unasked = verdict([], "GET", policy=CorsPolicy.EVERYBODY_WHO_ASKS)
    assert (unasked.headers, unasked.allowed) == ((), False)
    assert dict(verdict([], "GET", policy=CorsPolicy.EVERYBODY).headers), "what is kept says it to everybody"


def test_a_preflight_tells_methods_and_headers() -> None:
    found = judge(CorsPolicy.REGISTERED, OURS, "OPTIONS", ASKS)
    headers = dict(found.headers)
    assert found.preflight
    assert headers["Access-Control-Allow-Methods"] == "GET, POST"
    allowed = "Authorization, Content-Type, DPoP, X-CSRF-Token, X-Requested-With"
    assert headers["Access-Control-Allow-Headers"] == allowed
    assert not judge(CorsPolicy.REGISTERED, OURS, "OPTIONS").preflight
