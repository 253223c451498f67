"""How much of a request's body is read before it is refused."""

from admit.relying_party import Bff
from admit.relying_party.bff import http
from admit.relying_party.bff.http import Answer


def limit(bff: Bff) -> int:
    """Octets: the most that any API of the application takes, and what a form needs."""
    return max([32_768, *(api.max_bytes for api in bff.config.apis)])


def too_large() -> Answer:
    """413, RFC 9110 §15.5.14."""
    return http.json(413, {"error": "invalid_request", "error_description": "The request is too large."})
