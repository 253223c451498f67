"""What is sent to a client, and what its answer means. Pure. OpenID Connect Back-Channel Logout §2.4, §2.5, §2.8."""

from typing import Final
from urllib.parse import urlencode

from admit.issuer.oauth.backchannel.records import Notice
from admit.tokens.logout import LogoutToken

MOST_TRIES: Final = 30
"""With the pauses of mails (10 s, four times as long each time, an hour at most) that is a day."""
CONTENT_TYPE: Final = "application/x-www-form-urlencoded"


def token_of(notice: Notice, *, issuer: str, jti: str, now: float) -> LogoutToken:
    """What a logout token says of a notice, §2.4. Session and subject are both named, whatever the client asked for;
    there is no nonce. Each try is a token of its own: one that did arrive is a replay when it comes again.
    """
    return LogoutToken(
        issuer=issuer,
        audience=notice.client_id,
        iat=now,
        jti=jti,
        subject=notice.user_id,
        session_id=notice.session_id,
    )


def form(token: str) -> bytes:
    """The body of the request, §2.5."""
    return urlencode({"logout_token": token}).encode()


def is_told(status: int) -> bool:
    """Whether the client has logged its user out, §2.8: 200; 204 is what some frameworks make of it. 400 says that it
    could not, and may do so a moment later.
    """
    return status in (200, 204)


def is_hopeless(tries: int) -> bool:
    """Whether nobody tries again."""
    return tries >= MOST_TRIES
