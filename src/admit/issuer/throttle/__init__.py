"""How often something was tried, counted for all nodes in the database, before the work is done.

`store` windows that begin anew: for what may happen so often within a time and no more · `budgets` budgets that
refill: for tries of people, who are to wait for one and not for all · `buckets` the names of both
"""

from admit.issuer.throttle.buckets import bucket, network, prefix, queue_of
from admit.issuer.throttle.records import Verdict
from admit.issuer.throttle.store import forget_old, give_back, take, take_in_network

__all__ = [
    "Verdict",
    "bucket",
    "forget_old",
    "give_back",
    "network",
    "prefix",
    "queue_of",
    "take",
    "take_in_network",
]
