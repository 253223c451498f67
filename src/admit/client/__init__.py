"""Tokens for outgoing calls: had from an authorization server, renewed early and once, sent only to their own API.

server = AuthorizationServer("https://id.example.com")
me = ClientRegistration(server, "nightly-report", ClientSecret(os.environ["CLIENT_SECRET"]))
orders = ClientCredentials(me, audience="https://api.example.com", scopes=["orders:read"])

from admit.client.httpx2 import TokenAuth            # or admit.client.httpx, admit.client.requests
api = httpx2.Client(base_url="https://api.example.com", auth=TokenAuth(orders))
"""

from admit.client.authentication import ClientAuthentication, ClientSecret, PrivateKeyJwt, PublicClient
from admit.client.errors import (
    ForeignOriginError,
    InvalidGrantError,
    ServerUnavailableError,
    TokenAnswerError,
    TokenRequestError,
)
from admit.client.registration import ClientRegistration
from admit.client.server import AuthorizationServer, ServerMetadata
from admit.client.source import ClientCredentials, RefreshToken, TokenSource

__all__ = [
    "AuthorizationServer",
    "ClientAuthentication",
    "ClientCredentials",
    "ClientRegistration",
    "ClientSecret",
    "ForeignOriginError",
    "InvalidGrantError",
    "PrivateKeyJwt",
    "PublicClient",
    "RefreshToken",
    "ServerMetadata",
    "ServerUnavailableError",
    "TokenAnswerError",
    "TokenRequestError",
    "TokenSource",
]
