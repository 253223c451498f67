"""The page in place of one that cannot be shown."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import ClassVar, Final

from admit.issuer.app.pages.views.base import View


class Trouble(Enum):
    """Why there is no page: the stem of its texts and its status. `for_developers` says that a third text tells those
    who build the client what to mend."""

    CLIENT_UNKNOWN = ("error.client_unknown", HTTPStatus.BAD_REQUEST)
    REDIRECT_URI = ("error.redirect_uri", HTTPStatus.BAD_REQUEST)
    LOGOUT_HINT = ("error.logout_hint", HTTPStatus.BAD_REQUEST)
    LOGOUT_CLIENT = ("error.logout_client", HTTPStatus.BAD_REQUEST)
    LOGOUT_WHO = ("error.logout_who", HTTPStatus.BAD_REQUEST)
    LOGOUT_RETURN = ("error.logout_return", HTTPStatus.BAD_REQUEST)
    BAD_REQUEST = ("error.bad_request", HTTPStatus.BAD_REQUEST)
    EXPIRED = ("error.expired", HTTPStatus.BAD_REQUEST)
    NOT_YOURS = ("error.not_yours", HTTPStatus.FORBIDDEN)
    NOT_FOUND = ("error.not_found", HTTPStatus.NOT_FOUND)
    ELSEWHERE = ("error.elsewhere", HTTPStatus.NOT_FOUND)
    METHOD = ("error.method", HTTPStatus.METHOD_NOT_ALLOWED)
    TOO_LARGE = ("error.too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    TOO_MANY_COOKIES = ("error.too_many_cookies", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    TOO_MANY = ("error.too_many", HTTPStatus.TOO_MANY_REQUESTS)
    UNAVAILABLE = ("error.unavailable", HTTPStatus.SERVICE_UNAVAILABLE)
    SERVER = ("error.server", HTTPStatus.INTERNAL_SERVER_ERROR)

    def __init__(self, text: str, status: HTTPStatus) -> None:
        self.text = text
        self.status = status

    @property
    def for_developers(self) -> bool:
        return self in _FOR_DEVELOPERS


_FOR_DEVELOPERS: Final = frozenset(
    {
        Trouble.CLIENT_UNKNOWN,
        Trouble.REDIRECT_URI,
        Trouble.LOGOUT_HINT,
        Trouble.LOGOUT_CLIENT,
        Trouble.LOGOUT_WHO,
        Trouble.LOGOUT_RETURN,
        Trouble.BAD_REQUEST,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView(View):
    """The local error page: nothing of the request is shown, and nobody is redirected. `id` is for support;
    `back_url` is a path of our own to try again from."""

    page: ClassVar[str] = "error"
    trouble: Trouble
    id: str | None = None
    back_url: str | None = None
