"""Who tries a password."""

from dataclasses import dataclass

from admit.issuer.audit.records import RequestInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesser:
    """`identifier` is what was typed, in its canonical form, whether or not there is such an account; `user_id` the
    account if there is. `device`: the hash of the browser's secret, if the browser is known to that account.
    """

    identifier: str
    user_id: str | None
    device: bytes | None
    info: RequestInfo

    @property
    def is_stranger(self) -> bool:
        return self.device is None
