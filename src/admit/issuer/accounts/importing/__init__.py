"""Accounts from another system: read line by line, checked, and written in batches.

`lines` a file as lines, each bounded · `tables` JSON lines and CSV as rows · `rows` a row as an account (pure) ·
`store` and `transactions` a batch · `driver` the class `Importer`
"""

from admit.issuer.accounts.importing.driver import Importer
from admit.issuer.accounts.importing.records import Refused, Summary

__all__ = ["Importer", "Refused", "Summary"]
