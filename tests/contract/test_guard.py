"""What every guard does, whatever the framework and however the principal is carried (contracts §2 and §4)."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI

from admit.credentials import csrf
from admit.integrations.fastapi import Guard
from admit.principal import ByReference, Principal
from tests.contract import asgi
from tests.contract.services import (
    PAGES,
    RAW,
    Answer,
    Carrier,
    Headers,
    Issuer,
    Request,
    by_session,
    by_token,
    shown,
)

STRANGER: Headers = []
JUNK_TOKEN: Headers = [(b"authorization", b"Bearer canary-7f3a.canary-7f3a.canary-7f3a")]


def fastapi_service(issuer: Issuer) -> Request:
    guard = Guard(issuer.verifier, sessions=issuer, origins={PAGES}, realm="orders")
    app = FastAPI()

    @app.get("/any")
    async def any_(who: Annotated[Principal, guard()]) -> Any:
        return shown(who)

    @app.get("/read")
    async def read(who: Annotated[Principal, guard("orders:read")]) -> Any:
        return shown(who)

    @app.get("/admin")
    async def admin(who: Annotated[Principal, guard("orders:read", role="admin")]) -> Any:
        return shown(who)

    @app.get("/staff")
    async def staff(who: Annotated[Principal, guard(group="staff")]) -> Any:
        return shown(who)

    @app.get("/open")
    async def open_(who: Annotated[Principal | None, guard.optional()]) -> Any:
        return shown(who)

    @app.post("/change")
    async def change(who: Annotated[Principal, guard()]) -> Any:
        return shown(who)

    async def request(path: str, headers: Headers | None = None, method: str = "GET") -> Answer:
        return await asgi.call(app, path, headers, method)

    return request


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(params=[fastapi_service], ids=["fastapi"])
def request_(request: pytest.FixtureRequest, issuer: Issuer) -> Request:
    made: Request = request.param(issuer)
    return made


@pytest.fixture(params=[by_token, by_session], ids=["token", "session"])
def carrier(request: pytest.FixtureRequest) -> Carrier:
    chosen: Carrier = request.param
    return chosen


async def test_a_good_credential_becomes_a_principal(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    for path in ("/any", "/read", "/admin", "/staff", "/open"):
        answer = await request_(path, carrier(issuer))
        assert answer.status == 200
        assert (answer.json["subject"], answer.json["scopes"]) == ("u_alice", ["orders:read"])


@pytest.mark.rfc("6750", "3.1")
async def test_a_stranger_is_asked_to_sign_in_without_an_error_code(request_: Request) -> None:
    answer = await request_("/read", STRANGER)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="orders", scope="orders:read"'
    assert answer.json == {"error": "unauthorized", "error_description": "Sign in first."}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.rfc("6750", "3.1")
async def test_a_bad_token_is_named_and_not_quoted(request_: Request) -> None:
    answer = await request_("/any", JUNK_TOKEN)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.json["error"] == "invalid_token"
    assert b"canary" not in answer.body + repr(answer.headers).encode()


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.threat("6819-4.1.3", off="admit.verifier.policy:check_scopes")
async def test_without_the_scope_the_answer_is_403_and_names_it(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    issuer.scopes = frozenset()
    answer = await request_("/read", carrier(issuer))
    assert answer.status == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="orders", error="insufficient_scope", '
        'error_description="You may not do this.", scope="orders:read"'
    )
    assert answer.json == {"error": "insufficient_scope", "error_description": "You may not do this."}
    assert (await request_("/any", carrier(issuer))).status == 200


async def test_without_the_role_the_answer_is_403(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    issuer.roles = frozenset({"administrator"})
    assert (await request_("/admin", carrier(issuer))).status == 403
    assert (await request_("/read", carrier(issuer))).status == 200


async def test_without_the_group_the_answer_is_403(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    issuer.groups = frozenset({"stafff"})
    assert (await request_("/staff", carrier(issuer))).status == 403


async def test_groups_by_reference_are_never_taken_for_none(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    issuer.groups = ByReference("https://id.example.com/userinfo")
    answer = await request_("/staff", carrier(issuer))
    assert (answer.status, answer.json["error"]) == (503, "groups_unavailable")
    assert (await request_("/read", carrier(issuer))).status == 200


async def test_an_open_route_takes_strangers_and_refuses_bad_credentials(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    assert (await request_("/open", STRANGER)).json is None
    assert (await request_("/open", carrier(issuer))).json["subject"] == "u_alice"
    assert (await request_("/open", JUNK_TOKEN)).status == 401
    assert (await request_("/open", [(b"authorization", b"Basic dTpw")])).status == 401
    issuer.end()
    assert (await request_("/open", carrier(issuer))).status == 401


async def test_what_was_ended_is_refused(request_: Request, issuer: Issuer, carrier: Carrier) -> None:
    headers = carrier(issuer)
    assert (await request_("/any", headers)).status == 200
    issuer.end()
    answer = await request_("/any", headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_what_cannot_be_checked_is_503_and_never_401(
    request_: Request, issuer: Issuer, carrier: Carrier
) -> None:
    headers = carrier(issuer)
    assert (await request_("/any", headers)).status == 200
    issuer.fail()
    answer = await request_("/any", headers)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json["error"] in ("revocation_stale", "lookup_unavailable")
    assert "www-authenticate" not in answer.headers


async def test_a_header_decides_over_the_cookie_beside_it(request_: Request, issuer: Issuer) -> None:
    both = by_session(issuer) + by_token(issuer)
    assert (await request_("/any", both)).json["credential"] == "token"
    assert (await request_("/any", by_session(issuer) + JUNK_TOKEN)).status == 401
    # Nor is there a CSRF check, since no browser adds that header unasked.
    assert (await request_("/change", [*both, (b"origin", b"https://evil.example")], "POST")).status == 200


@pytest.mark.rfc("6750", "2")
async def test_a_token_in_the_query_is_refused(request_: Request, issuer: Issuer) -> None:
    token = issuer.token()
    for headers in (STRANGER, by_session(issuer), by_token(issuer)):
        answer = await request_(f"/any?access_token={token}", headers)
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]
        assert token.encode() not in answer.body


@pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_token")
async def test_a_change_by_cookie_needs_the_sessions_token(request_: Request, issuer: Issuer) -> None:
    ours = [*by_session(issuer), (b"origin", PAGES.encode())]
    with_token = [*ours, (b"x-csrf-token", csrf.token(RAW).encode())]
    assert (await request_("/change", with_token, "POST")).status == 200
    for headers in (ours, [*ours, (b"x-csrf-token", csrf.token(bytes(32)).encode())], by_session(issuer)):
        answer = await request_("/change", headers, "POST")
        assert (answer.status, answer.json["error"]) == (403, "csrf_failed")


@pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_origin")
async def test_a_change_by_cookie_from_a_foreign_page_is_refused(request_: Request, issuer: Issuer) -> None:
    token = (b"x-csrf-token", csrf.token(RAW).encode())
    for headers in (
        [(b"origin", b"https://evil.example")],
        [(b"origin", b"null")],
        [(b"sec-fetch-site", b"cross-site")],
    ):
        assert (await request_("/change", [*by_session(issuer), token, *headers], "POST")).status == 403
    # A forged request costs no look-up.
    assert issuer.questions == 0


async def test_a_change_by_token_needs_no_csrf_token(request_: Request, issuer: Issuer) -> None:
    assert (await request_("/change", by_token(issuer), "POST")).status == 200


@pytest.mark.threat("WEB-method", off="admit.credentials.authorization:check_syntax")
async def test_loose_bearer_syntax_is_401(request_: Request, issuer: Issuer) -> None:
    token = issuer.token().encode()
    assert (await request_("/any", [(b"authorization", b"bearer " + token)])).status == 200
    for value in (b"Bearer\t" + token, b"Bearer  " + token, b"Bearer " + token + b" "):
        assert (await request_("/any", [(b"authorization", value)])).status == 401
