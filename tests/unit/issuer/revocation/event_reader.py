"""An independent reader of Server-Sent Events, WHATWG HTML §9.2.6, for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event as a page would get it."""

    kind: str
    data: str
    id: str


def read(octets: bytes) -> list[Event]:
    """All events that end in a blank line."""
    found: list[Event] = []
    kind, data, last = "", [], ""
    for line in octets.decode().split("\n"):
        if line == "":
            if data:
                found.append(Event(kind or "message", "\n".join(data), last))
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last = value
    return found
