"""What each kind of token says, one file a kind; minted by the issuer and checked by the verifier from the same file.

Pure: a time is always an argument. RFC 9068, OpenID Connect Core §2, Back-Channel Logout §2.4, RFC 8417, Token Status
List.
"""

from admit.tokens import access, identity, kinds, logout, security_event, size
from admit.tokens.access import AccessToken, StatusClaim
from admit.tokens.identity import IdToken
from admit.tokens.kinds import KINDS, Kind
from admit.tokens.logout import LogoutToken

__all__ = [
    "KINDS",
    "AccessToken",
    "IdToken",
    "Kind",
    "LogoutToken",
    "StatusClaim",
    "access",
    "identity",
    "kinds",
    "logout",
    "security_event",
    "size",
]
