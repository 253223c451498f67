"""Sign-in sessions of browsers: a random id in a cookie, a record on the server.

`records` frozen values · `rules` when a session is live (pure) · `store` tables and SQL · `config` · `driver` the class
`Sessions` · `lookup` the session as a `Principal` for one audience.
"""
