"""Tries the ledger's cheap attacks on a running issuer, and tells what was answered: `python -m scripts.attack`."""
