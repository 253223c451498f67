"""`admit.integrations.flask`: what is Flask's own. `tests/contract` has what all guards share."""

from functools import wraps
from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask.views import MethodView
from flask_cors import CORS
from werkzeug.exceptions import Unauthorized

from admit.errors import ConfigError, RevokedError
from admit.integrations import wsgi as wsgi_guard
from admit.integrations.flask import Guard, Refused
from tests.contract import wsgi
from tests.contract.services import PAGES, Issuer, by_session, by_token, shown


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return Guard(issuer.verifier, sessions=issuer, origins={PAGES})


def test_every_kind_of_view_is_guarded(issuer: Issuer, guard: Guard) -> None:
    app, shop = Flask("orders"), Blueprint("shop", "shop", url_prefix="/shop")
    guard.protect(shop, "orders:read")

    @app.get("/coroutine")
    @guard("orders:read")
    async def coroutine() -> Any:
        return {"who": guard.principal.subject}

    class Orders(MethodView):
        decorators = (guard("orders:read"),)

        def get(self) -> Any:
            return {"who": guard.principal.subject}

    @shop.get("/orders")
    def orders() -> Any:
        return {"who": guard.principal.subject}

    app.add_url_rule("/class", view_func=Orders.as_view("class"))
    app.register_blueprint(shop)
    for path in ("/coroutine", "/class", "/shop/orders"):
        assert wsgi.call(app, path, by_token(issuer)).json == {"who": "u_alice"}
        assert wsgi.call(app, path, by_session(issuer)).json == {"who": "u_alice"}
        assert wsgi.call(app, path).status == 401
    issuer.scopes = frozenset()
    for path in ("/coroutine", "/class", "/shop/orders"):
        assert wsgi.call(app, path, by_token(issuer)).status == 403


def test_where_nobody_was_let_in_there_is_no_principal(issuer: Issuer, guard: Guard) -> None:
    app = Flask("orders")

    @app.get("/unguarded")
    def unguarded() -> Any:
        assert guard.visitor is None
        return shown(guard.principal)

    # A good credential that no guard looked at lets nobody in.
    assert wsgi.call(app, "/unguarded", by_token(issuer)).status == 401


@pytest.mark.parametrize("kind", ["bare", "async", "wrapped", "guarded", "blueprint", "optional"])
def test_a_guard_above_the_route_is_told_before_any_answer(issuer: Issuer, guard: Guard, kind: str) -> None:
    """There it guards what nobody calls: the route has the bare view."""
    app, shop = Flask("orders"), Blueprint("shop", "shop")

    def view() -> Any:
        return "secret"

    async def waits() -> Any:
        return "secret"

    @wraps(view)
    def around() -> Any:
        return view()

    before: dict[str, Any] = {"async": waits, "guarded": guard()(view)}
    put = guard.optional() if kind == "optional" else guard("orders:read")
    route = (shop if kind == "blueprint" else app).get("/x", endpoint="x")
    registered = route(before.get(kind, view))
    put(around if kind == "wrapped" else registered)
    app.register_blueprint(shop)
    for path in ("/none", "/x", "/x"):
        answer = wsgi.call(app, path, by_token(issuer))
        assert (answer.status, b"secret" in answer.body) == (500, False)
    app.testing = True
    with pytest.raises(ConfigError, match=r"put @guard.* below it"):
        wsgi.call(app, "/x")


def test_a_view_that_is_meant_to_be_there_twice_is(issuer: Issuer, guard: Guard) -> None:
    """Named with its guard and without; replaced by its guarded form; or guarded where it is called."""
    app, other = Flask("orders"), Flask("other")

    def view() -> Any:
        return "orders"

    def within() -> Any:
        return guard()(within_it)()

    def within_it() -> Any:
        return "it"

    app.add_url_rule("/public", "public", view)
    app.add_url_rule("/private", "private", guard("orders:read")(view))
    app.add_url_rule("/within", "within", within)
    other.add_url_rule("/x", "x", lambda: "x")
    other.view_functions["x"] = guard()(other.view_functions["x"])
    assert wsgi.call(app, "/public").body == b"orders"
    for one, path in ((app, "/private"), (app, "/within"), (other, "/x")):
        assert wsgi.call(one, path).status == 401
        assert wsgi.call(one, path, by_token(issuer)).status == 200


def test_a_guard_tells_of_nobody_whom_another_let_in(issuer: Issuer, guard: Guard) -> None:
    app, second = Flask("orders"), Guard(issuer.verifier)
    around = wsgi_guard.Guard(issuer.verifier)

    @app.get("/one")
    @guard()
    def one() -> Any:
        assert second.visitor is None
        return {"guard": guard.principal.subject, "second": second.principal.subject}

    @app.get("/both")
    @guard.optional()
    @second()
    def both() -> Any:
        return {"guard": guard.principal.subject, "second": second.principal.subject}

    @app.get("/around")
    def outside() -> Any:
        return guard.principal.subject

    app.wsgi_app = around(app.wsgi_app)  # type: ignore[method-assign, assignment]  # as Flask documents it
    assert wsgi.call(app, "/both", by_token(issuer)).json == {"guard": "u_alice", "second": "u_alice"}
    for path in ("/one", "/around"):
        assert wsgi.call(app, path, by_token(issuer)).status == 401


def test_requests_below_one_context_do_not_share_who_they_are(issuer: Issuer, guard: Guard) -> None:
    """As a test client and a command of one's own do it: `g` is the same for all of them."""
    app = Flask("orders")

    @app.get("/open")
    @guard.optional()
    def open_() -> Any:
        g.seen = True
        return {"who": guard.visitor and guard.visitor.subject}

    with app.app_context():
        assert wsgi.call(app, "/open", by_token(issuer)).json == {"who": "u_alice"}
        assert wsgi.call(app, "/open").json == {"who": None}


@pytest.mark.parametrize("registered", [Refused, Unauthorized, 401, Exception])
def test_an_own_handler_replaces_the_answer(issuer: Issuer, guard: Guard, registered: Any) -> None:
    app = Flask("orders")
    causes: list[Any] = []

    @app.get("/x")
    @guard("orders:read")
    def x() -> Any:
        return {}

    @app.errorhandler(registered)
    def own(error: Refused) -> Any:
        causes.append(error.cause_)
        return {"own": error.refusal.error}, error.code, list(error.refusal.headers)

    headers = by_token(issuer)
    assert wsgi.call(app, "/x", headers).status == 200
    issuer.end()
    answer = wsgi.call(app, "/x", headers)
    assert (answer.status, answer.json) == (401, {"own": "invalid_token"})
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert isinstance(causes[0], RevokedError)


def test_a_blueprints_handler_is_for_its_own_views(issuer: Issuer, guard: Guard) -> None:
    app, shop = Flask("orders"), Blueprint("shop", "shop", url_prefix="/shop")

    @shop.errorhandler(403)
    def own(error: Refused) -> Any:
        return {"own": True}, 403

    for views in (app, shop):
        views.add_url_rule("/x", "x", guard("orders:write")(dict))
    app.register_blueprint(shop)
    assert wsgi.call(app, "/shop/x", by_token(issuer)).json == {"own": True}
    assert wsgi.call(app, "/x", by_token(issuer)).json["error"] == "insufficient_scope"


def test_flask_answers_options_itself_and_the_guard_stands_before_a_views_own(guard: Guard) -> None:
    app, shop = Flask("orders"), Blueprint("shop", "shop", url_prefix="/shop")
    guard.protect(shop)
    for views in (app, shop):
        views.add_url_rule("/x", "x", guard()(dict))
    shop.add_url_rule("/own", "own", dict, methods=["GET", "OPTIONS"])
    app.register_blueprint(shop)
    for path in ("/x", "/shop/x"):
        answer = wsgi.call(app, path, method="OPTIONS")
        assert (answer.status, set(answer.headers["allow"].split(", "))) == (200, {"GET", "HEAD", "OPTIONS"})
    assert wsgi.call(app, "/shop/own", method="OPTIONS").status == 401
    whole = Flask("whole")
    guard.protect(whole)
    assert wsgi.call(whole, "/nowhere", method="OPTIONS").status == 401


@pytest.mark.parametrize("how", ["decorator", "blueprint", "application"])
def test_with_flask_cors_a_page_may_ask_before_it_asks_and_read_why_it_is_refused(
    guard: Guard, how: str
) -> None:
    app, shop = Flask("orders"), Blueprint("shop", "shop")
    CORS(app, origins=[PAGES], supports_credentials=True, expose_headers=["WWW-Authenticate"])
    shop.add_url_rule("/x", "x", guard()(dict) if how == "decorator" else dict, methods=["DELETE"])
    if how != "decorator":
        guard.protect(shop if how == "blueprint" else app)
    app.register_blueprint(shop)
    for origin, allowed in ((PAGES, PAGES), ("https://evil.example", None)):
        asks = {"origin": origin, "access-control-request-method": "DELETE"}
        preflight = wsgi.call(
            app, "/x", [(name.encode(), value.encode()) for name, value in asks.items()], "OPTIONS"
        )
        assert preflight.status == 200
        assert preflight.headers.get("access-control-allow-origin") == allowed
        refused = wsgi.call(app, "/x", [(b"origin", origin.encode())], "DELETE")
        assert refused.status == 401
        assert refused.headers.get("access-control-allow-origin") == allowed
        assert refused.headers.get("access-control-expose-headers") == (allowed and "WWW-Authenticate")


def test_a_scope_that_can_be_none_is_refused_when_the_view_is_made(guard: Guard) -> None:
    for make in (guard, guard.optional):
        with pytest.raises(ConfigError):
            make("orders:read orders:write")
    with pytest.raises(ConfigError):
        guard.protect(Flask("orders"), role="")
    with pytest.raises(TypeError):
        guard(roles="admin")  # type: ignore[call-arg]  # a misspelt keyword must not guard less
