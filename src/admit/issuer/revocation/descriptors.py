"""How many streams a process can bear: each holds a descriptor, and strangers may open them.

Many systems let a process have 1,024. Were all of them streams, no head could be asked for and nobody could sign in;
and APIs that hear nothing for longer than their bound refuse everybody.
"""

import sys
from typing import Final

ENOUGH: Final = 65_536


def limit() -> int | None:
    """How many descriptors this process may have; None where nobody says so."""
    if sys.platform == "win32":
        return None
    import resource  # POSIX only; the rest of the package loads elsewhere too

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def affordable(most: int, descriptors: int | None) -> int:
    """How many of `most` streams leave half of the descriptors to everything else."""
    return most if descriptors is None else min(most, descriptors // 2)


def raise_limit() -> None:
    """Take as many descriptors as the system lets this process have: for a program that is nothing but a server.

    The lower limit is there for programs that use `select`, and it is for each to raise.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
