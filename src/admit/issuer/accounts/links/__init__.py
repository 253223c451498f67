"""Links that are mailed: they prove that somebody reads an address, once, for one purpose. Those that an operator hands
over set a password and prove nothing.

`records` frozen values · `rules` when a link holds (pure) · `store` table and SQL · `transactions` · `driver` the class
`EmailLinks`.
"""

from admit.issuer.accounts.links.driver import EmailLinks
from admit.issuer.accounts.links.records import HandedLink, Link, Purpose

__all__ = ["EmailLinks", "HandedLink", "Link", "Purpose"]
