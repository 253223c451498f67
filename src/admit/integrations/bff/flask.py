"""`Bff` in Flask.

app.register_blueprint(blueprint(bff))
who = signed_in(bff)                                # an Identity, or None
"""

from flask import Blueprint, Response, request

from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff.http import Request

__all__ = ["blueprint", "check_csrf", "signed_in"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def blueprint(bff: Bff, name: str = "admit-bff") -> Blueprint:
    """The routes below the `mount` of a `Bff`. Another CSRF defence of the application leaves them out: they have one.

    The server has to say how the URL was sent (`RAW_URI` of gunicorn, `REQUEST_URI` of most others); where it does not,
    a path with an escaped slash is taken for one with a slash.

    Raises:
        ConfigError: an API has WebSockets, which Flask has not.
    """
    body.check_no_websockets(bff)
    made = Blueprint(name, __name__, url_prefix=bff.config.mount)

    @made.route("/<path:rest>", methods=_METHODS, provide_automatic_options=False)
    def handle(rest: str) -> Response:
        headers, path = _headers(), body.sent_path(request.environ)
        sent, upload = b"", None
        if body.is_upload(bff, path, headers):
            stream = request.stream
            upload = iter(lambda: stream.read(body.PIECE), b"")
        else:
            sent = request.stream.read(body.HELD + 1)
        if len(sent) > body.HELD:
            answer = body.too_large()
        else:
            query = request.environ.get("QUERY_STRING", "")
            answer = bff.handle(Request(request.method, path, query, headers, sent, upload))
        if answer.passing is None:
            return Response(answer.body, answer.status, list(answer.headers))
        return Response(answer.passing, answer.status, list(answer.headers), direct_passthrough=True)

    return made


def signed_in(bff: Bff) -> Identity | None:
    """Who is signed in, for a view of the application's own. One that changes things holds `check_csrf` too.

    Raises:
        UnavailableError: the session store does not answer.
    """
    return bff.session(_headers())


def check_csrf(bff: Bff) -> None:
    """Hold that a page of this application made the request.

    Raises:
        CsrfError: another may have.
        SessionError: there is no session cookie.
    """
    bff.check_csrf(request.method, _headers())


def _headers() -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in request.headers
    ]
