"""Headers to values and back: credentials, cookies, CSRF and CORS verdicts, challenges. Pure.

RFC 6265, RFC 6750, RFC 9110, and the Fetch standard's CORS protocol.
"""

from admit.credentials import challenge, cookies, cors, csrf, lookup, token_cookie
from admit.credentials.lookup import Found, StatusRef
from admit.credentials.request import read
from admit.credentials.values import BearerCredential, Credential, NoCredential, SessionCredential

__all__ = [
    "BearerCredential",
    "Credential",
    "Found",
    "NoCredential",
    "SessionCredential",
    "StatusRef",
    "challenge",
    "cookies",
    "cors",
    "csrf",
    "lookup",
    "read",
    "token_cookie",
]
