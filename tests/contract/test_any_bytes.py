"""Whatever stands in whatever header, every integration refuses it or passes it by; none ever breaks."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract import adapter as adapting
from tests.contract.adapter import Adapter, Request
from tests.contract.case import GOOD, MODES
from tests.contract.running import Services
from tests.contract.services import COOKIE, TOKEN_COOKIE, Headers

ADAPTERS = tuple(adapter for adapter in adapting.found() if not adapter.elsewhere)
ANSWERS = {200, 400, 401, 403, 405, 431} | {406}  # REST framework looks at Accept first

NAMES = st.sampled_from(
    b"authorization cookie origin sec-fetch-site x-csrf-token content-type accept range x-forwarded-for"
    b" x-forwarded-host accept-language if-none-match content-encoding upgrade".split()
)
ANY = st.binary(max_size=200)
ALMOST = st.builds(
    lambda front, back: front + back,
    st.sampled_from(
        [
            b"Bearer ",
            b"bearer eyJ",
            b"Bearer eyJhbGciOiJFUzI1NiJ9.",
            b"Basic ",
            b"DPoP ",
            b"https://",
            b"null",
        ]
        + [name.encode() + b"=" for name in (COOKIE, TOKEN_COOKIE)]
        + [b'$Version="1"; ' + COOKIE.encode() + b"="]
    ),
    ANY,
)
HEADERS = st.lists(st.tuples(NAMES, ANY | ALMOST), max_size=6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
def test_any_bytes_in_any_header_are_refused_or_passed_by(
    services: Services, adapter: Adapter, mode: str
) -> None:
    options: dict[str, Any] = {"token_cookie": TOKEN_COOKIE} if mode == "token" else {}
    setting, service = services.of(adapter, mode, **options)
    good = GOOD[mode](setting.issuer)

    @settings(max_examples=max(10, settings().max_examples // 2))
    @given(HEADERS, st.sampled_from([("GET", "/open"), ("POST", "/change"), ("HEAD", "/any")]), st.booleans())
    def held(headers: Headers, asked: tuple[str, str], signed_in: bool) -> None:
        method, path = asked
        sent = [*good, *headers] if signed_in else headers
        assert service(Request(path, sent, method)).status in ANSWERS

    held()


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
def test_ten_thousand_headers_are_no_trouble(services: Services, adapter: Adapter) -> None:
    setting, service = services.of(adapter, "session")
    many = [(b"x-%d" % n, b"a") for n in range(10_000)]
    assert service(Request("/any", many)).status in (400, 401)
    assert service(Request("/any", [*many, *GOOD["session"](setting.issuer)])).status in (200, 400)
    cookies = [(b"cookie", b"a=b; " * 4_000)]
    assert service(Request("/any", cookies)).status == 431
