"""The only package that dials out: one guarded client for key sets, metadata, status heads and look-ups."""

from admit.fetch.egress import Target, check_url, origin_of
from admit.fetch.fetcher import Fetcher, Response

__all__ = ["Fetcher", "Response", "Target", "check_url", "origin_of"]
