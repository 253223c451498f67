"""One append-only row for each thing that happened, written in the transaction that did it."""

from admit.issuer.audit.records import AuditEvent, Outcome, RequestInfo
from admit.issuer.audit.store import record

__all__ = ["AuditEvent", "Outcome", "RequestInfo", "record"]
