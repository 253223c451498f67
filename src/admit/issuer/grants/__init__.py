"""Permissions that users gave clients: interactions, authorization codes, and grant families with their refresh tokens.

`records` frozen values · `rules` PKCE, codes, refresh (pure) · `refresh_token` the token's format (pure) · `store/`
tables and SQL · `config` · `interactions`, `codes`, `families` the transactions and the driver class of each · `sweep`.
"""
