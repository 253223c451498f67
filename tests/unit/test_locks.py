"""The locks hold what pyproject.toml asks for, with a hash for each file and no address."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUN = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]

LOCKS = {
    "run": RUN,
    "server": RUN + EXTRAS["server"],
    "dev": RUN + EXTRAS["server"] + EXTRAS["fastapi"] + GROUPS["dev"],
    "oldest": RUN
    + [line for name in ("server", "fastapi", "flask", "django", "mcp") for line in EXTRAS[name]]
    + GROUPS["dev"],
    "servers": GROUPS["servers"],
    "bootstrap": GROUPS["bootstrap"],
    "build": GROUPS["build"],
}


def _locked(name: str) -> dict[str, set[Version]]:
    """Versions by package; a package may be locked at two, for different Pythons."""
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    found: dict[str, set[Version]] = {}
    for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(Version(version))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_satisfies_the_ranges_it_was_made_from(name: str) -> None:
    locked = _locked(name)
    for line in LOCKS[name]:
        wanted = Requirement(line)
        versions = locked.get(canonicalize_name(wanted.name), set())
        assert versions, f"{wanted.name} is not in requirements/{name}.txt; run: make lock"
        assert all(version in wanted.specifier for version in versions), f"{wanted.name}; run: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash_and_no_address_stands_in_a_lock(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert not re.search(r"^\s*--(index|extra|find)", text, re.MULTILINE)


def test_what_builds_the_project_is_what_the_lock_for_building_holds() -> None:
    assert GROUPS["build"] == PROJECT["build-system"]["requires"]


def test_the_oldest_lock_has_what_the_ranges_begin_with() -> None:
    locked = _locked("oldest")
    for name in ("django", "fastapi", "flask", "mcp", "starlette"):
        (line,) = (Requirement(line) for line in EXTRAS[name])
        (begin,) = (Version(one.version) for one in line.specifier if one.operator == ">=")
        assert min(locked[name]) == begin, f"{name}: nobody tests what it begins with"


def test_what_users_install_is_what_is_tested() -> None:
    dev = _locked("dev")
    for name in ("run", "server"):
        for package, versions in _locked(name).items():
            assert versions == dev[package], f"{package} differs between {name} and dev; run: make lock"


def test_the_node_packages_of_the_interop_tests_are_locked_exactly_with_hashes_and_no_registry() -> None:
    place = ROOT / "tests/interop/node"
    wanted = json.loads((place / "package.json").read_text("utf-8"))["dependencies"]
    packages = json.loads((place / "package-lock.json").read_text("utf-8"))["packages"]
    assert packages[""]["dependencies"] == wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert all(packages[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    for name, package in packages.items():
        assert name == "" or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, f"{name}: an address stands in the lock"
        assert "hasInstallScript" not in package, f"{name}: it would run a script"
