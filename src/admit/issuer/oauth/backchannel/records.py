"""A notice as a frozen value."""

from dataclasses import dataclass

from admit.issuer.storage import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That `user_id`'s session `session_id` is over, to be told to `client_id`. `tries`: this one included."""

    id: str
    client_id: str
    user_id: str
    session_id: str
    tries: int


def notice_of(row: Row) -> Notice:
    """The notice in a row of CLAIM."""
    return Notice(
        id=row["id"],
        client_id=row["client_id"],
        user_id=row["user_id"],
        session_id=row["session_id"],
        tries=row["tries"],
    )
