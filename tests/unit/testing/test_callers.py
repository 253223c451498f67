"""`admit.testing`: callers of a user's own tests, carried by what guards really check."""

from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from admit.errors import ConfigError
from admit.integrations.fastapi import Guard
from admit.principal import CredentialKind, Principal
from admit.testing import ISSUER, Client, TestIssuer, principal
from admit.verifier import RemoteLookup, Revocation, TrustedIssuer, Verifier

API = "https://api.example.com"
PAGES = "https://app.example.com"
WAYS = pytest.mark.parametrize("by", ["token", "session"])


def nobody_is_asked(*_: Any, **__: Any) -> Any:
    raise AssertionError("a test asked the network")


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Guard:
    """As a deployment makes it: of an issuer that is not there."""
    monkeypatch.setattr("socket.socket.connect", nobody_is_asked)
    issuer = "https://id.example.com"
    return Guard(
        Verifier(TrustedIssuer(issuer, audience=API, revocation=Revocation(stream=False))),
        sessions=RemoteLookup(issuer, API, "a-secret-of-the-resource"),
        origins={PAGES},
    )


@pytest.fixture
def app(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/orders")
    async def orders(who: Annotated[Principal, guard("orders:read")]) -> dict[str, Any]:
        return {"subject": who.subject, "by": who.credential.value, "issuer": who.issuer}

    @app.post("/orders", dependencies=[guard(role="admin")])
    async def order() -> dict[str, Any]:
        return {}

    return app


@pytest.fixture
def client(app: FastAPI, guard: Guard, admit_issuer: TestIssuer) -> Client[TestClient]:
    return admit_issuer.client(TestClient(app), guard)


@WAYS
def test_a_principal_is_let_in_as_far_as_it_may(client: Client[TestClient], by: Any) -> None:
    reader = principal("alice", scopes={"orders:read"})
    assert client.get("/orders").status_code == 401
    assert client.as_(principal("alice"), by=by).get("/orders").status_code == 403
    answer = client.as_(reader, by=by).get("/orders")
    assert answer.json() == {"subject": "alice", "by": by, "issuer": ISSUER}


@WAYS
def test_what_changes_things_passes_the_rule_against_forged_requests(
    client: Client[TestClient], by: Any
) -> None:
    admin = client.as_(principal(roles={"admin"}), by=by)
    assert admin.post("/orders").status_code == 200
    assert client.as_(principal(), by=by).post("/orders").status_code == 403
    forged = admin.post("/orders", headers={"Origin": "https://evil.example"})
    assert forged.status_code == (403 if by == "session" else 200), "headers of the call go first"


@WAYS
def test_what_was_ended_is_refused_and_only_that(
    client: Client[TestClient], admit_issuer: TestIssuer, by: Any
) -> None:
    alice, bob = principal("alice", scopes={"orders:read"}), principal("bob", scopes={"orders:read"})
    as_alice, as_bob = client.as_(alice, by=by), client.as_(bob, by=by)
    assert (as_alice.get("/orders").status_code, as_bob.get("/orders").status_code) == (200, 200)
    admit_issuer.end(alice)
    assert (as_alice.get("/orders").status_code, as_bob.get("/orders").status_code) == (401, 200)


def test_an_issuer_that_cannot_be_asked_is_503(client: Client[TestClient], admit_issuer: TestIssuer) -> None:
    alice = client.as_(principal(scopes={"orders:read"}))
    with admit_issuer.unreachable():
        assert alice.get("/orders").status_code == 503
    assert alice.get("/orders").status_code == 200


def test_a_token_of_an_age_has_expired(
    client: Client[TestClient], admit_issuer: TestIssuer, guard: Guard
) -> None:
    alice = principal(scopes={"orders:read"})

    def status(token: str) -> int:
        code: int = client.get("/orders", headers={"authorization": f"Bearer {token}"}).status_code
        return code

    assert status(admit_issuer.token(alice, audience=API)) == 200
    assert status(admit_issuer.token(alice, audience=API, age=timedelta(hours=1))) == 401
    assert status(admit_issuer.token(alice, audience="https://other.example.com")) == 401
    assert status(TestIssuer().token(alice, audience=API)) == 200, "one key a run"


def test_a_guard_that_is_its_own_gate_will_do(guard: Guard, admit_issuer: TestIssuer) -> None:
    gate = guard.gate
    carried = admit_issuer.headers(principal("alice"), gate)
    found = gate.find([(name.encode(), value.encode()) for name, value in carried.items()], "GET")
    assert isinstance(found, Principal)
    assert found.subject == "alice"


def test_a_guard_trusts_whom_it_trusted_before_once_the_test_is_done(app: FastAPI, guard: Guard) -> None:
    before, lookup = guard.gate.verifier, guard.gate.sessions
    with TestIssuer() as issuer:
        client = issuer.client(TestClient(app), guard)
        alice = client.as_(principal(scopes={"orders:read"}))
        assert alice.get("/orders").status_code == 200
    assert (guard.gate.verifier, guard.gate.sessions) == (before, lookup)
    assert alice.get("/orders").status_code == 401, "its issuer is not trusted there"


@pytest.mark.anyio
async def test_any_client_that_takes_headers_will_do(
    app: FastAPI, guard: Guard, admit_issuer: TestIssuer
) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://api.example.com"
    ) as raw:
        client = admit_issuer.client(raw, guard)
        assert (await client.get("/orders")).status_code == 401
        assert (await client.as_(principal(scopes={"orders:read"})).get("/orders")).status_code == 200


def test_override_lets_anybody_in_as_the_principal_and_asks_what_the_route_asks(
    app: FastAPI, guard: Guard
) -> None:
    client = TestClient(app)
    with guard.override(principal("alice", scopes={"orders:read"})):
        assert client.get("/orders").json()["subject"] == "alice"
        assert client.post("/orders").status_code == 403, "alice is no admin"
        with guard.override(None):
            assert client.get("/orders", headers={"authorization": "Bearer x"}).status_code == 401
        assert client.get("/orders").status_code == 200
    assert client.get("/orders").status_code == 401


def test_override_is_for_tests(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "admit.testing")
    with pytest.raises(ConfigError, match="for tests"), guard.override(principal()):
        pass


@pytest.mark.parametrize("name", [ISSUER, f"{ISSUER}/"])
def test_no_deployment_trusts_the_issuer_of_tests(name: str) -> None:
    with pytest.raises(ConfigError, match="issuer of tests"):
        TrustedIssuer(name, audience=API)


def test_a_principal_of_another_issuer_is_no_caller_of_tests(guard: Guard, admit_issuer: TestIssuer) -> None:
    other = Principal(issuer="https://id.example.com", subject="a", client_id="b", audience=frozenset({API}))
    with pytest.raises(ConfigError, match="issuer of tests"):
        admit_issuer.headers(other, guard)
    with pytest.raises(ConfigError, match="not one text"):
        principal(scopes="orders:read")


def test_sessions_need_a_guard_that_takes_them(admit_issuer: TestIssuer) -> None:
    guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience=API)))
    with pytest.raises(ConfigError, match="takes no sessions"):
        admit_issuer.headers(principal(), guard, by="session")


def test_a_machine_has_its_client_id_for_a_subject(admit_issuer: TestIssuer) -> None:
    machine = principal("reports", is_client=True)
    found = admit_issuer.verifier(API).verify(admit_issuer.token(machine, audience=API))
    assert (found.is_client, found.auth_time, found.credential) == (True, None, CredentialKind.TOKEN)
    assert not principal("alice").is_client


def test_claims_come_along(admit_issuer: TestIssuer) -> None:
    found = admit_issuer.verifier(API).verify(
        admit_issuer.token(principal(claims={"tenant": "t1"}), audience=API)
    )
    assert found.claims["tenant"] == "t1"
