"""requests-oauthlib, with PKCE as it offers it, signs Ada in and refreshes; its refusals are those of RFC 6749."""

from typing import Any

import pytest

from tests.fixtures.issuer import ADA
from tests.fixtures.required import missing
from tests.system.foreign.conftest import HINT, World
from tests.system.foreign.person import Landed, Person, changed
from tests.system.foreign.relying_parties import SCOPE, SECRET

pytestmark = pytest.mark.soak


@pytest.fixture
def client(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library's session."""
    try:
        from requests_oauthlib import OAuth2Session
    except ImportError:
        missing("requests-oauthlib", HINT)
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    party = world.parties.requests
    return OAuth2Session(party.id, scope=SCOPE.split(), redirect_uri=party.redirect_uri, pkce="S256")


def sent_back(world: World, person: Person, client: Any, **more: str) -> Landed:
    url, _ = client.authorization_url(world.metadata()["authorization_endpoint"], **more)
    return person.go(url, until=world.parties.requests.redirect_uri)


def test_requests_oauthlib_signs_in_refreshes_and_has_its_token_taken_back(
    world: World, person: Person, client: Any
) -> None:
    from oauthlib.oauth2 import InvalidGrantError

    metadata = world.metadata()
    landed = sent_back(world, person, client)
    token = client.fetch_token(
        metadata["token_endpoint"], authorization_response=landed.url, client_secret=SECRET
    )
    assert set(token["scope"]) == set(SCOPE.split())
    assert client.get(metadata["userinfo_endpoint"]).json()["email"] == ADA[0]
    auth = (world.parties.requests.id, SECRET)
    again = client.refresh_token(metadata["token_endpoint"], auth=auth)
    assert again["access_token"] != token["access_token"]
    assert client.get(metadata["userinfo_endpoint"]).status_code == 200
    revoked = client.post(
        metadata["revocation_endpoint"],
        data={"token": again["refresh_token"]},
        auth=auth,
        withhold_token=True,
    )
    assert revoked.status_code == 200
    with pytest.raises(InvalidGrantError):
        client.refresh_token(metadata["token_endpoint"], auth=auth)
    assert client.get(metadata["userinfo_endpoint"]).status_code == 401


def test_requests_oauthlib_refuses_another_state_and_is_refused_with_another_secret(
    world: World, person: Person, client: Any
) -> None:
    from oauthlib.oauth2 import InvalidClientError, MismatchingStateError

    endpoint = world.metadata()["token_endpoint"]
    landed = sent_back(world, person, client)
    with pytest.raises(MismatchingStateError):
        client.fetch_token(
            endpoint, authorization_response=changed(landed.url, state="another"), client_secret=SECRET
        )
    with pytest.raises(InvalidClientError):
        client.fetch_token(endpoint, authorization_response=landed.url, client_secret="another")


def test_requests_oauthlib_is_told_that_a_person_refused(world: World, person: Person, client: Any) -> None:
    from oauthlib.oauth2 import AccessDeniedError

    person.consents = False
    landed = sent_back(world, person, client, prompt="consent")
    with pytest.raises(AccessDeniedError):
        client.fetch_token(
            world.metadata()["token_endpoint"], authorization_response=landed.url, client_secret=SECRET
        )
