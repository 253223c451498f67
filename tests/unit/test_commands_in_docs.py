"""Every command and every setting that the docs, and the doctor's remedies, tell people to use is one that there is."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final

import click
import pytest

from admit.cli import main
from admit.cli.doctor import command

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"))
    if path.name != "CHANGELOG.md"
)
DOCTOR: Final = Path(command.__file__).parent
SETTINGS: Final = (ROOT / "docs" / "settings.md").read_text("utf-8")
_WRITTEN: Final = re.compile(r"`(admit (?!token_)[a-z][^`\n]*)`|^\$? ?(admit [a-z][^\n]*)$", re.M)


def commands(text: str) -> list[str]:
    return [(inline or line).split("#")[0].split("  ")[0].strip() for inline, line in _WRITTEN.findall(text)]


def wrong(told: str) -> str:
    """What there is not, of a command as a page writes it; "" for nothing."""
    words = shlex.split(told.replace("[", " ").replace("]", " ").replace("…", ""))[1:]
    found: click.Command = main
    while words and isinstance(found, click.Group):
        name = words.pop(0)
        if name.startswith("-"):
            break
        inner = found.get_command(click.Context(found), name)
        if inner is None:
            return name
        found = inner
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    return next((word for word in words if word.startswith("--") and word.split("=")[0] not in known), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_on_a_page_is_one_that_there_is(page: Path) -> None:
    assert {told: what for told in commands(page.read_text("utf-8")) if (what := wrong(told))} == {}


def test_every_command_that_the_doctor_advises_is_one_that_there_is() -> None:
    text = "\n".join(path.read_text("utf-8") for path in DOCTOR.glob("*.py"))
    advised = re.findall(r'"(admit [a-z][a-z -]*[a-z])(?:, then (admit [a-z]+))?', text)
    told = {one for pair in advised for one in pair if one}
    assert len(told) > 3
    assert {one: what for one in told if (what := wrong(one))} == {}


def leaves(table: dict[str, Any], above: str = "") -> list[str]:
    found = []
    for name, value in table.items():
        if isinstance(value, dict):
            found += leaves(value, f"{above}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found += [f"{above}{name}[].{inner}" for one in value for inner in one]
        else:
            found.append(f"{above}{name}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_setting_on_a_page_is_one_that_there_is(page: Path) -> None:
    told = []
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        told += leaves(tomllib.loads(block))
    told = [name for name in told if "[]" not in name]
    assert [name for name in told if f"`ADMIT_{name.upper().replace('.', '__')}`" not in SETTINGS] == []


def test_what_there_is_not_is_noticed() -> None:
    assert wrong("admit user sign-out USER --everywhere") == ""
    assert wrong("admit user sign-outs USER") == "sign-outs"
    assert wrong("admit doctor --everywhere") == "--everywhere"
