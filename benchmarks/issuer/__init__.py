"""The issuer process: how soon it is ready, what it holds in memory, what a request costs it."""
