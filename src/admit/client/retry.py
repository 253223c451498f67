"""When an API refused a token, and the request may be made once more with a new one. Pure."""

import re
from typing import Final

_INVALID_TOKEN: Final = re.compile(
    r"(?:^|,)\s*bearer\s(?:[^,]*,)*?\s*error\s*=\s*(?:\"invalid_token\"|invalid_token\b)", re.IGNORECASE
)
_MAX_CHALLENGE: Final = 4_096


def is_refused(status: int, challenge: str | None) -> bool:
    """Whether the answer says that the token is not good (any more), RFC 6750 §3.1.

    Every other 401 stands: a weak sign-in or a missing credential is not mended by a new token.
    """
    if status != 401 or challenge is None or len(challenge) > _MAX_CHALLENGE:
        return False
    return _INVALID_TOKEN.search(challenge) is not None
