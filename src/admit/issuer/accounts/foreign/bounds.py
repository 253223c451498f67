"""What checking one foreign hash may cost at a sign-in: about a second of one core, and 128 MiB.

Anybody may try to sign in, so that whoever chooses the parameters of a stored hash chooses what a stranger's guess
costs here. The bounds leave room for what other systems use: OWASP's and their own largest defaults.
"""

from typing import Final

from admit.issuer.accounts.foreign.errors import CostlyHashError

BCRYPT_COST: Final = 14  # 2¹⁴ rounds, 1.3 s; most systems use 10 to 12
PBKDF2_ITERATIONS: Final = 2_000_000  # Django 6 uses 1,200,000
SCRYPT_WORK: Final = 1 << 21  # N·r·p; OWASP's N=2¹⁷, r=8, p=1 is half of it
ARGON2_WORK: Final = 1 << 19  # KiB times passes; RFC 9106's 64 MiB, t=3 is three eighths of it
ARGON2_LANES: Final = 16  # threads of one computation
ARGON2_STEPS: Final = 1 << 12  # passes times lanes: whatever the memory, each begins four threads
SCRYPT_BLOCKS: Final = 1 << 16  # r·p: 128 octets each that PBKDF2 makes and reads besides, whatever N is
MEMORY: Final = 128 << 20  # octets


def check_cost(*, work: int, most: int, memory: int = 0) -> None:
    """Raises: CostlyHashError when `work`, in the scheme's own unit, is more than `most`, or `memory` than 128 MiB."""
    if work > most:
        raise CostlyHashError("too much work")
    if memory > MEMORY:
        raise CostlyHashError("too much memory")
