"""The registry takes what can work and says in one line what cannot."""

from dataclasses import replace
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.clients import rules
from admit.issuer.clients.config import ClientsConfig
from admit.issuer.clients.records import ApplicationType, Client, Resource
from admit.issuer.clients.registry import Registry

ISSUER = "https://id.example"
ORDERS = Resource(
    id="https://api.example",
    name="Orders",
    scopes={"orders:read": "See orders"},
    roles={"*": frozenset({"orders:read"})},
)
APP = Client(
    id="app",
    name="App",
    redirect_uris=("https://rp.example/cb", "https://rp.example/cb2", "https://other.example:8443/cb"),
    scopes=frozenset({"openid", "orders:read"}),
    resources=frozenset({ORDERS.id}),
    default_resource=ORDERS.id,
)
SECRET = rules.hash_secret("s" * 43)


def test_clients_and_resources_are_found_by_id() -> None:
    registry = Registry([APP], [ORDERS], issuer=ISSUER)
    assert registry.client("app") is APP
    assert registry.client("App") is None
    assert registry.client("admit") is None
    assert registry.resource(ORDERS.id) is ORDERS
    assert registry.resource(ORDERS.id + "/") is None
    assert list(registry.clients()) == [APP]
    assert list(registry.resources()) == [ORDERS]
    assert registry.issuer == ISSUER


def test_origins_are_those_of_the_redirect_uris() -> None:
    native = Client(
        id="native",
        name="N",
        application_type=ApplicationType.NATIVE,
        redirect_uris=("com.example.app:/cb",),
    )
    registry = Registry([APP, native], [ORDERS], issuer=ISSUER)
    assert registry.origins() == {"https://rp.example", "https://other.example:8443"}


def test_in_development_localhost_is_taken() -> None:
    client = replace(APP, redirect_uris=("http://localhost:8411/cb",))
    assert Registry([client], [ORDERS], issuer=ISSUER, config=ClientsConfig(dev=True)).client("app") is client
    with pytest.raises(ConfigError):
        Registry([client], [ORDERS], issuer=ISSUER)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "admit"},
        {"id": "u_1234"},
        {"id": ""},
        {"secret_hashes": (SECRET,)},
        {"public": False},
        {"public": False, "secret_hashes": (SECRET,) * 3},
        {"public": False, "secret_hashes": (b"short",)},
        {"redirect_uris": ()},
        {"redirect_uris": ("http://rp.example/cb",)},
        {"redirect_uris": ("https://rp.example/cb#x",)},
        {"post_logout_redirect_uris": ("http://rp.example/bye",)},
        {"require_pkce": False},
        {
            "require_pkce": False,
            "public": False,
            "secret_hashes": (SECRET,),
            "application_type": ApplicationType.NATIVE,
            "redirect_uris": ("http://127.0.0.1/cb",),
        },
        {"scopes": frozenset({"open id"})},
        {"scopes": frozenset({"unknown:scope"})},
        {"resources": frozenset({"https://nowhere.example"}), "default_resource": None},
        {"default_resource": "https://nowhere.example"},
    ],
)
def test_a_client_that_cannot_work_is_refused_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        Registry([replace(APP, **change)], [ORDERS], issuer=ISSUER)
    assert "\n" not in caught.value.detail


def test_a_confidential_client_with_https_may_do_without_pkce_by_name() -> None:
    client = replace(APP, public=False, secret_hashes=(SECRET,), require_pkce=False)
    assert Registry([client], [ORDERS], issuer=ISSUER).client("app") is client


@pytest.mark.parametrize(
    "change",
    [
        {"id": "http://api.example"},
        {"id": "https://api.example/#x"},
        {"id": "api"},
        {"id": ISSUER},
        {"scopes": {"bad scope": "x"}},
        {"scopes": {"openid": "x", "orders:read": "y"}},
        {"scopes": {"admit:sessions": "x", "orders:read": "y"}},
        {"roles": {"admin": frozenset({"orders:write"})}},
        {"secret_hash": b"short"},
    ],
)
def test_a_resource_that_cannot_work_is_refused_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        Registry([], [replace(ORDERS, **change)], issuer=ISSUER)
    assert "\n" not in caught.value.detail


def test_the_issuers_own_scope_is_granted_for_the_issuer_and_for_no_resource() -> None:
    client = replace(APP, scopes=APP.scopes | {"admit:sessions"})
    registry = Registry([client], [ORDERS], issuer=ISSUER)

    def granted(client: Client, audience: str) -> frozenset[str]:
        return rules.grantable_scopes(client, registry.resource(audience), roles=())

    assert granted(client, ISSUER) == {"openid", "admit:sessions"}
    assert granted(APP, ISSUER) == {"openid"}, "only to a client whose settings name it"
    for elsewhere in (ORDERS.id, "https://gone.example"):
        assert "admit:sessions" not in granted(client, elsewhere)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError):
        Registry([APP, APP], [ORDERS], issuer=ISSUER)
    with pytest.raises(ConfigError):
        Registry([], [ORDERS, ORDERS], issuer=ISSUER)


def test_secrets_do_not_show() -> None:
    assert SECRET.hex() not in repr(replace(APP, secret_hashes=(SECRET,)))
    assert repr(SECRET) not in repr(replace(APP, secret_hashes=(SECRET,)))
