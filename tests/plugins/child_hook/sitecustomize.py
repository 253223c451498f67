"""Runs at the start of a child Python while `--defences-off` is under way: takes the named defences out of it.

Put on the child's PYTHONPATH by `tests/plugins/evidence.py`; outside such a run nothing ever loads this file. Twins are
swapped in before the child imports anything of its own, so each later import binds the twin.
"""

import contextlib
import os
import sys
import traceback

_STAYS = contextlib.ExitStack()  # never closed: the defences stay out for the child's whole life
_NAMES = [name for name in os.environ.get("TEST_DEFENCES_OFF", "").split(",") if name]

if _NAMES:
    try:
        from tests.plugins import twins

        _STAYS.enter_context(twins.taken_out(_NAMES))
    except (
        Exception
    ):  # site would print it and go on with the defence in place: better no child than a wrong one
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
