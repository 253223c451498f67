"""A program in node that is talked to by lines of JSON, `tests/interop/node/talk.mjs`."""

import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fixtures.node import HINT, PLACE
from tests.fixtures.required import missing
from tests.plugins.patience import patience


class RefusedError(Exception):
    """The library refused. `codes` are its own words and the issuer's `error`, from the outer to the inner."""

    def __init__(self, why: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{one.get('code')} {one.get('message')}" for one in why))
        self.codes = {value for one in why for name in ("code", "error") if (value := one.get(name))}


class Conversation:
    """One program under way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def say(self, step: str, **given: Any) -> Any:
        """What one step answers. Raises RefusedError; AssertionError when it ends or says nothing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": step, **given}) + "\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], patience())[0]
        assert ready, f"no answer to {step}"
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.poll()}"
        answer = json.loads(line)
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        return answer["said"]


@contextmanager
def conversation(script: str, package: str) -> Iterator[Conversation]:
    """`tests/interop/node/<script>`, until the block ends. Skips where node or the package is missing."""
    program = shutil.which("node")
    if program is None or not (PLACE / "node_modules" / package / "package.json").is_file():
        missing("node packages", HINT)
    with subprocess.Popen(
        [program, str(PLACE / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PLACE,
        env={"PATH": os.environ.get("PATH", "")},
    ) as process:
        try:
            yield Conversation(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(patience())
            finally:
                process.kill()
