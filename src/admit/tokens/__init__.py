"""What each kind of token says, one file a kind; minted by the issuer and checked by the verifier from the same file.

Pure: a time is always an argument. RFC 9068, OpenID Connect Core §2, Token Status List.
"""

from admit.tokens import access, identity, kinds, size
from admit.tokens.access import AccessToken, StatusClaim
from admit.tokens.identity import IdToken
from admit.tokens.kinds import KINDS, Kind

__all__ = ["KINDS", "AccessToken", "IdToken", "Kind", "StatusClaim", "access", "identity", "kinds", "size"]
