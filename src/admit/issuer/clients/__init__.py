"""Applications and APIs that the issuer knows: clients (RFC 6749 §2) and resources (RFC 8707).

`records` frozen values · `rules` redirect URIs, secrets, and the one function that bounds scopes by roles (pure) ·
`registry` all of them, checked · `store` tables and SQL · `config` · `driver` the class `Clients` that writes the
registry's ids into the database.
"""
