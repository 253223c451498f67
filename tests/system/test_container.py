"""deploy/Containerfile, done step by step where no container can be made: it builds, and runs read-only as nobody."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.fixtures.required import missing
from tests.unit.test_deploy import CONTAINER, instructions

pytestmark = pytest.mark.soak
ROOT: Final = Path(__file__).resolve().parents[2]
SETTINGS: Final = """issuer = "https://id.example.com"
listen = "0.0.0.0:8410"
proxy.trusted = ["127.0.0.1"]
"""
READY: Final = """
import time, urllib.request
asked = urllib.request.Request("http://127.0.0.1:8410/health/ready", headers={"Host": "id.example.com"})
for _ in range(600):
    try:
        answer = urllib.request.urlopen(asked, timeout=2)
        break
    except OSError:
        time.sleep(0.1)
else:
    raise SystemExit("it was not ready within a minute")
print("ready", answer.status)
"""


def listed(rest: str) -> list[str]:
    found: list[str] = json.loads(rest.replace("\\", ""))
    return found


def quoted(words: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def test_the_container_is_built_and_runs_read_only_as_nobody(tmp_path: Path) -> None:
    tools = ("unshare", "mount", "setpriv", "useradd")
    if os.getuid() != 0 or not all(map(shutil.which, tools)):
        missing("root and mount namespaces", "run it as root on Linux")
    build, last = (instructions(part) for part in re.split(r"^FROM .*$", CONTAINER, flags=re.M)[1:])
    steps = []
    for name, rest in build:
        if name == "RUN":
            steps.append(rest)
        elif name == "COPY":
            *sources, target = rest.split()
            place = target if target.endswith("/") or len(sources) > 1 else ""
            steps += [f"mkdir -p ./{place}", *(f'cp -a "$CONTEXT"/{one} ./{place}' for one in sources)]
    (tmp_path / "build.sh").write_text("\n".join(steps))
    told = dict(last)
    (tmp_path / "last.sh").write_text("\n".join(rest for name, rest in last if name == "RUN"))
    user, group = told["USER"].split(":")
    plain = (
        f"setpriv --reuid {user} --regid {group} --clear-groups --bounding-set -all --inh-caps -all --no-new-privs"
        f" env -i {told['ENV']}"
    )
    health = quoted(listed(told["HEALTHCHECK"].partition("CMD ")[2]))
    start = quoted(listed(told["ENTRYPOINT"]) + listed(told["CMD"]))
    (tmp_path / "run.sh").write_text(f"""
ip link set lo up
{plain} {start} &
program=$!
{plain} python /mnt/pieces/ready.py
{plain} {health} && echo healthy
for one in /opt/admit/x /etc/admit/x /usr/x /x /var/lib/x; do
  if ! touch $one 2> /dev/null; then echo "read-only: $one"; fi
done
stat -c '%U %a %n' /var/lib/admit /var/lib/admit/*
{plain} admit doctor --offline || true
kill -{told["STOPSIGNAL"].removeprefix("SIG")} $program
wait $program && echo "ended with 0"
""")
    (tmp_path / "admit.toml").write_text(SETTINGS)
    (tmp_path / "ready.py").write_text(READY)
    command = ["unshare", "--mount", "sh", str(Path(__file__).with_name("container.sh")), str(ROOT)]
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    done = subprocess.run([*command, str(base), str(tmp_path)], capture_output=True, text=True, timeout=500)
    said = done.stdout
    assert done.returncode == 0, said[-2000:] + done.stderr[-4000:]
    assert "ready 200" in said
    assert "healthy" in said
    assert said.count("read-only: ") == 5
    assert "admit 700 /var/lib/admit\n" in said
    assert "admit 600 /var/lib/admit/keys.json" in said
    errors = [line.split(maxsplit=2)[2] for line in said.splitlines() if line.startswith("error")]
    assert errors == ["SQLite lies in memory (tmpfs)"], "true of this test's volume, and of nothing else"
    assert "ended with 0" in said
    assert not Path("/opt/admit").exists(), "nothing of it is left"
