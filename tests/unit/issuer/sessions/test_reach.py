"""How far the session cookie may be told to reach."""

import pytest

from admit.errors import ConfigError
from admit.issuer import Settings
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.reach import check_cookie_domain, covers, is_shared_suffix

ISSUER = "https://login.example.com:8443/auth"


@pytest.mark.parametrize("domain", ["example.com", "login.example.com"])
def test_a_domain_that_the_issuer_lies_in_is_taken(domain: str) -> None:
    check_cookie_domain(domain, ISSUER)
    assert (
        Settings(issuer=ISSUER, sessions=SessionConfig(cookie_domain=domain)).sessions.cookie_domain == domain
    )


@pytest.mark.threat("SES-2", off="admit.issuer.sessions.reach:covers")
@pytest.mark.parametrize(
    "domain",
    ["example.org", "ample.com", "app.login.example.com", "other.example.com", "login.example.com.evil.com"],
)
def test_a_domain_that_the_issuer_lies_outside_of_is_refused(domain: str) -> None:
    with pytest.raises(ConfigError, match=r"sessions\.cookie_domain"):
        Settings(issuer=ISSUER, sessions=SessionConfig(cookie_domain=domain))


@pytest.mark.threat("SES-2", off="admit.issuer.sessions.reach:is_shared_suffix")
@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("login.co.uk", "co.uk"), ("login.com.au", "com.au"), ("login.gov.br", "gov.br"),
        ("me.github.io", "github.io"), ("me.vercel.app", "vercel.app"), ("me.workers.dev", "workers.dev"),
    ],
)  # fmt: skip
def test_a_domain_of_many_owners_is_refused(host: str, domain: str) -> None:
    with pytest.raises(ConfigError, match="different owners"):
        check_cookie_domain(domain, f"https://{host}")


@pytest.mark.parametrize(
    "domain",
    ["", ".example.com", "example.com.", "EXAMPLE.com", "exa mple.com", "com", "192.0.2.1", "[::1]", "例子.com",
     "example.com/", "*.example.com", "-a.example.com", "a" * 64 + ".com", "exa\nmple.com"],
)  # fmt: skip
def test_what_is_no_domain_is_refused_in_one_line(domain: str) -> None:
    with pytest.raises(ConfigError) as told:
        check_cookie_domain(domain, ISSUER)
    assert "\n" not in str(told.value)
    assert domain not in str(told.value) or domain in ("", "com", "example.com.")


def test_development_has_no_such_thing() -> None:
    with pytest.raises(ConfigError, match="https"):
        Settings(issuer="http://localhost:8410", dev=True, sessions=SessionConfig(cookie_domain="localhost"))


def test_a_host_below_is_covered_and_one_that_only_ends_alike_is_not() -> None:
    assert covers("example.com", "example.com")
    assert covers("example.com", "a.b.example.com")
    assert not covers("example.com", "badexample.com")
    assert is_shared_suffix("com")
    assert not is_shared_suffix("example.co.uk")
    assert not is_shared_suffix("me.github.io")
