"""Stylesheet, scripts and mark, read once and served from memory under a folder that names their content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from admit.issuer.accounts.policy import common_in_order
from admit.issuer.app.headers import Kind, table

FOLDER: Final = Path(__file__).parent / "static"
THEME: Final = "theme.css"
COMMON: Final = "common.js"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


def common_module(passwords: Sequence[str]) -> bytes:
    """The list of common passwords for `strength.js`, so that the page knows what the server does."""
    return f'export const common = new Set({json.dumps(" ".join(passwords))}.split(" "));\n'.encode("ascii")


class Assets:
    """The static files of the pages; those of `own` (a `static` folder of the deployment) go before ours.

    Every address holds a digest of all files, so they may be kept for ever, and module imports stay relative.
    """

    def __init__(self, own: Path | None = None) -> None:
        files: dict[str, bytes] = {}
        for folder in (FOLDER, own):
            if folder is not None and folder.is_dir():
                files |= {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in _TYPES}
        files.setdefault(COMMON, common_module(common_in_order()))
        self.files: Mapping[str, bytes] = MappingProxyType(files)
        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        self.version = digest.hexdigest()[:12]

    def path(self, name: str) -> str:
        """The path of a file below the issuer. Raises KeyError for a file that is not there."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def response(self, version: str, name: str, *, https: bool) -> Response | None:
        """The reply to GET /static/{version}/{name}; None for 404. Another version's address is not kept."""
        content = self.files.get(name)
        if content is None:
            return None
        headers = table(Kind.STATIC, https=https)
        if version != self.version:
            headers["cache-control"] = "no-store"
        return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)
