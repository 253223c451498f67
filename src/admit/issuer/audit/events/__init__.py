"""`on_event=` of an issuer: what happened, told to the application after COMMIT, at least once, under an id.

The trail itself is the outbox (contracts §9): a record is written in the transaction of what it tells, so that nothing
is told which did not happen, and nothing that happened is left out. What is kept besides is how far the telling is.

`records` the event · `rules` which records are events (pure) · `store` SQL · `driver` the class `Events` that tells.
"""

from admit.issuer.audit.events.driver import Events
from admit.issuer.audit.events.records import Event, EventSink

__all__ = ["Event", "EventSink", "Events"]
