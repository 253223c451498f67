"""The only package that dials out: one guarded client for key sets, metadata, status heads and look-ups."""

from admit.fetch.egress import Target, check_url, origin_of
from admit.fetch.fetcher import Fetcher, Response
from admit.fetch.flow import AsyncFlow, Flow
from admit.fetch.stream import Stream

__all__ = ["AsyncFlow", "Fetcher", "Flow", "Response", "Stream", "Target", "check_url", "origin_of"]
