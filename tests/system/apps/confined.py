"""Start a program with what a unit file of systemd takes from it, where systemd itself does not run.

    python confined.py UNIT COMMAND [ARGUMENT]...

Of the unit: `SystemCallFilter` with `SystemCallErrorNumber=EPERM`, `MemoryDenyWriteExecute`, `NoNewPrivileges`,
`CapabilityBoundingSet=`, `LimitCORE`, `UMask`. Which calls a set such as `@resources` has is systemd's own word
(`systemd-analyze syscall-filter`); libseccomp makes the filter. Ends with 77 where one of the two is missing, or the
kernel cannot refuse memory that is written and then run.
"""

import ctypes
import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

MISSING: Final = 77
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN = 24, 38, 65, 1
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM


def calls_of(name: str) -> frozenset[str]:
    """The calls that a word of the filter names: a set is taken apart, sets in it too."""
    if not name.startswith("@"):
        return frozenset({name})
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    words = [line.strip() for line in said.stdout.splitlines()[1:]]
    found = [calls_of(word) for word in words if word and not word.startswith("#")]
    return frozenset().union(*found)


def allowed(members: list[tuple[str, str]]) -> frozenset[str]:
    """What is left after all lines, systemd.exec(5): the first allows, `~` takes away, later ones give and take."""
    found: frozenset[str] = frozenset()
    for key, value in members:
        if key == "SystemCallFilter":
            named = [calls_of(word) for word in value.removeprefix("~").split()]
            both = frozenset().union(*named)
            found = found - both if value.startswith("~") else found | both
    return found | calls_of("@default")


def load(names: frozenset[str]) -> None:
    """From here on every other call is EPERM."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    filter = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(_REFUSE)))
    for name in sorted(names):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of another processor
            lib.seccomp_rule_add(filter, ctypes.c_uint32(_ALLOW), ctypes.c_int(number), ctypes.c_uint(0))
    if lib.seccomp_load(filter) != 0:
        raise SystemExit("the filter of system calls could not be loaded")


def main() -> None:
    unit, *command = sys.argv[1:]
    lines = Path(unit).read_text("utf-8").splitlines()
    members = [
        (key, value) for key, is_, value in (line.partition("=") for line in lines) if is_ and key[0] != "#"
    ]
    told = dict(members)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise SystemExit(MISSING) from None
    if shutil.which("systemd-analyze") is None:
        raise SystemExit(MISSING)
    names = allowed(members)
    os.umask(int(told["UMask"], 8))
    resource.setrlimit(resource.RLIMIT_CORE, (int(told["LimitCORE"]),) * 2)
    if told["CapabilityBoundingSet"] == "" and os.getuid() == 0:
        for capability in range(64):
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if told["NoNewPrivileges"] == "yes":
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if (
        told["MemoryDenyWriteExecute"] == "yes"
        and prctl(_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0
    ):
        raise SystemExit(MISSING)  # before Linux 6.3
    load(names)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
