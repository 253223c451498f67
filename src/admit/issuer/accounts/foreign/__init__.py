"""Password hashes that other systems made: read once at an import, checked at the first sign-in, then replaced.

`schemes` what is stored and how it is checked · `reading` the forms that other systems write · `keycloak`, `firebase`
theirs, which are no single text · `bounds` what a check may cost · `errors`

Every form is turned into one spelling of ours when it is imported, so that a sign-in reads few forms and meets no
surprise: what is damaged, or would cost too much, is refused at the import and never stored.
"""

from admit.issuer.accounts.foreign.errors import (
    CostlyHashError,
    ForeignHashError,
    MalformedHashError,
    UnknownHashError,
    WeakHashError,
)
from admit.issuer.accounts.foreign.firebase import FirebaseProject
from admit.issuer.accounts.foreign.keycloak import read_keycloak
from admit.issuer.accounts.foreign.reading import read
from admit.issuer.accounts.foreign.schemes import ForeignHash, decode

__all__ = [
    "CostlyHashError",
    "FirebaseProject",
    "ForeignHash",
    "ForeignHashError",
    "MalformedHashError",
    "UnknownHashError",
    "WeakHashError",
    "decode",
    "read",
    "read_keycloak",
]
