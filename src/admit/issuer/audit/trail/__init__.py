"""Reading the trail: what was done, by whom, from where; the newest first."""

from admit.issuer.audit.trail.store import newest

__all__ = ["newest"]
