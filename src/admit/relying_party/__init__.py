"""Sign-in with any OpenID provider, as a state machine without a framework, and a backend for frontends on top of it.

    server = AuthorizationServer("https://id.example.com")
    me = ClientRegistration(server, "shop", ClientSecret(os.environ["CLIENT_SECRET"]))
    bff = Bff(
        "https://shop.example.com",
        providers=[Provider("id", me, scopes=("openid", "profile", "orders:read"))],
        apis=[Api("orders", "https://orders.internal.example.com", audience="https://api.example.com")],
        store=SqliteSessionStore("/var/lib/shop/sessions.db"),
    )

`admit.integrations.bff` puts it into Starlette, Flask and Django.
"""

from admit.relying_party.bff import Answer, Api, Bff, Request
from admit.relying_party.errors import (
    IdentityError,
    MixedUpError,
    PlantedTokenError,
    ProviderRefusedError,
    SignInError,
    TransactionError,
)
from admit.relying_party.identity import Identity
from admit.relying_party.provider import Provider
from admit.relying_party.store import (
    MemorySessionStore,
    RedisSessionStore,
    SessionStore,
    SqliteSessionStore,
    StoredEnd,
    StoredSession,
)

__all__ = [
    "Answer",
    "Api",
    "Bff",
    "Identity",
    "IdentityError",
    "MemorySessionStore",
    "MixedUpError",
    "PlantedTokenError",
    "Provider",
    "ProviderRefusedError",
    "RedisSessionStore",
    "Request",
    "SessionStore",
    "SignInError",
    "SqliteSessionStore",
    "StoredEnd",
    "StoredSession",
    "TransactionError",
]
