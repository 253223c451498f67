"""A backend for a frontend: people sign in elsewhere, tokens stay on the server, the page has a session cookie only.

OAuth 2.0 for Browser-Based Applications §6.1. No framework in here: `admit.integrations.bff` has the glue.
"""

from admit.relying_party.bff.bff import Bff
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.proxy import Api

__all__ = ["Answer", "Api", "Bff", "Request"]
