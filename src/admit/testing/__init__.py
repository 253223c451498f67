"""For your own tests: callers without a login page, a network or a running issuer.

    # conftest.py
    @pytest.fixture
    def client(admit_issuer):                       # the fixture comes with `pip install admit`
        return admit_issuer.client(TestClient(app), guard)

    # test_orders.py
    def test_only_who_may_read_orders_sees_them(client):
        assert client.get("/api/orders").status_code == 401
        assert client.as_(principal("alice")).get("/api/orders").status_code == 403
        assert client.as_(principal("alice", scopes={"orders:read"})).get("/api/orders").status_code == 200

Tokens are really signed, by a key made for this run, and really verified; sessions are really looked up, in memory.
Their issuer is `https://admit.invalid`, which no verifier and no issuer of a deployment can be set to.

Loading this module is what makes `guard.override(...)` possible: only tests import it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from admit.testing.callers import Caller, principal
    from admit.testing.client import Client
    from admit.testing.issuer import TestIssuer
    from admit.verifier.trust import ISSUER_OF_TESTS as ISSUER

__all__ = ["ISSUER", "Caller", "Client", "TestIssuer", "principal"]

# pytest loads the plugin in every run of whoever installed Admit: what is not used costs nothing.
_HOME = {
    "ISSUER": ("admit.verifier.trust", "ISSUER_OF_TESTS"),
    "Caller": ("admit.testing.callers", "Caller"),
    "Client": ("admit.testing.client", "Client"),
    "TestIssuer": ("admit.testing.issuer", "TestIssuer"),
    "principal": ("admit.testing.callers", "principal"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOME[name]
    value = getattr(import_module(module), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
