"""The parts of the issuer that the OAuth endpoints call, as one frozen value that the application composes."""

from dataclasses import dataclass

from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.links import EmailLinks
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.keys import ClientKeys
from admit.issuer.clients.registry import Registry
from admit.issuer.consents.driver import Consents
from admit.issuer.factors.driver import Factors
from admit.issuer.grants.codes import Codes
from admit.issuer.grants.families import Families
from admit.issuer.grants.flows import SignInFlows
from admit.issuer.grants.interactions import Interactions
from admit.issuer.grants.machines import Machines
from admit.issuer.grants.pushed import PushedRequests
from admit.issuer.keys import SigningKeys
from admit.issuer.oauth.config import OAuthConfig
from admit.issuer.oauth.hook import ClaimsHook
from admit.issuer.oauth.reference import References
from admit.issuer.outbox import Outbox
from admit.issuer.revocation import Lists, StatusService
from admit.issuer.sessions.driver import Sessions
from admit.issuer.storage import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything an endpoint may use. None of it does I/O when constructed."""

    db: Database
    registry: Registry
    clients: Clients
    client_keys: ClientKeys
    keys: SigningKeys
    lists: Lists
    status: StatusService
    accounts: Accounts
    outbox: Outbox
    links: EmailLinks
    sessions: Sessions
    codes: Codes
    consents: Consents
    factors: Factors
    families: Families
    flows: SignInFlows
    machines: Machines
    interactions: Interactions
    pushed: PushedRequests
    references: References
    config: OAuthConfig
    hook: ClaimsHook | None = None

    @property
    def issuer(self) -> str:
        """The issuer identifier, RFC 8414 §2."""
        return self.registry.issuer
