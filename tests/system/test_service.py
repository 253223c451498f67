"""deploy/admit.service: what it takes from the program leaves it able to do its work."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from admit.issuer.accounts.pool import NICENESS
from tests.fixtures.issuer import ADA, field_of
from tests.fixtures.processes import (
    ADMIT,
    Child,
    free_port,
    furnished_sqlite_url,
    settings_toml,
    write_key_file,
)
from tests.fixtures.required import missing
from tests.system.apps.confined import MISSING
from tests.unit.test_deploy import ROOT

pytestmark = pytest.mark.soak
CONFINED: Final = Path(__file__).parent / "apps" / "confined.py"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Child]:
    """One node, confined as the unit says; its settings are in the folder."""
    port = free_port()
    path = tmp_path / "admit.toml"
    path.write_text(
        settings_toml(
            issuer=f"http://localhost:{port}", dev=True, listen=f"127.0.0.1:{port}",
            database=furnished_sqlite_url(tmp_path), data=str(tmp_path),
            **{"keys.file": str(write_key_file(tmp_path))},
        )
    )  # fmt: skip
    command = [sys.executable, str(CONFINED), str(ROOT / "deploy/admit.service"), ADMIT, "serve"]
    made = Child(
        [*command, "--config", str(path)], tmp_path, "confined",
        port=port, ready="/health/ready", host=f"localhost:{port}",
    )  # fmt: skip
    try:
        made.start()
    except AssertionError as error:
        if f"ended with {MISSING}" in str(error):
            missing("systemd-analyze, libseccomp and Linux 6.3", "apt install systemd libseccomp2")
        raise
    yield made
    made.stop(signal.SIGKILL)


def names_and_niceness(pid: int) -> dict[str, list[int]]:
    """Of each thread's name, how far its threads stand back (proc(5), fields 2 and 19)."""
    found: dict[str, list[int]] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        head, _, rest = (task / "stat").read_text().rpartition(")")
        found.setdefault(head.partition("(")[2], []).append(int(rest.split()[16]))
    return found


def test_people_sign_in_hashing_stands_back_and_it_ends_in_good_order(node: Child) -> None:
    host = f"localhost:{node.port}"
    with httpx2.Client(base_url=node.address, headers={"Host": host, "Origin": f"http://{host}"}) as browser:
        page = browser.get("/login")
        cookie = page.headers["set-cookie"].partition(";")[0]
        form = {"csrf": field_of(page.text, "csrf"), "email": ADA[0]}
        wrong = browser.post(
            "/login", data={**form, "password": "not hers at all"}, headers={"Cookie": cookie}
        )
        right = browser.post("/login", data={**form, "password": ADA[1]}, headers={"Cookie": cookie})
        assert (wrong.status_code, right.status_code) == (400, 303)
    told = Path(f"/proc/{node.pid}/status").read_text()
    assert "\nSeccomp:\t2\n" in told
    assert "\nNoNewPrivs:\t1\n" in told
    standing = sorted(one for many in names_and_niceness(node.pid).values() for one in many)
    own = standing[0]
    assert own + NICENESS in standing or own >= NICENESS, standing
    assert node.stop() == 0
    assert "Traceback" not in node.log
