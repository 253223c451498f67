"""The API of `guarded_api.py` in Flask, behind gunicorn: two processes of four threads, forked after its first use.

`python guarded_flask.py config.json`. `/who` tells which process answered.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from admit import TrustedIssuer, Verifier
from admit.errors import SessionError
from admit.integrations.flask import Guard
from admit.verifier import RemoteLookup


def build(config: dict[str, Any]) -> Flask:
    verifier = Verifier(TrustedIssuer(config["issuer"], audience=config["resource"]))
    guard = Guard(verifier, sessions=RemoteLookup(config["issuer"], config["resource"], config["secret"]))
    app = Flask("guarded")

    @app.get("/who")
    @guard("orders:own")
    def who() -> Any:
        found = guard.principal
        return {"sub": found.subject, "by": found.credential.value, "pid": os.getpid()}

    @app.get("/health")
    def health() -> Any:
        return {"ready": verifier.ready()}

    # Used before the workers are forked off: there are threads, an event loop and connections to the issuer.
    nobody = f"{guard.cookie}={'A' * 43}".encode()
    assert isinstance(guard.find([(b"cookie", nobody)], "GET"), SessionError)
    return app


class Preloaded(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, config: dict[str, Any]) -> None:
        self.given = config
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("bind", f"127.0.0.1:{self.given['port']}")
        for name, value in {"workers": 2, "threads": 4, "preload_app": True}.items():
            self.cfg.set(name, value)
        if "control_socket_disable" in self.cfg.settings:
            self.cfg.set("control_socket_disable", True)

    def load(self) -> Flask:
        return build(self.given)


if __name__ == "__main__":
    Preloaded(json.loads(Path(sys.argv[1]).read_text("utf-8"))).run()
