"""What can be wrong with a client's name. Leaves of the tree in `admit.errors`; no message quotes the input."""

from typing import ClassVar

from admit.errors import AdmitError


class ClientNotFoundError(AdmitError):
    """No client has this id, and none had it."""

    code: ClassVar[str] = "client_not_found"
    status: ClassVar[int] = 404
    public: ClassVar[str] = "There is no such client."
