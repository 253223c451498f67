"""The command line: `admit serve`, `user`, `key`, `token`, `migrate`, `epoch`.

Exit codes: 0 done · 1 the thing asked about is not good (a token that would be refused) · 2 wrong usage or settings ·
3 not there (no such user or key) · 4 the database or another part did not answer.
"""

from admit.cli.main import main

__all__ = ["main"]
