"""openid-client with a secret and oauth4webapi without one, every check of theirs on, node."""

from collections.abc import Iterator
from typing import Any

import pytest

from admit.jose import JWK
from tests.fixtures.issuer import ADA
from tests.system.foreign.conftest import World
from tests.system.foreign.conversation import Conversation, RefusedError, conversation
from tests.system.foreign.person import Landed, Person, changed
from tests.system.foreign.relying_parties import SCOPE, SECRET, Party

pytestmark = pytest.mark.soak


class Talking:
    """One of the two libraries, which knows the issuer already."""

    def __init__(self, said: Conversation, party: Party, world: World, **more: Any) -> None:
        self.say, self.party, self.world = said.say, party, world
        self.metadata = self.say(
            "discover",
            issuer=world.issuer,
            client_id=party.id,
            redirect_uri=party.redirect_uri,
            scope=SCOPE,
            **more,
        )

    def sent_back(self, person: Person, **more: Any) -> Landed:
        return person.go(self.say("authorize", **more), until=self.party.redirect_uri)


@pytest.fixture(params=["openid-client", "oauth4webapi"])
def library(request: pytest.FixtureRequest, world: World) -> Iterator[Talking]:
    script = request.param.replace("-", "_") + ".mjs"
    with conversation(script, request.param) as said:
        if request.param == "openid-client":
            yield Talking(said, world.parties.openid_client, world, secret=SECRET)
        else:
            yield Talking(said, world.parties.oauth4webapi, world)


@pytest.fixture
def strict(world: World) -> Iterator[Talking]:
    """openid-client, its secret in the form."""
    with conversation("openid_client.mjs", "openid-client") as said:
        yield Talking(said, world.parties.openid_client, world, secret=SECRET, method="post")


def test_node_signs_in_asks_who_it_is_refreshes_and_revokes(
    world: World, person: Person, library: Talking
) -> None:
    assert library.metadata == world.metadata() | {name: library.metadata[name] for name in library.metadata}
    landed = library.sent_back(person)
    done = library.say("finish", url=landed.url)
    subject = done["claims"]["sub"]
    who = library.say("userinfo", token=done["tokens"]["access_token"], subject=subject)
    assert (who["email"], who["name"]) == (ADA[0], ADA[2])
    again = library.say("refresh", token=done["tokens"]["refresh_token"])
    assert again["tokens"]["access_token"] != done["tokens"]["access_token"]
    assert again["claims"]["sub"] == subject
    assert again["claims"]["auth_time"] == done["claims"]["auth_time"]
    assert "nonce" not in again["claims"]
    library.say("revoke", token=again["tokens"]["refresh_token"])
    with pytest.raises(RefusedError) as refused:
        library.say("refresh", token=again["tokens"]["refresh_token"])
    assert "invalid_grant" in refused.value.codes
    with pytest.raises(RefusedError) as refused:
        library.say("userinfo", token=again["tokens"]["access_token"], subject=subject)
    assert "OAUTH_WWW_AUTHENTICATE_CHALLENGE" in refused.value.codes


@pytest.mark.parametrize(
    "wrong",
    [{"state": "another"}, {"iss": "http://localhost:1"}, {"iss": ""}],
    ids=["state", "iss", "no iss"],
)
def test_node_takes_no_answer_with_another_state_or_from_another_issuer(
    person: Person, library: Talking, wrong: dict[str, str]
) -> None:
    landed = library.sent_back(person)
    with pytest.raises(RefusedError) as refused:
        library.say("finish", url=changed(landed.url, **wrong))
    assert "OAUTH_INVALID_RESPONSE" in refused.value.codes
    library.say("finish", url=landed.url)


@pytest.mark.rfc("OIDC Core", "3.1.3.7")
def test_node_takes_no_id_token_with_another_nonce(person: Person, library: Talking) -> None:
    landed = library.sent_back(person)
    with pytest.raises(RefusedError) as refused:
        library.say("finish", url=landed.url, nonce="another")
    assert "OAUTH_JWT_CLAIM_COMPARISON_FAILED" in refused.value.codes


def test_node_is_refused_with_another_verifier(person: Person, library: Talking) -> None:
    landed = library.sent_back(person)
    with pytest.raises(RefusedError) as refused:
        library.say("finish", url=landed.url, verifier="v" * 43)
    assert "invalid_grant" in refused.value.codes


def test_node_is_told_that_a_person_refused(person: Person, library: Talking) -> None:
    person.consents = False
    asked = changed(library.say("authorize"), prompt="consent")
    landed = person.go(asked, until=library.party.redirect_uri)
    with pytest.raises(RefusedError) as refused:
        library.say("finish", url=landed.url)
    assert {"OAUTH_AUTHORIZATION_RESPONSE_ERROR", "access_denied"} <= refused.value.codes


@pytest.mark.rfc("OIDC RP-Initiated Logout", "2")
def test_openid_client_logs_out_and_lands_where_it_said(
    world: World, person: Person, strict: Talking
) -> None:
    done = strict.say("finish", url=strict.sent_back(person).url)
    again = strict.say("finish", url=strict.sent_back(person, extra={"prompt": "none"}).url)
    assert again["claims"]["sid"] == done["claims"]["sid"]
    party = world.parties.openid_client
    url = strict.say(
        "logout", id_token=done["tokens"]["id_token"], post_logout_redirect_uri=party.bye, state="s"
    )
    assert person.go(url, until=party.bye).url == f"{party.bye}?state=s"
    landed = strict.sent_back(person, extra={"prompt": "none"})
    with pytest.raises(RefusedError) as refused:
        strict.say("finish", url=landed.url)
    assert "login_required" in refused.value.codes
    assert (person.typed, landed.answer["error"]) == (1, "login_required")


@pytest.mark.rfc("OAuth Form Post", "2")
def test_openid_client_takes_an_answer_that_is_posted_and_none_that_was_changed(
    person: Person, strict: Talking
) -> None:
    landed = person.go(strict.say("authorize", extra={"response_mode": "form_post"}))
    action, fields = landed.form
    assert (action, set(fields)) == (strict.party.redirect_uri, {"code", "state", "iss"})
    with pytest.raises(RefusedError) as refused:
        strict.say("finish", url=action, posted={**fields, "state": "another"})
    assert "OAUTH_INVALID_RESPONSE" in refused.value.codes
    assert "id_token" in strict.say("finish", url=action, posted=fields)["tokens"]


def test_openid_client_holds_the_issuer_to_max_age(person: Person, strict: Talking) -> None:
    strict.say("finish", url=strict.sent_back(person).url)
    done = strict.say("finish", url=strict.sent_back(person, extra={"max_age": "0"}).url)
    assert person.typed == 2
    assert done["claims"]["auth_time"] <= done["claims"]["iat"]


@pytest.mark.rfc("9068", "4")
def test_oauth4webapi_takes_the_access_token_as_an_api_would(world: World, person: Person) -> None:
    with conversation("oauth4webapi.mjs", "oauth4webapi") as said:
        library = Talking(said, world.parties.oauth4webapi, world, algorithm="oauth2")
        done = library.say("finish", url=library.sent_back(person).url)
        token = done["tokens"]["access_token"]
        claims = library.say("access", token=token, audience=world.issuer)
        assert claims["client_id"] == world.parties.oauth4webapi.id
        with pytest.raises(RefusedError) as refused:
            library.say("access", token=token, audience="http://localhost:1")
        assert "OAUTH_JWT_CLAIM_COMPARISON_FAILED" in refused.value.codes


@pytest.fixture
def keyed(world: World) -> Iterator[Talking]:
    """openid-client, which has a key instead of a secret, RFC 7523 §2.2."""
    with conversation("openid_client.mjs", "openid-client") as said:
        party = world.parties.openid_client_key
        assert party.key is not None
        yield Talking(said, party, world, method="key", key=party.key.to_dict(private=True))


@pytest.mark.rfc("9126", "2.1")
def test_openid_client_pushes_its_request_and_proves_itself_by_its_key(
    person: Person, keyed: Talking
) -> None:
    url = keyed.say("authorize", pushed=True, extra={"claims": '{"id_token":{"email":{"essential":true}}}'})
    assert set(Landed(url).answer) == {"client_id", "request_uri"}
    done = keyed.say("finish", url=person.go(url, until=keyed.party.redirect_uri).url)
    assert done["claims"]["email"] == ADA[0]
    again = keyed.say("refresh", token=done["tokens"]["refresh_token"])
    assert again["claims"]["sub"] == done["claims"]["sub"]


def test_openid_client_can_use_a_pushed_request_once(person: Person, keyed: Talking) -> None:
    url = keyed.say("authorize", pushed=True)
    keyed.say("finish", url=person.go(url, until=keyed.party.redirect_uri).url)
    landed = person.go(url, until=keyed.party.redirect_uri)
    assert landed.page is not None
    assert landed.page.status_code == 400


def test_another_key_is_no_proof_of_openid_client(world: World, keyed: Talking) -> None:
    other = JWK.generate("ES256", kid="own").to_dict(private=True)
    party = keyed.party
    with conversation("openid_client.mjs", "openid-client") as said:
        wrong = Talking(said, party, world, method="key", key=other)
        with pytest.raises(RefusedError) as refused:
            wrong.say("machine", resource=world.parties.mcp_resource)
        assert "OAUTH_WWW_AUTHENTICATE_CHALLENGE" in refused.value.codes


def test_openid_client_acts_for_itself_and_asks_what_a_token_says(world: World, keyed: Talking) -> None:
    tokens = keyed.say("machine", resource=world.parties.mcp_resource, scope="tools:use")
    assert (tokens["scope"], tokens.get("refresh_token")) == ("tools:use", None)
    told = keyed.say("introspect", token=tokens["access_token"])
    assert (told["active"], told["client_id"], told["scope"]) == (True, keyed.party.id, "tools:use")
    keyed.say("revoke", token=tokens["access_token"])
    assert keyed.say("introspect", token=tokens["access_token"]) == {"active": False}
    with pytest.raises(RefusedError) as refused:
        keyed.say("machine", resource=world.parties.mcp_resource, scope="openid")
    assert "invalid_scope" in refused.value.codes
