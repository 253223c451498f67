"""Permissions that users gave clients: interactions, authorization codes, and grant families with their refresh tokens.

`records` frozen values · `rules` PKCE, codes, refresh (pure) · `refresh_token` the token's format (pure) · `store`,
`code_store`, `family_store` … tables and SQL · `config` · `codes`, `interactions`, `families` the driver classes.
"""
