"""Adds ends to a file without end, and tells each one once it is kept: `adding.py PATH NAME`."""

import itertools
import sys
import time

from admit.verifier import End, FileEndStore

if __name__ == "__main__":
    store = FileEndStore(sys.argv[1], limit=1_000_000)
    for number in itertools.count():
        subject = f"{sys.argv[2]}-{number}"
        now = time.time()
        store.add([End(issuer="https://i.example", subject=subject, before=now, until=now + 86_400)])
        print(subject, flush=True)
