"""`pytest examples/testing`: no login page, no network, no running issuer."""

from orders import guard
from starlette.testclient import TestClient

from admit.testing import Client, TestIssuer, principal


def test_who_may_read_orders_sees_their_own(client: Client[TestClient]) -> None:
    alice = client.as_(principal("alice", scopes={"orders:read"}))
    assert alice.get("/orders").json() == ["an order of alice"]


def test_nobody_else_does(client: Client[TestClient]) -> None:
    assert client.get("/orders").status_code == 401
    assert client.as_(principal("alice")).get("/orders").status_code == 403


def test_after_logout_the_token_is_worth_nothing(
    client: Client[TestClient], admit_issuer: TestIssuer
) -> None:
    alice = principal("alice", scopes={"orders:read"})
    admit_issuer.end(alice)
    assert client.as_(alice).get("/orders").status_code == 401


def test_when_the_issuer_is_out_of_reach_for_too_long_nobody_is_let_in(
    client: Client[TestClient], admit_issuer: TestIssuer
) -> None:
    alice = client.as_(principal("alice", scopes={"orders:read"}))
    with admit_issuer.unreachable():
        assert alice.get("/orders").status_code == 503


def test_only_admins_forget(client: Client[TestClient]) -> None:
    with guard.override(principal("root", roles={"admin"})):
        assert client.delete("/orders").status_code == 200
    with guard.override(principal("alice")):
        assert client.delete("/orders").status_code == 403
