"""Apache with mod_auth_openidc: a page for whoever is signed in, refreshed and signed out by the module."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from admit import JWK, jwt
from tests.fixtures.issuer import ADA
from tests.fixtures.processes import Child
from tests.plugins.patience import wait_until
from tests.system.foreign.apache import apache
from tests.system.foreign.conftest import World
from tests.system.foreign.conversation import conversation
from tests.system.foreign.person import Person, changed
from tests.system.foreign.relying_parties import SCOPE, SECRET

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Child]:
    """Apache, running."""
    with apache(world, world.parties.apache) as child:
        yield child


@pytest.fixture
def home(world: World, server: Child) -> str:
    return world.parties.apache.home


def told(world: World, person: Person) -> dict[str, Any]:
    """What the module knows of this person's session."""
    found: dict[str, Any] = json.loads(person.go(f"{world.parties.apache.redirect_uri}?info=json").text)
    return found


def module(world: World, person: Person, **said: str) -> Any:
    """The module's own address, with what it is told to do."""
    return person.go(f"{world.parties.apache.redirect_uri}?{urlencode(said)}")


def test_apache_lets_in_who_signs_in_and_knows_who_it_is(world: World, person: Person, home: str) -> None:
    landed = person.go(f"{home}/private/page")
    assert landed.text == "a page for whoever is signed in"
    assert landed.page is not None
    assert landed.page.headers["x-who"] == ADA[2]
    known = told(world, person)
    assert (known["userinfo"]["email"], known["id_token"]["iss"]) == (ADA[0], world.issuer)
    assert (person.typed, person.asked) == (1, 1)


def test_apache_refreshes_and_goes_on(world: World, person: Person, home: str) -> None:
    person.go(f"{home}/private/page")
    first = told(world, person)
    landed = module(world, person, refresh=f"{home}/private/page", access_token=first["access_token"])
    assert landed.url == f"{home}/private/page", "without an error_code in it"
    second = told(world, person)
    assert second["access_token"] != first["access_token"]
    assert second["id_token"]["sub"] == first["id_token"]["sub"]


def test_apache_says_so_when_its_refresh_token_was_revoked(world: World, person: Person, home: str) -> None:
    person.go(f"{home}/private/page")
    first = told(world, person)
    revoked = person.post(
        f"{world.issuer}/revoke",
        data={"token": first["refresh_token"]},
        auth=(world.parties.apache.id, SECRET),
    )
    assert revoked.status_code == 200
    landed = module(world, person, refresh=f"{home}/private/page", access_token=first["access_token"])
    assert landed.answer == {"error_code": "refresh_failed"}


def test_apache_signs_out_at_the_issuer_too(world: World, person: Person, home: str) -> None:
    person.go(f"{home}/private/page")
    landed = module(world, person, logout=f"{home}/bye")
    assert (landed.url, landed.text) == (f"{home}/bye", "bye")
    typed = person.typed
    assert person.go(f"{home}/private/page").text == "a page for whoever is signed in"
    assert person.typed == typed + 1


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.5")
def test_apache_is_told_when_somebody_logs_out_at_another_client(
    world: World, person: Person, home: str
) -> None:
    person.go(f"{home}/private/page")
    assert person.get(f"{home}/private/page").status_code == 200
    party = world.parties.openid_client
    with conversation("openid_client.mjs", "openid-client") as said:
        known = {"client_id": party.id, "redirect_uri": party.redirect_uri, "secret": SECRET}
        said.say("discover", issuer=world.issuer, scope=SCOPE, **known)
        done = said.say("finish", url=person.go(said.say("authorize"), until=party.redirect_uri).url)
        assert person.typed == 1
        bye = said.say("logout", id_token=done["tokens"]["id_token"], post_logout_redirect_uri=party.bye)
    assert person.go(bye, until=party.bye).url == party.bye
    wait_until(lambda: person.get(f"{home}/private/page").is_redirect, "Apache's end of the session", 0.1)


def test_a_forged_logout_token_ends_nothing_at_apache(world: World, person: Person, home: str) -> None:
    person.go(f"{home}/private/page")
    known = told(world, person)["id_token"]
    forged = jwt.sign(
        {
            "sub": known["sub"],
            "sid": known["sid"],
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        },
        JWK.generate("RS256"),
        issuer=world.issuer,
        audience=world.parties.apache.id,
        lifetime=timedelta(minutes=2),
    )
    answer = httpx2.post(
        f"{world.parties.apache.redirect_uri}?logout=backchannel", data={"logout_token": forged}
    )
    assert answer.status_code == 400
    assert person.get(f"{home}/private/page").status_code == 200


def test_apache_takes_no_answer_with_a_state_that_it_did_not_give(
    world: World, person: Person, home: str
) -> None:
    landed = person.go(f"{home}/private/page", until=world.parties.apache.redirect_uri)
    refused = person.go(changed(landed.url, state="another"))
    assert refused.page is not None
    assert refused.page.status_code >= 400


def test_apache_lets_nobody_in_who_refused(world: World, person: Person, home: str) -> None:
    """The module in Debian 12 takes `iss` in an error (RFC 9207 §2) for the beginning of a sign-in of its own kind."""
    person.consents = False
    asked = person.go(f"{home}/private/page", until=world.issuer)
    landed = person.go(changed(asked.url, prompt="consent"), until=world.parties.apache.redirect_uri)
    assert landed.answer["error"] == "access_denied"
    refused = person.go(landed.url)
    assert refused.url.startswith(f"{home}/private/callback")
    assert person.get(f"{home}/private/page").is_redirect, "to sign in"
