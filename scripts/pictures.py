"""Draw docs/images: the pages on a phone, and what `admit token inspect` shows of a token that an issuer just made.

Nothing is drawn by hand: an issuer runs in this process, Ada signs in, and the command runs on a terminal. Needs
Chromium.
"""

import asyncio
import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from admit.issuer.storage import Keyring
from scripts import page_pictures
from scripts.palette_png import smaller
from tests.fixtures.browser import ARGUMENTS, find_chromium
from tests.fixtures.issuer import API, ISSUER, add_people, make_issuer, settings_for

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS = 96
COLOURS = {"31": "#ff8a80", "32": "#4cc38a", "33": "#f2b84b"}
PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #14171a }
main { display: inline-block; background: #14171a; color: #e8e6e1; border: 1px solid #343a40; border-radius: 12px;
  padding: 14px 20px 18px; font: 13px/1.2 "DejaVu Sans Mono", ui-monospace, monospace; white-space: pre }
.prompt { color: #9aa2ad } .dim { color: #9aa2ad } .bold { font-weight: bold } .void { text-decoration: line-through }
</style><main>"""


async def issued(folder: Path) -> tuple[str, str]:
    """An access token of a running issuer, and the key set that it publishes."""
    issuer = make_issuer(settings_for(f"sqlite:///{folder / 'admit.db'}"), Keyring.generate())
    async with issuer.lifespan():
        await add_people(issuer)
        async with issuer.browser() as browser:
            tokens = await browser.tokens()
            return tokens["access_token"], (await browser.get("/jwks")).text


def on_terminal(command: list[str], folder: Path) -> str:
    """What a command prints on a terminal of `COLUMNS` columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(command, cwd=folder, stdout=its, stderr=its, stdin=its, env=plain) as running:
        os.close(its)
        said = b""
        while True:
            try:
                more = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not more:
                break
            said += more
        running.wait()
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


def as_html(text: str) -> str:
    """Styled text of a terminal as HTML."""
    written, style = [], set[str]()
    for piece in re.split(r"(\x1b\[[0-9;]*m)", text):
        if not piece.startswith("\x1b"):
            colour = next((COLOURS[one] for one in style if one in COLOURS), "")
            names = [name for code, name in (("1", "bold"), ("2", "dim"), ("9", "void")) if code in style]
            look = f' class="{" ".join(names)}"' + (f' style="color:{colour}"' if colour else "")
            written.append(f"<span{look}>{html.escape(piece)}</span>" if piece else "")
            continue
        for code in piece[2:-1].split(";"):
            style = set() if code in ("", "0") else style | {code}
    return "".join(written)


def draw(name: str, text: str) -> Path:
    """A picture of a terminal's text."""
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / name
    arguments = [*ARGUMENTS, "--disable-lcd-text", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        page = browser.new_page(device_scale_factor=1.5)
        page.set_content(PAGE + text + "</main>")
        path.write_bytes(smaller(page.locator("main").screenshot()))
        browser.close()
    return path


def main() -> None:
    """Draw them all."""
    if find_chromium() is None:
        sys.exit("Chromium is missing")
    for drawn in page_pictures.draw():
        sys.stdout.write(f"drawn: {drawn.relative_to(ROOT)}, {drawn.stat().st_size:,} octets\n")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        token, keys = asyncio.run(issued(folder))
        (folder / "token.txt").write_text(token)
        (folder / "jwks.json").write_text(keys)
        named = ["--jwks", "jwks.json", "--typ", "at+jwt", "--issuer", ISSUER]
        other = "A" if token[-9] != "A" else "B"
        (folder / "altered.txt").write_text(f"{token[:-9]}{other}{token[-8:]}")
        for name, file, audience in (
            ("token-inspect.png", "token.txt", API),
            ("token-inspect-refused.png", "altered.txt", "http://localhost:9999"),
        ):
            asked = ["admit", "token", "inspect", file, *named, "--audience", audience]
            said = on_terminal([str(Path(sys.executable).with_name("admit")), *asked[1:]], folder)
            prompt = f'<span class="prompt">$</span> {html.escape(" ".join(asked))}\n'
            path = draw(name, prompt + as_html(said.rstrip()))
            sys.stdout.write(f"drawn: {path.relative_to(ROOT)}, {path.stat().st_size:,} octets\n")


if __name__ == "__main__":
    main()
