"""The issuer: accounts, sessions, OAuth 2.1 and OpenID Connect. Needs `admit[server]`.

`Issuer(Settings(...))` is an application of its own or part of yours; `DirectLookup` reads its session store.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from admit.issuer.accounts.config import AccountsConfig, SecondFactor
    from admit.issuer.accounts.elsewhere.protocol import Account, Accounts
    from admit.issuer.app.config import (
        EgressConfig,
        LogConfig,
        MetricsConfig,
        ProxyConfig,
        ServeConfig,
        TlsConfig,
    )
    from admit.issuer.app.ends import Ends
    from admit.issuer.app.interactions import SignInAsked
    from admit.issuer.app.issuer import Issuer
    from admit.issuer.app.settings import Settings
    from admit.issuer.audit.events.records import Event, EventSink
    from admit.issuer.audit.refusals.config import RefusalsConfig
    from admit.issuer.clients.records import ApplicationType, Client, Resource
    from admit.issuer.factors.assurance import Proof
    from admit.issuer.factors.config import FactorsConfig
    from admit.issuer.grants.config import GrantsConfig
    from admit.issuer.keys.config import KeysConfig
    from admit.issuer.oauth.config import OAuthConfig
    from admit.issuer.oauth.hook import ClaimsHook, ClaimsWanted
    from admit.issuer.outbox.config import MailConfig
    from admit.issuer.revocation.config import RevocationConfig
    from admit.issuer.sessions.config import SessionConfig
    from admit.issuer.sessions.lookup import DirectLookup
    from admit.issuer.sessions.records import Ended
    from admit.issuer.storage.config import StorageConfig

__all__ = [
    "Account",
    "Accounts",
    "AccountsConfig",
    "ApplicationType",
    "ClaimsHook",
    "ClaimsWanted",
    "Client",
    "DirectLookup",
    "EgressConfig",
    "Ended",
    "Ends",
    "Event",
    "EventSink",
    "FactorsConfig",
    "GrantsConfig",
    "Issuer",
    "KeysConfig",
    "LogConfig",
    "MailConfig",
    "MetricsConfig",
    "OAuthConfig",
    "Proof",
    "ProxyConfig",
    "RefusalsConfig",
    "Resource",
    "RevocationConfig",
    "SecondFactor",
    "ServeConfig",
    "SessionConfig",
    "Settings",
    "SignInAsked",
    "StorageConfig",
    "TlsConfig",
]

_HOMES = {
    "Account": "admit.issuer.accounts.elsewhere.protocol",
    "Accounts": "admit.issuer.accounts.elsewhere.protocol",
    "AccountsConfig": "admit.issuer.accounts.config",
    "ApplicationType": "admit.issuer.clients.records",
    "ClaimsHook": "admit.issuer.oauth.hook",
    "ClaimsWanted": "admit.issuer.oauth.hook",
    "Client": "admit.issuer.clients.records",
    "DirectLookup": "admit.issuer.sessions.lookup",
    "EgressConfig": "admit.issuer.app.config",
    "Ended": "admit.issuer.sessions.records",
    "Ends": "admit.issuer.app.ends",
    "Event": "admit.issuer.audit.events.records",
    "EventSink": "admit.issuer.audit.events.records",
    "FactorsConfig": "admit.issuer.factors.config",
    "GrantsConfig": "admit.issuer.grants.config",
    "Issuer": "admit.issuer.app.issuer",
    "KeysConfig": "admit.issuer.keys.config",
    "LogConfig": "admit.issuer.app.config",
    "MailConfig": "admit.issuer.outbox.config",
    "MetricsConfig": "admit.issuer.app.config",
    "OAuthConfig": "admit.issuer.oauth.config",
    "Proof": "admit.issuer.factors.assurance",
    "ProxyConfig": "admit.issuer.app.config",
    "RefusalsConfig": "admit.issuer.audit.refusals.config",
    "Resource": "admit.issuer.clients.records",
    "RevocationConfig": "admit.issuer.revocation.config",
    "SecondFactor": "admit.issuer.accounts.config",
    "ServeConfig": "admit.issuer.app.config",
    "SessionConfig": "admit.issuer.sessions.config",
    "Settings": "admit.issuer.app.settings",
    "SignInAsked": "admit.issuer.app.interactions",
    "StorageConfig": "admit.issuer.storage.config",
    "TlsConfig": "admit.issuer.app.config",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562): the command line must not load what it does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
