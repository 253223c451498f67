"""Telling clients that somebody's session is over: OpenID Connect Back-Channel Logout 1.0.

The notices are rows of `revocation.store.logins`, due in the transaction of the end. `records` one of them · `rules`
what is written to a client, and what its answer means (pure) · `driver` the class `Teller` that sends what is due.
"""

from admit.issuer.oauth.backchannel.driver import Teller

__all__ = ["Teller"]
