"""docs/doctor.md shows what `admit doctor` prints, of a good deployment and of six bad ones, word for word."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from admit.cli import main
from admit.cli.doctor import files, findings
from admit.issuer.storage import Keyring
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import furnished_sqlite_url, write_key_file

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"
CLIENT: Final = """
[[client]]
id = "web"
name = "Web"
first_party = {first_party}
redirect_uris = ["https://app.example.com/cb"]
"""
COLUMNS: Final = 96


class Deployment:
    """Files in two folders; `settings` may be changed before `told`."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.data = folder / "etc", folder / "data"
        for one in (self.etc, self.data):
            one.mkdir(mode=0o700)
        self.config = self.etc / "admit.toml"
        tls = certificate(self.etc / "tls", "id.example.com")
        self.first_party = True
        self.settings: dict[str, Any] = {
            "issuer": "https://id.example.com", "database": furnished_sqlite_url(self.data), "data": str(self.data),
            "keys.file": str(write_key_file(self.data)), "tls.cert": str(tls.cert), "tls.key": str(tls.key),
            "mail.url": "smtps://admit:secret@mail.example.com", "mail.sender": "Example <no-reply@example.com>",
            "accounts.pepper": True,
        }  # fmt: skip

    @property
    def database(self) -> Path:
        return Path(self.settings["database"].removeprefix("sqlite:///"))

    def told(self) -> str:
        """What the doctor prints, as if all lay where it belongs."""
        mode = self.config.stat().st_mode & 0o777 if self.config.exists() else 0o600
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in self.settings.items()]
        self.config.write_text("".join(lines) + CLIENT.format(first_party=str(self.first_party).lower()))
        self.config.chmod(mode)
        given = CliRunner().invoke(main, ["doctor", "--offline", "--config", str(self.config)])
        return given.stdout


def good(deployment: Deployment) -> None:
    """Nothing is wrong."""


def readable(deployment: Deployment) -> None:
    Path(deployment.settings["keys.file"]).chmod(0o640)
    deployment.database.chmod(0o644)
    deployment.config.touch()
    deployment.config.chmod(0o644)


def ended(deployment: Deployment) -> None:
    tls = certificate(deployment.etc / "old", "login.example.com", days=3)
    deployment.settings |= {"tls.cert": str(tls.cert), "tls.key": str(tls.key)}


def wide(deployment: Deployment) -> None:
    deployment.settings |= {
        "tls.cert": "", "tls.key": "", "listen": "0.0.0.0:8410",
        "metrics.listen": "0.0.0.0:9410", "revocation.max_staleness": "10m",
    }  # fmt: skip


def shared(deployment: Deployment) -> None:
    deployment.first_party = False
    deployment.settings |= {"issuer": "https://www.example.com/login", "mail.url": "", "mail.sender": ""}
    tls = certificate(deployment.etc / "www", "www.example.com")
    deployment.settings |= {"tls.cert": str(tls.cert), "tls.key": str(tls.key)}


def other_keys(deployment: Deployment) -> None:
    Path(deployment.settings["keys.file"]).write_bytes(Keyring.generate()._dump())


def newer(deployment: Deployment) -> None:
    with closing(sqlite3.connect(deployment.database)) as db:
        db.execute("UPDATE admit_version SET version_num = '0099'")
        db.commit()


DEPLOYMENTS: Final[dict[str, Callable[[Deployment], None]]] = {
    "A good one": good,
    "Files that others may read": readable,
    "A certificate that ends, and is another host's": ended,
    "Doors that are open too wide": wide,
    "A login page on a shared host": shared,
    "The keys of another database": other_keys,
    "A database of a newer Admit": newer,
}


def printed(deployment: Deployment) -> str:
    """All of a good one's; of a bad one what is wrong, and the last line."""
    told = deployment.told()
    for folder, name in ((deployment.etc, "/etc/admit"), (deployment.data, "/var/lib/admit")):
        told = told.replace(str(folder), name)
    *lines, _, last = told.rstrip().split("\n")
    if re.match(r"\d+ good", last):
        return "\n".join([*lines, "", last])
    first = next(n for n, line in enumerate(lines) if line.startswith(("note", "good")))
    return "\n".join([*lines[:first], "…", last])


def alike(text: str) -> str:
    """Without dates and numbers that are others each time, and however long the folders' names made its lines."""
    return " ".join(re.sub(r"\d{4}-\d\d-\d\d|(?<=epoch )\d+", "…", text).split())


def shown() -> dict[str, str]:
    return dict(re.findall(r"^## (.+?)\n.*?^```\n(.*?)\n```", PAGE.read_text("utf-8"), re.M | re.S))


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_page_shows_what_is_printed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "file_system_of", lambda path: "ext4")
    monkeypatch.setattr(findings, "_width", lambda: COLUMNS)
    deployment = Deployment(tmp_path)
    DEPLOYMENTS[name](deployment)
    assert alike(shown()[name]) == alike(printed(deployment))


def test_the_page_shows_one_good_deployment_and_six_bad_ones() -> None:
    assert list(DEPLOYMENTS) == [name for name in shown() if name in DEPLOYMENTS]
    assert len(DEPLOYMENTS) == 7
    assert [name for name, told in shown().items() if "error" not in told and "warning" not in told] == [
        "A good one"
    ]
