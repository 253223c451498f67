"""Ends that other issuers tell of: received by push or poll, kept where all workers read them, held against tokens.

They come beside what an Admit issuer publishes of itself (`verifier.freshness`), and can only add refusals.
"""
