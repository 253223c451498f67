"""What the log says of a state that grows old: one line when the bound comes near, one past it, one when it is over."""

import logging
from dataclasses import dataclass

_LOG = logging.getLogger("admit.verifier")
NEAR = 2 / 3
"""Of the bound: at the default poll two thirds are four questions without a good answer."""


@dataclass(slots=True)
class Episode:
    """One issuer's; told of the age after each question. Ages and bounds are in seconds."""

    issuer: str
    level: int = 0

    def tell(self, age: float, bound: float) -> None:
        """Note the age of what is held, and log what is new about it."""
        level = level_of(age, bound)
        if level > self.level:
            if level == 2:
                _LOG.error(
                    "revocations of %s are %.0f s old, past the bound of %.0f s: its tokens get 503 until it answers",
                    self.issuer,
                    age,
                    bound,
                )
            else:
                _LOG.warning(
                    "revocations of %s are %.0f s old; at %.0f s its tokens get 503", self.issuer, age, bound
                )
            self.level = level
        elif level == 0 and self.level:
            _LOG.warning("revocations of %s are fresh again", self.issuer)
            self.level = 0


def level_of(age: float, bound: float) -> int:
    """0 is well, 1 is near the bound, 2 is past it. An age below zero is that of a clock that went back: past it."""
    return 2 if not 0 <= age <= bound else 1 if age > bound * NEAR else 0
