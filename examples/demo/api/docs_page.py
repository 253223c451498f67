"""Swagger UI with files of this machine instead of a CDN's, where the package that has them is there.

FastAPI's own `/docs` fetches them from a CDN at each visit. `drf-spectacular-sidecar` has the very same files as a
Python package; Django need not be there.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

DOCS, REDIRECT, FILES, OPENAPI = "/docs", "/docs/oauth2-redirect", "/docs/files", "/openapi.json"


def swagger_ui_files() -> Path | None:
    """Where Swagger UI's script and style lie, None where they are not installed."""
    found = find_spec("drf_spectacular_sidecar")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "static" / "drf_spectacular_sidecar" / "swagger-ui-dist"


def own_docs() -> dict[str, Any]:
    """What `FastAPI(...)` is told: no page of its own where ours takes its place."""
    return {} if swagger_ui_files() is None else {"docs_url": None, "redoc_url": None}


def serve_docs(app: FastAPI) -> None:
    """Add the page, where its files are there."""
    files = swagger_ui_files()
    if files is None:
        return
    app.mount(FILES, StaticFiles(directory=files))

    @app.get(DOCS, include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=OPENAPI,
            title=app.title,
            swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{FILES}/favicon-32x32.png",
            oauth2_redirect_url=REDIRECT,
            init_oauth=app.swagger_ui_init_oauth,
        )

    @app.get(REDIRECT, include_in_schema=False)
    def redirect() -> HTMLResponse:
        return get_swagger_ui_oauth2_redirect_html()
