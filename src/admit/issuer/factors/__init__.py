"""Second factors: authenticator apps (TOTP), recovery codes, and the sign-in that waits for one of them.

`records` frozen values · `rules` the codes themselves (pure) · `assurance` what a sign-in has reached and what it must
reach (pure) · `store` tables and SQL · `transactions` · `config` · `driver` the class `Factors`.
"""
