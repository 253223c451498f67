"""Reading the trail: what was done, by whom, from where; the newest first."""

from admit.issuer.audit.trail.store import told

__all__ = ["told"]
