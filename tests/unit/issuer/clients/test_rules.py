"""Which redirect URI, scope and secret a client may use."""

import re
import string
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from admit.errors import ConfigError
from admit.issuer.accounts.driver import new_user_id
from admit.issuer.clients import rules
from admit.issuer.clients.records import ApplicationType, Client, Resource

REGISTERED = "https://rp.example/cb"
WEB = Client(id="web", name="Web", redirect_uris=(REGISTERED, "https://rp.example/cb2?fixed=1"))
NATIVE = Client(
    id="native",
    name="Native",
    application_type=ApplicationType.NATIVE,
    redirect_uris=("http://127.0.0.1/cb", "http://[::1]:9000/cb?x=1", "com.example.app:/cb"),
)

NEAR_MISSES = [
    "https://rp.example/cb/",
    "https://rp.example/cb/../x",
    "https://rp.example/x/../cb",
    "https://rp.example/./cb",
    "https://rp.example//cb",
    "https://rp.example/cb%2f..",
    "https://rp.example/c%62",
    "https://rp.example/cb%00",
    "https://rp.example/cb%20",
    "https://rp.example:443/cb",
    "https://rp.example:8443/cb",
    "https://RP.example/cb",
    "HTTPS://rp.example/cb",
    "https://rp.example/CB",
    "http://rp.example/cb",
    "https://rp@evil.example/cb",
    "https://rp.example@evil.example/cb",
    "https://user:pw@rp.example/cb",
    "https://rp.example.evil.example/cb",
    "https://evil.example/rp.example/cb",
    "https://sub.rp.example/cb",
    "https://rp.example./cb",
    "https://rp.example/cb?x",
    "https://rp.example/cb?",
    "https://rp.example/cb?code=1&code=2",
    "https://rp.example/cb2?fixed=1&fixed=1",
    "https://rp.example/cb2?fixed=2",
    "https://rp.example/cb2",
    "https://rp.example/cb#",
    "https://rp.example/cb#frag",
    "https://rp.example/cb;x",
    "https://rp.example/cb\t",
    "\thttps://rp.example/cb",
    " https://rp.example/cb",
    "https://rp.example/cb\n",
    "https://rp.example\\cb",
    "https:\\\\rp.example\\cb",
    "https:rp.example/cb",
    "//rp.example/cb",
    "/cb",
    "https://ｒp.example/cb",
    "https://rp。example/cb",
    "https://rp.еxample/cb",
    "https://rp.example/cb\u200b",
    "https://*.example/cb",
    "https://rp.example/*",
    "javascript:alert(1)",
    "data:text/html,x",
    "",
    "https://rp.example/cb,https://evil.example/cb",
    "https://rp.example/cb https://evil.example/cb",
]

NATIVE_MISSES = [
    "http://localhost/cb",
    "http://localhost:5000/cb",
    "https://127.0.0.1/cb",
    "http://127.0.0.1/cb/",
    "http://127.0.0.1/other",
    "http://127.0.0.1/cb?x",
    "http://127.0.0.1/cb#x",
    "http://127.0.0.1:0/cb",
    "http://127.0.0.1:00080/cb",
    "http://127.0.0.1:99999/cb",
    "http://127.0.0.1:123456/cb",
    "http://127.0.0.1:+80/cb",
    "http://127.0.0.1:/cb",
    "http://127.0.0.1:80@evil.example/cb",
    "http://user@127.0.0.1/cb",
    "http://127.0.0.2/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://0x7f000001/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://[::1]/cb",
    "http://[::1]:1/cb?x=2",
    "http://[0:0:0:0:0:0:0:1]:1/cb?x=1",
    "http://[::ffff:127.0.0.1]/cb",
    "com.example.app://cb",
    "com.example.app:/cb2",
    "com.example.APP:/cb",
    "http://127.0.0.1:80\t/cb",
    "http://127.0.0.1/cb\n",
]


@pytest.mark.rfc("9700", "4.1.3")
@pytest.mark.parametrize("uri", WEB.redirect_uris)
def test_a_registered_redirect_uri_is_allowed(uri: str) -> None:
    assert rules.redirect_uri_allowed(WEB, uri)


@pytest.mark.rfc("9700", "4.1.3")
@pytest.mark.threat("9700-redirect", off="admit.issuer.clients.rules:redirect_uri_allowed")
@pytest.mark.parametrize("uri", NEAR_MISSES)
def test_a_near_miss_of_a_redirect_uri_is_refused(uri: str) -> None:
    assert not rules.redirect_uri_allowed(WEB, uri)
    assert not rules.redirect_uri_allowed(NATIVE, uri)


def test_there_are_forty_near_misses() -> None:
    assert len(set(NEAR_MISSES)) >= 40


@pytest.mark.rfc("8252", "7.3")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:65535/cb",
        "http://[::1]:51004/cb?x=1",
        "com.example.app:/cb",
    ],
)
def test_a_native_client_may_use_any_port_of_its_loopback_address(uri: str) -> None:
    assert rules.redirect_uri_allowed(NATIVE, uri)


@pytest.mark.rfc("8252", "7.3")
@pytest.mark.threat("9700-redirect", off="admit.issuer.clients.rules:redirect_uri_allowed")
@pytest.mark.parametrize("uri", NATIVE_MISSES)
def test_a_native_client_may_use_nothing_else(uri: str) -> None:
    assert not rules.redirect_uri_allowed(NATIVE, uri)


@pytest.mark.threat("9700-redirect", off="admit.issuer.clients.rules:redirect_uri_allowed")
def test_a_web_client_with_a_loopback_uri_has_no_free_port() -> None:
    web = Client(id="web", name="Web", redirect_uris=("http://127.0.0.1/cb",))
    assert not rules.redirect_uri_allowed(web, "http://127.0.0.1:5000/cb")


_ALPHABET = string.printable + "éｒ。\u200b\u2028\0"


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A registered URI with a few characters inserted, left out or replaced."""
    text = list(draw(st.sampled_from([*WEB.redirect_uris, *NATIVE.redirect_uris])))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        insert = draw(st.text(_ALPHABET, max_size=3))
        text[at : at + draw(st.integers(0, 3))] = insert
    return "".join(text)


@pytest.mark.threat("9700-redirect", off="admit.issuer.clients.rules:redirect_uri_allowed")
@given(mutations() | st.text(max_size=60))
@example("http://[::1]/cb?x=1")
@example("http://127.0.0.1:65535/cb")
def test_only_equal_bytes_are_allowed_but_for_a_loopback_port(uri: str) -> None:
    assert rules.redirect_uri_allowed(WEB, uri) == (uri in WEB.redirect_uris)
    if rules.redirect_uri_allowed(NATIVE, uri) and uri not in NATIVE.redirect_uris:
        found = re.fullmatch(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]+))?(/.*)", uri, re.ASCII)
        assert found is not None
        host, port, path = found.groups(default="80")  # a URL without a port names it too
        assert 0 < int(port) < 65536
        assert f"{host}{path}" in {"http://127.0.0.1/cb", "http://[::1]/cb?x=1"}


@pytest.mark.threat("6819-4.2.4", off="admit.issuer.clients.rules:post_logout_redirect_uri_allowed")
def test_after_logout_only_a_registered_uri_is_gone_to() -> None:
    client = Client(
        id="web",
        name="Web",
        redirect_uris=(REGISTERED,),
        post_logout_redirect_uris=("https://rp.example/bye",),
    )
    assert rules.post_logout_redirect_uri_allowed(client, "https://rp.example/bye")
    for uri in ("https://rp.example/bye/", REGISTERED, "https://evil.example/bye", ""):
        assert not rules.post_logout_redirect_uri_allowed(client, uri)


@pytest.mark.threat("6819-4.2.4", off="admit.issuer.clients.rules:redirect_uri_allowed")
def test_a_redirect_goes_to_no_uri_of_another_client() -> None:
    other = Client(id="other", name="Other", redirect_uris=("https://other.example/cb",))
    assert not rules.redirect_uri_allowed(WEB, other.redirect_uris[0])
    assert not rules.redirect_uri_allowed(Client(id="none", name="None"), REGISTERED)


@pytest.mark.parametrize(
    ("uri", "native", "dev"),
    [
        ("https://rp.example/cb", False, False),
        ("https://rp.example:8443/cb?x=1", False, False),
        ("https://[2001:db8::1]/cb", False, False),
        ("https://192.0.2.7/cb", False, False),
        ("https://xn--fiqs8s.example/cb", False, False),
        ("https://my_host/cb", False, False),
        ("http://127.0.0.1/cb", True, False),
        ("http://[::1]:5000/cb", True, False),
        ("com.example.app:/cb", True, False),
        ("http://localhost:8411/cb", False, True),
    ],
)
def test_redirect_uris_that_may_be_registered(uri: str, native: bool, dev: bool) -> None:
    assert rules.is_registrable_redirect_uri(uri, native=native, dev=dev)


@pytest.mark.threat("6819-4.4.1.5", off="admit.issuer.clients.rules:is_registrable_redirect_uri")
@pytest.mark.parametrize(
    ("uri", "native", "dev"),
    [
        ("http://rp.example/cb", False, True),
        ("http://127.0.0.1/cb", False, True),
        ("http://localhost:8411/cb", False, False),
        ("http://localhost:8411/cb", True, False),
        ("http://localhost/cb", False, True),
        ("com.example.app:/cb", False, False),
        ("myapp:/cb", True, False),
        ("javascript:alert(1)", True, True),
        ("https://rp.example/cb#x", False, False),
        ("https://user@rp.example/cb", False, False),
        ("https://RP.example/cb", False, False),
        ("https://rp.example:443/cb", False, False),
        ("https://rp.example/a/../cb", False, False),
        ("https://rp.example/a/%2e%2E/cb", False, False),
        ("https://rp.example/*{x}", False, False),
        ("https://rp.example:port/cb", False, False),
        ("https:///cb", False, False),
        ("https://r p.example/cb", False, False),
        ("https://rp.example/" + "x" * 2048, False, False),
        ("https://*.rp.example/cb", False, False),
        ("https://rp.example,evil.example/cb", False, False),
        ("https://rp.example;evil.example/cb", False, False),
        ("https://'self'/cb", False, False),
        ("https://-rp.example/cb", False, False),
        ("https://rp..example/cb", False, False),
        ("https://127.1/cb", False, False),
        ("https://0x7f.0.0.1/cb", False, False),
        ("https://2130706433/cb", False, False),
        ("https://[2001:DB8::1]/cb", False, False),
        ("https://rp.example./cb", False, False),
    ],
)
def test_redirect_uris_that_may_not_be_registered(uri: str, native: bool, dev: bool) -> None:
    assert not rules.is_registrable_redirect_uri(uri, native=native, dev=dev)


@pytest.mark.parametrize("client_id", ["orders-app", "a", "A.b_c~d-9", "x" * 128, "unit", "admit-app"])
def test_client_ids_that_are_taken(client_id: str) -> None:
    assert rules.is_client_id(client_id)


@pytest.mark.rfc("9700", "4.15")
@pytest.mark.threat("9700-clientid", off="admit.issuer.clients.rules:is_client_id")
@pytest.mark.parametrize(
    "client_id", ["admit", "Admit", "u_abc", "U_abc", "", "a b", "a\n", "é", "-a", "x" * 129]
)
def test_client_ids_that_could_be_taken_for_others_are_refused(client_id: str) -> None:
    assert not rules.is_client_id(client_id)


@pytest.mark.threat("9700-clientid", off="admit.issuer.clients.rules:is_client_id")
def test_no_subject_of_a_user_can_be_a_client_id() -> None:
    assert not any(rules.is_client_id(new_user_id()) for _ in range(1000))


ORDERS = Resource(
    id="https://api.example",
    name="Orders",
    scopes={
        "orders:read": "See orders",
        "orders:write": {"en": "Change orders", "zh": "修改订单"},
        "orders:all": "All",
    },
    roles={
        "*": frozenset({"orders:read"}),
        "admin": frozenset({"orders:all", "orders:write"}),
        "ghost": frozenset({"other"}),
    },
)


def test_roles_bound_the_scopes_of_a_resource() -> None:
    assert rules.scopes_for(ORDERS, ()) == {"orders:read"}
    assert rules.scopes_for(ORDERS, {"buyer"}) == {"orders:read"}
    assert rules.scopes_for(ORDERS, {"admin", "buyer"}) == {"orders:read", "orders:write", "orders:all"}
    assert rules.scopes_for(ORDERS, {"ghost"}) == {"orders:read"}, "never a scope that the resource has not"
    assert rules.scopes_for(ORDERS, {"*"}) == {"orders:read"}, "nobody has the role of everybody"


@given(
    st.sets(st.sampled_from(["admin", "buyer", "ghost", "*", ""])),
    st.sets(st.sampled_from(["admin", "buyer"])),
)
def test_more_roles_never_give_less(some: set[str], more: set[str]) -> None:
    assert rules.scopes_for(ORDERS, some) <= rules.scopes_for(ORDERS, some | more) <= ORDERS.scopes.keys()


def test_a_token_holds_only_what_client_and_user_may() -> None:
    client = Client(
        id="c",
        name="C",
        scopes=frozenset({"openid", "orders:read", "orders:write"}),
        resources=frozenset({ORDERS.id}),
    )
    assert rules.grantable_scopes(client, ORDERS, {"admin"}) == {"openid", "orders:read", "orders:write"}
    assert rules.grantable_scopes(client, ORDERS, ()) == {"openid", "orders:read"}
    assert rules.grantable_scopes(client, None, {"admin"}) == {"openid"}


def test_a_secret_is_known_by_its_hash_and_two_may_overlap() -> None:
    old, new = rules.new_secret(), rules.new_secret()
    hashes = (rules.hash_secret(old), rules.hash_secret(new))
    assert len(old) == 43
    assert rules.verify_secret(hashes, old)
    assert rules.verify_secret(hashes, new)
    assert not rules.verify_secret(hashes, old + "x")
    assert not rules.verify_secret((), old)
    assert not rules.verify_secret(hashes, hashes[0].hex())
    assert not rules.verify_secret(hashes, "\ud800")


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://rp.example/cb", "https://rp.example"),
        ("http://localhost:8411/cb", "http://localhost:8411"),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_of_a_redirect_uri(uri: str, origin: str | None) -> None:
    assert rules.origin_of(uri) == origin


def test_resources_are_read_only_values() -> None:
    assert isinstance(ORDERS.scopes, Mapping)
    assert "secret" not in repr(Resource(id="https://x.example", name="X", secret_hash=b"secret" * 5))


def test_localhost_is_for_native_clients_that_say_so_by_name() -> None:
    for uri in ("http://localhost/cb", "http://localhost:5000/cb"):
        assert rules.is_registrable_redirect_uri(uri, native=True, dev=False, localhost=True)
        assert not rules.is_registrable_redirect_uri(uri, native=False, dev=False, localhost=True)
        assert not rules.is_registrable_redirect_uri(uri, native=True, dev=False)
    for uri in (
        "http://localhost:0/cb",
        "http://localhost:70000/cb",
        "http://localhost./cb",
        "http://LOCALHOST/cb",
    ):
        assert not rules.is_registrable_redirect_uri(uri, native=True, dev=False, localhost=True), uri
    client = Client(
        id="tool",
        name="Tool",
        application_type=ApplicationType.NATIVE,
        redirect_uris=("http://localhost/cb",),
    )
    assert not rules.redirect_uri_allowed(client, "http://localhost:5000/cb")
    assert rules.redirect_uri_allowed(replace(client, localhost_redirects=True), "http://localhost:5000/cb")
    assert not rules.redirect_uri_allowed(
        replace(client, localhost_redirects=True), "http://127.0.0.1:5000/cb"
    )


# Sign-in by JSON


MINE = replace(WEB, first_party=True, api_login=True)


def test_a_first_party_client_may_be_given_passwords() -> None:
    rules.check_client(MINE, dev=False)
    assert not WEB.api_login


@pytest.mark.threat("6819-4.4.3.1", off="admit.issuer.clients.rules:check_api_login")
@pytest.mark.parametrize(
    "changes",
    [
        {"first_party": False},
        {"grant_types": frozenset({"refresh_token"})},
        {"public": False, "secret_hashes": (b"x" * 32,), "require_pkce": False},
        {"require_pushed_authorization_requests": True},
    ],
    ids=["somebody else's", "no code", "no PKCE", "pushed requests"],
)
def test_what_does_not_go_with_people_s_passwords_does_not_start(changes: Mapping[str, object]) -> None:
    with pytest.raises(ConfigError, match="api_login"):
        rules.check_client(replace(MINE, **changes), dev=False)  # type: ignore[arg-type]  # any field of a client
