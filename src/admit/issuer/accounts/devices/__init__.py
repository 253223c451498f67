"""Browsers that a user signed in with before. Each has a budget of its own for wrong passwords, so that whoever tries
passwords from elsewhere never shuts the owner out (docs/decisions/guessing.md). It is no factor: it proves nothing, and
no sign-in gets shorter by it.

`rules` what is stored of a device (pure) · `store` the table and its SQL · `transactions` · `driver` the class
`KnownDevices`
"""

from admit.issuer.accounts.devices.driver import KnownDevices, NewSecret

__all__ = ["KnownDevices", "NewSecret"]
