"""Which budgets a try is drawn from. Pure."""

from typing import Final

from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.guessing.records import Guesser
from admit.issuer.throttle.buckets import bucket, network, prefix
from admit.issuer.throttle.budgets.records import Budget

DAY: Final = 86_400.0
SLOWEST: Final = 20.0
"""How much dearer a stranger's try becomes for its network when strangers everywhere guess wrong."""


def budgets(config: AccountsConfig, guesser: Guesser, *, slowness: float = 1.0) -> tuple[Budget, ...]:
    """What a try is drawn from, each of them.

    A device that the account knows has budgets of its own and no other: neither guesses from elsewhere nor the
    network that it happens to be in shut it out. Strangers share the account's, and have their network's.
    """
    window = config.tries_window.total_seconds()
    a_day = max(config.tries_per_day, config.tries_per_account)
    if guesser.device is not None:
        owner = (guesser.device.hex(), guesser.user_id or "")
        return (
            Budget(bucket("password-device", *owner), config.tries_per_account, window),
            Budget(bucket("password-device-day", *owner), a_day, DAY),
        )
    found = [
        Budget(bucket("password-account", guesser.identifier), config.tries_per_account, window),
        Budget(bucket("password-account-day", guesser.identifier), a_day, DAY),
        Budget(
            bucket("password-network", network(guesser.info.ip)), config.tries_per_network, window, slowness
        ),
    ]
    wider = prefix(guesser.info.ip)
    if wider is not None:
        most = max(config.tries_per_prefix, config.tries_per_network)
        found.append(Budget(bucket("password-prefix", wider), most, window, slowness))
    return tuple(found)


def of_everybody(config: AccountsConfig) -> Budget:
    """What strangers got wrong, wherever and whosever account. It refuses nobody; see `slowness`."""
    return Budget(
        bucket("password-everybody"), 2 * config.failures_before_slow, config.tries_window.total_seconds()
    )


def slowness(share_spent: float) -> float:
    """How many tries a stranger's try counts as for its network: one until half of everybody's budget is spent, then
    evenly more, up to `SLOWEST`.
    """
    return 1.0 + (SLOWEST - 1.0) * max(0.0, 2.0 * share_spent - 1.0)
