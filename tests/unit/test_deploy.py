"""The files of `deploy/` fit this project. The proxies' are started by `tests/system/test_proxies.py`."""

import re
from pathlib import Path

import pytest

from admit.issuer.app.config import ServeConfig

ROOT = Path(__file__).resolve().parents[2]
UNIT = (ROOT / "deploy/admit.service").read_text("utf-8")
CONTAINER = (ROOT / "deploy/Containerfile").read_text("utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text("utf-8")


def members(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))


def test_the_service_has_time_to_stop_and_nothing_to_write_but_its_folder() -> None:
    told = members(UNIT)
    longest = ServeConfig().stop_within + ServeConfig().announce
    assert told["StartLimitIntervalSec"] == "0", "a database that is away for long is waited for"
    assert int(told["TimeoutStopSec"]) > longest.total_seconds() + 10
    assert (told["ProtectSystem"], told["User"], told["UMask"]) == ("strict", "admit", "0077")
    for name in (
        "NoNewPrivileges",
        "PrivateDevices",
        "ProtectHome",
        "MemoryDenyWriteExecute",
        "RestrictSUIDSGID",
    ):
        assert told[name] == "yes", name
    assert (told["CapabilityBoundingSet"], told["LimitCORE"]) == ("", "0")
    assert "ReadWritePaths" not in told
    assert re.fullmatch(r"/opt/admit/bin/admit serve --config \S+", told["ExecStart"])


def instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in found]


def test_the_container_runs_as_nobody_in_particular_and_has_no_tools() -> None:
    last = instructions(CONTAINER.rpartition("\nFROM ")[2])
    assert ("USER", "8410:8410") in last
    assert [name for name, _ in last][-1] == "CMD"
    after = [name for name, _ in last[last.index(("USER", "8410:8410")) :]]
    assert "RUN" not in after
    assert "USER" not in after[1:]
    told = "\n".join(f"{name} {rest}" for name, rest in instructions(CONTAINER))
    for tool in ("curl", "wget", "apt-get", "sudo"):
        assert tool not in told


def test_all_that_the_container_fetches_is_held_by_a_hash_what_builds_its_wheel_included() -> None:
    pips = [
        one
        for one in re.split(r"&&|\n", CONTAINER.replace("\\\n", " "))
        if re.search(r"\bpip (install|wheel)", one)
    ]
    assert len(pips) == 4
    for one in pips:
        assert ("--require-hashes" in one) != ("--no-index" in one and "--no-deps" in one), one
    (wheel,) = [one for one in pips if "pip wheel" in one]
    assert "--no-build-isolation" in wheel, "an isolated build fetches what builds it, and asks for no hash"


def test_what_the_container_copies_is_there() -> None:
    copied = [
        rest.split() for name, rest in instructions(CONTAINER) if name == "COPY" and "--from" not in rest
    ]
    assert copied
    for *sources, _ in copied:
        for source in sources:
            assert (ROOT / source).exists(), source


@pytest.mark.parametrize("file", ["admit.service", "Containerfile", "nginx.conf", "haproxy.cfg"])
def test_every_setting_that_is_named_exists(file: str) -> None:
    text = (ROOT / "deploy" / file).read_text("utf-8")
    tables = "serve|proxy|tls|metrics|log"
    for table, name in re.findall(rf"\b({tables})\.([a-z_]+)\b", text):
        if (table, name) not in {("tls", "pem")}:
            assert f"`ADMIT_{table}__{name}`".upper() in SETTINGS, f"{file}: {table}.{name}"
    for name in re.findall(r"\b(ADMIT_[A-Z_]+)=", text):
        assert f"`{name}`" in SETTINGS, f"{file}: {name}"


def test_the_service_may_do_what_hashing_needs_to_stand_back() -> None:
    taken = [line.partition("=")[2] for line in UNIT.splitlines() if line.startswith("SystemCallFilter=")]
    assert taken[0] == "@system-service"
    last = max(place for place, value in enumerate(taken) if "@resources" in value)
    assert taken[last].startswith("~")
    assert any("setpriority" in value.split() for value in taken[last + 1 :]), "it is one of @resources"
