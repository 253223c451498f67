"""A token as it came, before anything of it is believed."""

from admit.errors import MalformedTokenError
from admit.jose import jws


def as_text(token: str | bytes | jws.UnverifiedJws) -> str | jws.UnverifiedJws:
    """Text, where a token came as octets. What was parsed already stays as it is.

    Raises:
        MalformedTokenError: none of these, or octets that are not ASCII.
    """
    if isinstance(token, str | jws.UnverifiedJws):
        return token
    if not isinstance(token, bytes):
        raise MalformedTokenError("a token is str or bytes")
    try:
        return token.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedTokenError("not ASCII") from None
