"""The verifier inside frameworks. Each module needs its framework and nothing else of this package does."""
