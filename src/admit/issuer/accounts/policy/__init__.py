"""Which passwords may be set: long enough, and none that others try first. No rules of composition, no expiry.

`rules` what is refused and why (pure) · `common` the list of common passwords that comes with the package · `check`
both together
"""

from admit.issuer.accounts.policy.check import check_new_password
from admit.issuer.accounts.policy.common import common_in_order, common_passwords
from admit.issuer.accounts.policy.rules import ADVISED_CHARS, Weakness, context_words, host_words, weakness

__all__ = [
    "ADVISED_CHARS",
    "Weakness",
    "check_new_password",
    "common_in_order",
    "common_passwords",
    "context_words",
    "host_words",
    "weakness",
]
