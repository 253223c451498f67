"""All that is kept of a person beside the account, wherever it lies."""

from admit.issuer.accounts.devices import store as devices
from admit.issuer.accounts.links import store as links
from admit.issuer.audit import store as audit
from admit.issuer.consents import store as consents
from admit.issuer.factors import store as factors
from admit.issuer.grants.store import answers
from admit.issuer.outbox import store as outbox
from admit.issuer.sessions import store as sessions
from admit.issuer.storage import Bound


def kept_of(user_id: str) -> list[Bound]:
    """What forgets it, for the transaction that removes the account. Rows of grants name nothing but ids; the sweeper
    takes them when no token of theirs is left.
    """
    return [
        one(of_user=user_id)
        for one in (
            links.FORGET_OF_USER,
            devices.FORGET,
            sessions.FORGET_OF_USER,
            factors.REMOVE_ALL,
            factors.REMOVE_CODES,
            factors.DROP_PENDING,
            consents.FORGET_OF_USER,
            answers.FORGET_OF_USER,
            outbox.FORGET_OF_USER,
            audit.BLANK,
        )
    ]
