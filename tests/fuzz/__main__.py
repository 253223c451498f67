"""`python -m tests.fuzz SECONDS SEED FOLDER`: fuzz every target in turn by coverage, starting from what FOLDER has.

The first octet of an input chooses the target. What reached something new is added to FOLDER; what broke a target ends
the process, with the input in FOLDER/found-….
"""

import importlib
import inspect
import sys

import atheris

WATCHED = (
    "jose.hot", "jose.jws_detached", "jose.jws_json", "jose.jwe_json", "tokens.access", "tokens.identity",
    "tokens.logout", "tokens.security_event", "tokens.status_head", "tokens.status_list",
)  # fmt: skip
# Only what parses, and what that imports: the rest of the library takes long to prepare, and reads nothing.
with atheris.instrument_imports(include=["admit"]):
    for module in WATCHED:
        importlib.import_module(f"admit.{module}")

from admit.verifier.stream import EventParser  # noqa: E402 - after those that are watched
from tests.fuzz import targets  # noqa: E402 - as well

for name, function in vars(EventParser).copy().items():
    if inspect.isfunction(function):
        setattr(EventParser, name, atheris.instrument_func(function))

NAMES = tuple(targets.TARGETS)


def one_input(data: bytes) -> None:
    """What the fuzzer calls."""
    if data:
        targets.run(NAMES[data[0] % len(NAMES)], data[1:])


def main() -> None:
    """Fuzz until the time is up; libFuzzer ends the process itself."""
    seconds, seed, folder = sys.argv[1:]
    targets.bound_work()
    atheris.Setup(
        [
            sys.argv[0], f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10",
            "-rss_limit_mb=1024", "-max_len=4096", f"-artifact_prefix={folder}/found-", "-print_final_stats=1",
            "-verbosity=0", folder,
        ],
        one_input,
    )  # fmt: skip
    atheris.Fuzz()


main()
