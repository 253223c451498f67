"""`admit.integrations.fastapi`: a slip in a route is told when the route is made, and lets nobody say who they are."""

from dataclasses import asdict, fields
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.params import Body
from pydantic import BaseModel, TypeAdapter

from admit.errors import ConfigError
from admit.integrations.fastapi import Guard
from admit.principal import ByReference, CredentialKind, Principal
from tests.contract import asgi
from tests.contract.services import API, ISSUER, Issuer, by_token


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return Guard(issuer.verifier)


def kinds_of_argument(guard: Guard) -> dict[str, Any]:
    return {
        "guard": Annotated[Principal, guard],
        "anything": Annotated[Any, guard],
        "dictionary": Annotated[dict[str, Any] | None, guard],
        "optional": Annotated[Principal | None, guard.optional],
        "optional-anything": Annotated[Any, guard.optional],
        "depends-optional": Annotated[Principal | None, Depends(guard.optional)],
        "security-optional": Annotated[Principal | None, Security(guard.optional, scopes=["orders:read"])],
        "bare": Principal,
        "bare-optional": Principal | None,
        "several": list[Principal],
        "body": Annotated[Principal, Body()],
    }


@pytest.mark.parametrize("kind", kinds_of_argument(Guard(Issuer().verifier)))
def test_an_argument_that_its_caller_could_write_is_refused_when_the_route_is_made(
    guard: Guard, kind: str
) -> None:
    def route(who: Any) -> None: ...

    route.__annotations__["who"] = kinds_of_argument(guard)[kind]
    app = FastAPI()
    for add in (app.post, app.get, app.websocket):
        with pytest.raises(ConfigError, match=r"guard\(\.\.\.\)"):
            add("/x")(route)
    assert not [one for one in app.routes if getattr(one, "path", "") == "/x"]


def test_a_model_that_its_caller_writes_has_no_principal_in_it() -> None:
    with pytest.raises(ConfigError):

        class Order(BaseModel):
            who: Principal

    with pytest.raises(ConfigError):
        TypeAdapter(Principal)


def test_a_list_of_dependencies_wants_dependencies(guard: Guard) -> None:
    for slip in (guard, guard.optional):
        with pytest.raises(ConfigError, match="parentheses"):
            FastAPI().get("/x", dependencies=[slip])(lambda: None)  # type: ignore[list-item]  # the slip


def test_a_guard_decorates_no_route(guard: Guard) -> None:
    for slip in (guard("orders:read"), guard.optional()):
        with pytest.raises(ConfigError, match="decorates nothing"):
            slip(lambda: None)


async def test_with_the_parentheses_all_is_well(issuer: Issuer, guard: Guard) -> None:
    app = FastAPI()

    def current(who: Annotated[Principal, Depends(guard("orders:read"))]) -> Principal:
        return who

    @app.post("/x", dependencies=[Depends(guard.optional())])
    async def x(who: Annotated[Principal, Depends(current)]) -> dict[str, Any]:
        return who.as_dict()

    answer = await asgi.call(app, "/x", by_token(issuer), "POST")
    assert (answer.status, answer.json["subject"], answer.json["scopes"]) == (200, "u_alice", ["orders:read"])
    assert (await asgi.call(app, "/x", method="POST")).status == 401
    issuer.scopes = frozenset()
    assert (await asgi.call(app, "/x", by_token(issuer), "POST")).status == 403


def test_a_route_that_promises_a_principal_is_told_what_to_answer_with(guard: Guard) -> None:
    with pytest.raises(ConfigError, match="as_dict"):

        @FastAPI().get("/me")
        async def me(who: Annotated[Principal, guard()]) -> Principal:
            return who


async def test_a_route_that_answers_with_the_principal_itself_shows_nothing_whoever_made_it(
    issuer: Issuer, guard: Guard
) -> None:
    app = FastAPI()
    own = Principal(
        issuer=ISSUER,
        subject="s",
        client_id="c",
        audience=frozenset(),
        claims={"phone_number": "+441632960000"},
    )

    @app.get("/token")
    async def by_guard(who: Annotated[Principal, guard()]):  # type: ignore[no-untyped-def]  # the slip
        return who

    @app.get("/own")
    async def of_their_own_making():  # type: ignore[no-untyped-def]  # the slip
        return own

    @app.get("/any")
    async def promised_anything() -> Any:
        return own

    for path in ("/token", "/own", "/any"):
        with pytest.raises(Exception, match="mappingproxy"):
            await asgi.call(app, path, by_token(issuer))
    with pytest.raises(TypeError):
        asdict(own)
    with pytest.raises(TypeError):
        own.claims["phone_number"] = "0"  # type: ignore[index]  # what a Mapping refuses
    assert own.claims == {"phone_number": "+441632960000"}


def test_a_principal_is_shown_as_json_has_it_and_without_its_claims() -> None:
    who = Principal(
        issuer=ISSUER,
        subject="u_alice",
        client_id="web",
        audience=frozenset({API}),
        scopes=frozenset({"b", "a"}),
        actor={"sub": "u_bob"},
        amr=("pwd",),
        credential=CredentialKind.SESSION,
        claims={"phone_number": "+441632960000"},
    )
    shown = who.as_dict()
    assert set(shown) == {one.name for one in fields(who)} - {"claims"}
    assert TypeAdapter(Any).dump_json(shown)
    assert shown["scopes"] == ["a", "b"]
    assert (shown["audience"], shown["amr"], shown["credential"]) == ([API], ["pwd"], "session")
    by_reference = Principal(
        issuer=ISSUER,
        subject="s",
        client_id="c",
        audience=frozenset(),
        groups=ByReference(f"{ISSUER}/groups"),
    )
    assert by_reference.as_dict()["groups"] == {"endpoint": f"{ISSUER}/groups"}
