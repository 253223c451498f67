"""Flask: a decorator of each view."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Flask, Response, jsonify, request

from admit.integrations.flask import Guard
from tests.contract import wsgi
from tests.contract.adapter import Adapter, Request, Service, Setting
from tests.contract.services import ACR_2FA, Answer


def build(setting: Setting) -> Service:
    guard = Guard(setting.issuer.verifier, **setting.options)
    app = Flask("orders")

    @guard.optional()
    def anybody() -> Any:
        return jsonify(setting.shown(guard.visitor))

    def known() -> Any:
        return jsonify(setting.shown(guard.principal))

    @guard.optional()
    def changed() -> Any:
        wsgi.changed(request.environ)
        return guard()(known)()

    @guard()
    def stream() -> Response:
        who = guard.principal

        def parts() -> Iterator[bytes]:
            for _ in range(3):
                yield setting.told(who)

        return Response(parts(), content_type="text/plain")

    app.add_url_rule("/any", "any", guard()(known))
    app.add_url_rule("/read", "read", guard("orders:read")(known))
    app.add_url_rule("/admin", "admin", guard("orders:read", role="admin")(known))
    app.add_url_rule("/staff", "staff", guard(group="staff")(known))
    app.add_url_rule("/open", "open", anybody)
    app.add_url_rule("/fresh", "fresh", guard(max_age=timedelta(minutes=1))(known))
    app.add_url_rule("/strong", "strong", guard(acr=ACR_2FA)(known))
    app.add_url_rule("/change", "change", guard()(known), methods=["POST"])
    app.add_url_rule("/changed", "changed", changed)
    app.add_url_rule("/options", "options", guard()(known), methods=["GET", "OPTIONS"])
    app.add_url_rule("/twice", "twice", guard()(guard("orders:read")(known)))
    app.add_url_rule("/stream", "stream", stream)

    app.wsgi_app = wsgi.waived(app.wsgi_app, setting.waived)  # type: ignore[method-assign]  # as Flask documents it

    def ask(asked: Request) -> Answer:
        return wsgi.call(app, asked.path, asked.headers, asked.method)

    return ask


ADAPTER = Adapter("Flask", build, {"websocket": "WSGI has none", "cookie lines": wsgi.JOINED})
