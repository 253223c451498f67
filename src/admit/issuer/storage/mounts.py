"""Which kind of file system a file lies on, where the system tells it."""

import os
from pathlib import Path


def file_system_of(path: Path) -> str | None:
    """Such as `ext4`, `nfs4`, `tmpfs`; None where that cannot be learnt. Reads `/proc/self/mountinfo` (proc(5))."""
    try:
        real = os.path.realpath(path)
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    return _kind(real, lines)


def _kind(real: str, lines: list[str]) -> str | None:
    found, longest = None, -1
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or not kinds:
            continue
        place = fields[4].replace("\\040", " ")
        inside = place == "/" or real == place or real.startswith(place + "/")
        if inside and len(place) >= longest:  # a later mount hides an earlier one at the same place
            found, longest = kinds[0], len(place)
    return found
