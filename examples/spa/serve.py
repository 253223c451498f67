"""Serves the application in a page: its files, and a `config.json` that says where everything is. Standard library.

python examples/spa/serve.py                 beside `make demo`
open http://localhost:8414
"""

import argparse
import json
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
SHOWN = {"/", "/index.html", "/app.js", "/client.js", "/style.css", "/mark.svg"}


class Files(SimpleHTTPRequestHandler):
    """The files of this folder that belong to the page, and its configuration."""

    def __init__(self, config: dict[str, str], *arguments: Any) -> None:
        self._config = json.dumps(config).encode()
        # No script of another origin is loaded, and these two servers are all that ours can talk to.
        self._policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
            f"frame-ancestors 'none'; connect-src 'self' {config['issuer']} {config['api']}"
        )
        super().__init__(*arguments, directory=str(HERE))

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/config.json":
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(self._config)))
            self.end_headers()
            self.wfile.write(self._config)
        elif path in SHOWN:
            super().do_GET()
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self.send_error(405)

    def end_headers(self) -> None:
        self.send_header("content-security-policy", self._policy)
        self.send_header("referrer-policy", "no-referrer")
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("cache-control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """The address holds the code: not for the log."""


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve an application that is nothing but a page.")
    parser.add_argument("--settings", default=".demo/page.json", help="issuer, API, client id, redirect URI")
    config = json.loads(Path(parser.parse_args().settings).read_text("utf-8"))
    port = urlsplit(config["redirect_uri"]).port
    with ThreadingHTTPServer(("127.0.0.1", port or 80), partial(Files, config)) as server:
        print(f"open {config['redirect_uri']}", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename} is not there: is `make demo` running?")
    except OSError as error:
        sys.exit(f"it cannot listen there: {error.strerror}")
