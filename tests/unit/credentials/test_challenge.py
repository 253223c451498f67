"""`admit.credentials.challenge`, RFC 6750 §3."""

import pytest

from admit.credentials.challenge import www_authenticate
from admit.errors import (
    AdmitError,
    ConfigError,
    CsrfError,
    ExpiredTokenError,
    InsufficientScopeError,
    MalformedCredentialError,
    MissingCredentialError,
    RevokedError,
    SessionError,
    SignatureError,
)


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize("error", [None, MissingCredentialError("x"), SessionError("x"), CsrfError("x")])
def test_without_a_bad_token_there_is_no_error_code(error: AdmitError | None) -> None:
    assert www_authenticate(error) == "Bearer"
    assert www_authenticate(error, "a b", "api") == 'Bearer realm="api", scope="a b"'


@pytest.mark.rfc("6750", "3.1")
def test_each_code_of_the_rfc_is_given_with_its_fixed_text() -> None:
    assert www_authenticate(SignatureError("x")) == (
        'Bearer error="invalid_token", error_description="The access token is not valid."'
    )
    assert 'error_description="The access token expired."' in www_authenticate(ExpiredTokenError())
    assert 'error_description="The access token was revoked."' in www_authenticate(RevokedError())
    assert www_authenticate(MalformedCredentialError("x")).startswith('Bearer error="invalid_request"')
    missing = www_authenticate(InsufficientScopeError("x", scope="orders:read"), realm="api")
    assert missing.startswith('Bearer realm="api", error="insufficient_scope", ')
    assert missing.endswith('scope="orders:read"')


@pytest.mark.rfc("9728", "5.1")
def test_the_resources_metadata_can_be_named() -> None:
    url = "https://api.example.com/.well-known/oauth-protected-resource"
    assert www_authenticate(None, resource_metadata=url) == f'Bearer resource_metadata="{url}"'


def test_no_detail_leaves() -> None:
    assert "canary" not in www_authenticate(SignatureError("canary"), "a", "b")


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\r\nX: y", "ä", "a\x00"])
def test_what_cannot_stand_between_quotes_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        www_authenticate(None, realm=text)
    with pytest.raises(ConfigError):
        www_authenticate(None, text)
    with pytest.raises(ConfigError):
        www_authenticate(None, resource_metadata=text)


@pytest.mark.parametrize("error", AdmitError.__subclasses__())
def test_every_public_text_can_stand_in_a_header(error: type[AdmitError]) -> None:
    kinds = [error, *error.__subclasses__()]
    for kind in kinds:
        assert kind.public.isascii()
        assert '"' not in kind.public
        assert "\\" not in kind.public
