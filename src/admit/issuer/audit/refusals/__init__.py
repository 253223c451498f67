"""The ring of refusals: what strangers were refused, and what went wrong inside, kept for a while to be explained.

Not the audit trail: anybody can be refused as often as he likes, so this is bounded, written behind the answer, and may
leave something out when there is too much of it.
"""

from admit.issuer.audit.refusals.config import RefusalsConfig
from admit.issuer.audit.refusals.records import Refusal
from admit.issuer.audit.refusals.ring import GATHERED, Ring

__all__ = ["GATHERED", "Refusal", "RefusalsConfig", "Ring"]
