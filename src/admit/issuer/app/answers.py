"""The one place that decides what an error tells the outside, RFC 6749 §5.2, RFC 6750 §3."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from starlette.responses import Response

from admit.credentials import challenge
from admit.errors import AdmitError
from admit.issuer.oauth.errors import InvalidClientError
from admit.verifier import policy

JSON = "application/json"


class NotFoundError(AdmitError):
    """No endpoint has this path."""

    code: ClassVar[str] = "not_found"
    status: ClassVar[int] = 404
    public: ClassVar[str] = "There is nothing here."


class MethodNotAllowedError(AdmitError):
    """The path does not take this method, RFC 9110 §15.5.6."""

    code: ClassVar[str] = "method_not_allowed"
    status: ClassVar[int] = 405
    public: ClassVar[str] = "This method is not allowed here."

    def __init__(self, detail: str = "", *, allow: str = "") -> None:
        super().__init__(detail)
        self.allow = allow


class CrossSiteFetchError(AdmitError):
    """Another site's page asked for a page of ours in another way than by going there."""

    code: ClassVar[str] = "cross_site_request"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "This page is not shown inside another one."


class MisdirectedError(AdmitError):
    """The request is for another host, RFC 9110 §15.5.20."""

    code: ClassVar[str] = "misdirected_request"
    status: ClassVar[int] = 421
    public: ClassVar[str] = "This host is not served here."


class NonCanonicalPathError(AdmitError):
    """The path has another spelling than the one that we use, so somebody in front may have read another path."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "This address is malformed."


@dataclass(frozen=True, slots=True)
class Ready:
    """What a GET is answered with, made beforehand: the same octets for everybody, until what they tell changes."""

    start: Mapping[str, Any]
    body: bytes

    @classmethod
    def of(cls, body: bytes, media_type: str, **headers: str) -> "Ready":
        """The whole answer but for what `HeaderTable` gives every answer of its kind."""
        said = {"content-length": str(len(body)), "content-type": media_type, **headers}
        raw = [(name.replace("_", "-").encode("ascii"), one.encode("ascii")) for name, one in said.items()]
        return cls({"type": "http.response.start", "status": 200, "headers": raw}, body)

    def response(self) -> Response:
        """The same for a call that takes the long way."""
        made = Response(self.body)
        made.raw_headers = list(self.start["headers"])
        return made


def json(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as a JSON answer."""
    return Response(msgspec.json.encode(value), status_code=status, headers=headers, media_type=JSON)


def plain_error(status: int, code: str, description: str) -> Response:
    """An error that needs no exception."""
    return json({"error": code, "error_description": description}, status=status)


def json_error(error: AdmitError, request_id: str) -> Response:
    """An error as JSON: its code and its fixed text. Unknown trouble has an id to ask about, and nothing else."""
    body = {"error": error.code, "error_description": getattr(error, "description", error.public)}
    if error.status >= 500:
        body["error_id"] = request_id
    response = json(body, status=error.status)
    if isinstance(error, InvalidClientError):
        # RFC 6749 §5.2 wants it of who tried the header; RFC 9110 §15.5.2 of every 401. A browser asks nobody for a
        # password by it where a page of another origin fetched without credentials, as applications do here.
        response.headers["www-authenticate"] = 'Basic realm="admit"'
    elif policy.needs_challenge(error):
        response.headers["www-authenticate"] = challenge.www_authenticate(error, realm="admit")
    return response
