"""People: their accounts, roles, groups and passwords.

`records` frozen values · `rules` what is a good email, name or password (pure) · `passwords` Argon2id in a bounded pool
· `store` tables and SQL · `config` · `driver` the class `Accounts` that the rest of the issuer talks to.
"""
