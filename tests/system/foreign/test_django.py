"""A Django project with mozilla-django-oidc: people are made, their sign-in is renewed, and they are signed out."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.issuer import ADA, BO
from tests.fixtures.processes import Child
from tests.fixtures.required import missing
from tests.system.foreign.conftest import HINT, World
from tests.system.foreign.person import Person, changed
from tests.system.foreign.relying_parties import SECRET

pytestmark = pytest.mark.soak
SITE = Path(__file__).parent / "apps" / "django_site.py"


@dataclass(frozen=True, slots=True)
class Site:
    child: Child
    home: str
    callback: str


def started(world: World, name: str, *, renew: int) -> Site:
    if importlib.util.find_spec("mozilla_django_oidc") is None:
        missing("mozilla-django-oidc", HINT)
    party = world.parties.django if renew else world.parties.django_renewing
    path = world.folder / f"{name}.json"
    given = {
        "issuer": world.issuer,
        "client_id": party.id,
        "secret": SECRET,
        "port": party.port,
        "bye": party.bye,
        "renew": renew,
        "database": str(world.folder / f"{name}.db"),
    }
    path.write_text(json.dumps(given))
    child = world.start(name, [sys.executable, str(SITE), str(path)], party.port)
    return Site(child, party.home, party.redirect_uri)


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[Site]:
    """The project, as it comes."""
    made = started(world, "django", renew=900)
    yield made
    made.child.stop()


@pytest.fixture(scope="module")
def renewing(world: World) -> Iterator[Site]:
    """The same, where each request finds its sign-in over."""
    made = started(world, "django-renewing", renew=0)
    yield made
    made.child.stop()


def test_django_makes_a_user_of_who_signs_in_and_knows_her_again(
    world: World, person: Person, site: Site
) -> None:
    first = person.go(site.home + "/")
    assert first.url == site.home + "/"
    assert json.loads(first.text)["email"] == ADA[0]
    assert (person.typed, person.asked) == (1, 1)
    with Person(world.issuer, BO) as other:
        assert json.loads(other.go(site.home + "/").text)["email"] == BO[0]
    with Person(world.issuer) as again:
        assert json.loads(again.go(site.home + "/").text) == json.loads(first.text)
    assert json.loads(person.go(site.home + "/people").text) == {"people": [ADA[0], BO[0]]}


def test_django_signs_out_at_the_issuer_too_and_comes_back(person: Person, site: Site) -> None:
    person.go(site.home + "/")
    bye = person.go(site.home + "/oidc/logout/")
    assert bye.url == site.home + "/bye"
    typed = person.typed
    person.go(site.home + "/")
    assert person.typed == typed + 1, "the issuer's session was over too"


def test_django_takes_no_answer_with_a_state_that_it_did_not_give(person: Person, site: Site) -> None:
    landed = person.go(site.home + "/oidc/authenticate/", until=site.callback)
    refused = person.go(changed(landed.url, state="another"))
    assert refused.page is not None
    assert refused.page.status_code == 400
    assert person.go(landed.url).url == site.home + "/"


def test_django_takes_no_code_that_the_issuer_refuses(world: World, person: Person, site: Site) -> None:
    landed = person.go(site.home + "/oidc/authenticate/", until=site.callback)
    forged = person.go(changed(landed.url, code="made-up"))
    assert forged.page is not None
    assert forged.page.status_code == 500, "it lets the refusal through as a fault of its own"
    assert person.go(site.home + "/", until=world.issuer).url.startswith(world.issuer + "/authorize")


def test_django_is_told_that_a_person_refused(world: World, person: Person, site: Site) -> None:
    person.consents = False
    asked = person.go(site.home + "/oidc/authenticate/", until=world.issuer)
    assert person.go(changed(asked.url, prompt="consent")).url == site.home + "/failed"


def test_django_renews_a_sign_in_without_a_page_and_ends_it_when_the_issuers_is_over(
    world: World, person: Person, renewing: Site
) -> None:
    """`SessionRefresh`: each request goes to the issuer with prompt=none and comes back, until there is no session."""
    landed = person.go(renewing.home + "/oidc/authenticate/", until=renewing.callback)
    way = person.go(landed.url, until=world.issuer)
    assert way.answer["prompt"] == "none"
    back = person.go(way.url, until=renewing.callback)
    assert "code" in back.answer
    person.forget_issuer()
    way = person.go(renewing.home + "/", until=world.issuer)
    back = person.go(way.url, until=renewing.callback)
    assert back.answer["error"] == "login_required"
    assert person.go(back.url).url == renewing.home + "/failed"
