"""How much a sweep takes at a time, and how long it rests: settled by what its last portion took.

A number of rows says nothing of the time: ten thousand rows of a small database are gone in a moment, and fifty of one
that is larger than the machine's memory are not. So what is held to is the time.
"""

from dataclasses import dataclass
from typing import Final

AIM: Final = 0.005
"""Seconds that a portion may take, its COMMIT included: about as long as the sign-in that waits for it."""
LOOK_AIM: Final = 0.02
"""Seconds that a look may take: it holds nothing that others wait for, but for the processor."""
REST: Final = 2.0
"""How many times as long it is idle as it works, so that others have two thirds of SQLite's one writer at least."""
SHORTEST_REST: Final = 0.002  # seconds
_ROOM: Final = 0.75


@dataclass(slots=True)
class Pace:
    """The rows of the next portion. `least` and `most` are its bounds; where a flush alone takes longer than `aim`
    seconds, it is `least`.
    """

    rows: int = 100
    least: int = 50
    most: int = 1_000
    aim: float = AIM

    def __post_init__(self) -> None:
        self.least = min(self.least, self.most)
        self.rows = min(max(self.rows, self.least), self.most)

    def took(self, rows: int, seconds: float) -> float:
        """Told of a portion of so many rows that took so long; how many seconds to rest after it.

        Half as much after one that was too long; a quarter more after a whole one that left more than a quarter of the
        time. Between the two it stays, so that it does not swing.
        """
        if seconds > self.aim:
            self.rows = max(self.least, self.rows // 2)
        elif rows >= self.rows and seconds < self.aim * _ROOM:
            self.rows = min(self.most, self.rows + self.rows // 4 + 1)
        return max(SHORTEST_REST, REST * seconds)
