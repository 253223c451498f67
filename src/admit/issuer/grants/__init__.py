"""Permissions that users gave clients: interactions, authorization codes, and grant families with their refresh tokens.

`records` frozen values · `rules` PKCE, codes, refresh (pure) · `refresh_token` the token's format (pure) · `store/`
tables and SQL · `config` · `interactions`, `codes`, `pushed`, `flows`, `machines`, `answers` the transactions and the
driver class of each · `families` the driver class of what `opening`, `refreshing` and `ends` do · `sweep`.
"""
