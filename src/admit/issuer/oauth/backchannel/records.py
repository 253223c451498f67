"""A notice as a frozen value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That `user_id`'s session `session_id` is over, to be told to `client_id`. `tries`: this one included."""

    id: str
    client_id: str
    user_id: str
    session_id: str
    tries: int
