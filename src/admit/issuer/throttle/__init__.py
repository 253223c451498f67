"""How often something was tried, counted for all nodes in the database, before the work is done."""

from admit.issuer.throttle.buckets import bucket, network
from admit.issuer.throttle.records import Verdict
from admit.issuer.throttle.store import forget_old, give_back, take

__all__ = ["Verdict", "bucket", "forget_old", "give_back", "network", "take"]
