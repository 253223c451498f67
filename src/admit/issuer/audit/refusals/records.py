"""A refusal as it is kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Which request was refused, and by what rule. Nothing in it is what the request said.

    `request_id`: the id that the page or the JSON told. `kind`: the class of the error, whose docstring names the
    clause; for trouble inside, the class of the exception. `detail`: which rule failed, in words of ours; for trouble
    inside, where it happened. `route`: the route's template, "" for no route. `client_id`: a registered client that
    was named, proven or not.
    """

    request_id: str
    at: float
    status: int
    code: str
    kind: str
    detail: str
    method: str
    route: str
    client_id: str | None = None
    ip: str | None = None
    trace_id: str | None = None
