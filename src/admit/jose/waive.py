"""The only checks that can be given up, each by its name: one search finds every caller that does."""

from enum import Enum


class Waive(Enum):
    """Passed where an expected value belongs, to say that there is none. No other waivers exist."""

    AUDIENCE = "audience"
    """Take a token for anybody (`aud`, RFC 7519 §4.1.3)."""
    ISSUER = "issuer"
    """Take a token from whoever holds the key (`iss`, RFC 7519 §4.1.1)."""
    EXPIRY = "expiry"
    """Take a token that expired or never does (`exp`, RFC 7519 §4.1.4)."""
    TYP = "typ"
    """Take any kind of token (`typ`, RFC 8725 §3.11)."""
    QUERY_TOKEN = "query_token"  # noqa: S105 - the name of a waiver
    """Take a credential from the URL's query (RFC 6750 §2.3)."""
    REVOCATION = "revocation"
    """Take a token without learning whether its family was ended."""
