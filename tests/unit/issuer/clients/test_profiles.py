"""What the profiles settle is held, and `docs/profiles.md` says the same."""

from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

from admit.errors import ConfigError
from admit.issuer.clients import profiles
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.profiles import PROFILES, Settled
from admit.issuer.clients.records import AuthMethod, Client, Profile
from admit.issuer.clients.rules import SIGNING_ALGS, check_client

PAGE = Path(__file__).parents[4] / "docs" / "profiles.md"
PUBLIC = Client(id="a", name="A", redirect_uris=("https://a.example/cb",))
SECRET = replace(PUBLIC, public=False, secret_hashes=(b"s" * 32,))
SIGNER = replace(
    PUBLIC, public=False, token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
    jwks_uri="https://a.example/jwks", id_token_signed_response_alg="ES256",
)  # fmt: skip


def said(value: object) -> str:
    """A value as the page writes it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "nothing"
        case timedelta():
            return f"{int(value.total_seconds())} s"
        case frozenset() | tuple():
            names = {getattr(one, "value", one) for one in value}
            return "all asymmetric" if names == {*profiles.ASYMMETRIC} else ", ".join(sorted(map(str, names)))
    return str(value)


def test_the_page_has_each_line_of_the_table() -> None:
    text = PAGE.read_text("utf-8")
    for field in fields(Settled):
        cells = " | ".join(said(getattr(PROFILES[profile], field.name)) for profile in Profile)
        assert f"| `{field.name}` | {cells} |" in text, f"{field.name}: {cells}"


def test_every_profile_has_a_row_within_what_the_issuer_can() -> None:
    assert PROFILES.keys() == {*Profile}
    for row in PROFILES.values():
        assert {*row.token_algs} <= {*SIGNING_ALGS}
        assert row.assumed_rsa_alg in row.assertion_algs
        assert row.assertion_algs <= {*profiles.ASYMMETRIC}
        assert timedelta(0) < row.code_lifetime <= timedelta(minutes=10)
        assert row.iss, "RFC 9207 is for all"


def test_no_profile_is_taken_by_a_name_that_is_not_held() -> None:
    for profile in (Profile.OAUTH21, Profile.OIDC):
        check_client(replace(SIGNER, profile=profile), dev=False)
        assert RegistrationConfig(enabled=True, profile=profile).profile is profile
    with pytest.raises(ConfigError, match="bound to a key by DPoP or mTLS"):
        check_client(replace(SIGNER, profile=Profile.FAPI2), dev=False)
    with pytest.raises(ConfigError, match=r"^registration: profile fapi2 is not there yet: .*; use oauth21"):
        RegistrationConfig(enabled=True, profile=Profile.FAPI2)


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (PUBLIC, "private_key_jwt"),
        (SECRET, "private_key_jwt"),
        (replace(SIGNER, require_pkce=False), "PKCE"),
        (replace(SIGNER, token_endpoint_audience=True), "issuer only"),
        (replace(SIGNER, id_token_signed_response_alg="RS256"), "id_token_signed_response_alg"),
        (replace(SIGNER, userinfo_signed_response_alg="RS256"), "userinfo_signed_response_alg"),
        (replace(SIGNER, token_endpoint_auth_signing_alg="RS256"), "token_endpoint_auth_signing_alg"),
    ],
    ids=["public", "secret", "pkce", "audience", "id token", "userinfo", "assertion"],
)
def test_what_fapi2_does_not_allow_is_said_by_its_own_rule(client: Client, said: str) -> None:
    fapi = replace(client, profile=Profile.FAPI2)
    with pytest.raises(ConfigError, match=said):
        check_client(fapi, dev=False)


def test_the_rules_ask_the_table() -> None:
    exempt = replace(SECRET, require_pkce=False)
    assert not profiles.needs_pkce(exempt)
    assert profiles.needs_pkce(replace(exempt, profile=Profile.FAPI2))
    assert profiles.needs_pkce(PUBLIC)
    assert not profiles.needs_push(PUBLIC)
    assert profiles.needs_push(replace(PUBLIC, require_pushed_authorization_requests=True))
    assert profiles.needs_push(replace(SIGNER, profile=Profile.FAPI2))
    assert profiles.rotates(PUBLIC)
    assert not profiles.rotates(SECRET)
    assert not profiles.rotates(replace(PUBLIC, profile=Profile.FAPI2))
