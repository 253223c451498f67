"""The files of both apps in a page: no build, no inline code, nothing from elsewhere, tokens never in storage."""

import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLIENT = EXAMPLES / "spa" / "client.js"
PAGES = (EXAMPLES / "demo" / "spa", EXAMPLES / "spa")
SCRIPTS = sorted(script for folder in PAGES for script in folder.glob("*.js"))


@pytest.mark.parametrize("folder", PAGES, ids=("demo", "spa"))
def test_the_page_holds_no_inline_code(folder: Path) -> None:
    page = (folder / "index.html").read_text("utf-8")
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)


@pytest.mark.parametrize("folder", PAGES, ids=("demo", "spa"))
def test_every_file_that_is_asked_for_is_there(folder: Path) -> None:
    page = (folder / "index.html").read_text("utf-8")
    asked = {name.lstrip("/") for name in re.findall(r'(?:src|href)="(/[^"]+)"', page)}
    scripts = sorted({*folder.glob("*.js"), CLIENT})
    for script in scripts:
        asked |= {
            name.removeprefix("./") for name in re.findall(r'from "([^"]+)"', script.read_text("utf-8"))
        }
    assert {name for name in asked - {CLIENT.name} if not (folder / name).is_file()} == set()
    assert {script.name for script in scripts} <= asked


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_scripts_build_no_markup_from_text_and_load_nothing_from_elsewhere(script: Path) -> None:
    source = script.read_text("utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source
    )
    assert set(re.findall(r"https?://[^\"'`\s)]+", source)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_only_what_must_survive_a_redirect_is_stored(script: Path) -> None:
    source = script.read_text("utf-8")
    assert not re.search(r"localStorage|indexedDB|document\.cookie|caches\.", source)
    assert set(re.findall(r"sessionStorage\.setItem\((.*)\);", source)) <= {
        "PENDING, JSON.stringify(pending)",
        'KNOWN, "yes"',
        "MEANT, JSON.stringify(number)",
    }


def test_what_is_stored_for_a_redirect_is_no_token() -> None:
    source = CLIENT.read_text("utf-8")
    (pending,) = re.findall(r"const pending = \{(.*?)\};", source)
    assert {field.split(":")[0].strip() for field in pending.split(",")} == {
        "state",
        "nonce",
        "verifier",
        "silent",
        "started",
    }
