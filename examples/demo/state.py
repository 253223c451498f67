"""What the demo keeps in `.demo/`: passwords and secrets made at its first start, settings written at each.

From the environment: `ADMIT_DEMO_PORTS`, `ADMIT_DEMO_WEB_PORT`, `ADMIT_DEMO_PAGE_PORT`, `ADMIT_DEMO_MCP_PORT` and
`ADMIT_DEMO_FOLDER` put it elsewhere;
`ADMIT_DEMO_POLL` is how often, in seconds, the API asks for the list of what is void (5 unless said otherwise).
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("ADMIT_DEMO_FOLDER") or Path(__file__).resolve().parents[2] / ".demo").absolute()
KEPT = (
    "secrets.json", "admit.toml", "api.json", "spa.json", "page.json", "web.json", "machine.json", "native.json",
    "mcp.json",
    "orders.db", "orders.db-wal", "orders.db-shm", "bff-sessions.db", "bff-sessions.db-wal", "bff-sessions.db-shm",
)  # fmt: skip
RUNNING = "running"
KEPT_FOLDERS = ("issuer", "embedded", "django_users")


BESIDE = {"ADMIT_DEMO_WEB_PORT": 8413, "ADMIT_DEMO_PAGE_PORT": 8414, "ADMIT_DEMO_MCP_PORT": 8415}
"""Where the applications listen that are started by hand."""


def port_of(name: str, default: int) -> int:
    """A port of the environment; raises ValueError, which says what is wanted."""
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1024 <= int(text) <= 65_535):
        raise ValueError(f"{name} wants a port from 1024 up, such as {default}")
    return int(text)


def poll() -> float:
    """How often the APIs ask, in seconds; raises ValueError, which says what is wanted."""
    try:
        found = float(os.environ.get("ADMIT_DEMO_POLL") or 5)
    except ValueError:
        found = 0.0
    if not 0.1 <= found <= 3600:
        raise ValueError("ADMIT_DEMO_POLL wants seconds, from 0.1 to 3600, such as 5")
    return found


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the three parts listen."""

    issuer: int = 8410
    spa: int = 8411
    api: int = 8412

    @classmethod
    def from_environment(cls) -> "Ports":
        """`ADMIT_DEMO_PORTS=8410,8411,8412`; raises ValueError for anything else than three different ports."""
        text = os.environ.get("ADMIT_DEMO_PORTS")
        if not text:
            return cls()
        ports = [int(part) for part in text.split(",")]
        if len(set(ports)) != 3 or not all(1024 <= port <= 65_535 for port in ports):
            raise ValueError(text)
        return cls(*ports)


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: its ports, its secrets, and the addresses that follow."""

    ports: Ports
    secrets: dict[str, str]

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.ports.issuer}"

    @property
    def spa(self) -> str:
        return f"http://localhost:{self.ports.spa}"

    @property
    def api(self) -> str:
        return f"http://localhost:{self.ports.api}"

    @property
    def web(self) -> str:
        """The server-side web application of `examples/web_app`, which is started by hand."""
        return f"http://localhost:{port_of('ADMIT_DEMO_WEB_PORT', 8413)}"

    @property
    def page(self) -> str:
        """The application in a page of `examples/spa`, which is started by hand."""
        return f"http://localhost:{port_of('ADMIT_DEMO_PAGE_PORT', 8414)}"

    @property
    def mcp_port(self) -> int:
        """Where the MCP server of `examples/mcp` listens, which is started by hand."""
        return port_of("ADMIT_DEMO_MCP_PORT", 8415)

    @property
    def mcp(self) -> str:
        return f"http://localhost:{self.mcp_port}/mcp"

    @property
    def other_site(self) -> str:
        return f"http://127.0.0.1:{self.ports.api}"


USERS = (
    ("ada@example.com", "Ada", ("admin",)),
    ("bo@example.com", "Bo", ()),
)


def load(ports: Ports) -> tuple[Demo, bool]:
    """The demo of this folder, and whether this is its first start."""
    path = FOLDER / "secrets.json"
    first = not path.exists()
    if first:
        forget()  # what a first start left that did not come to its end
        kept = {email: secrets.token_urlsafe(9) for email, _, _ in USERS}
    else:
        kept = json.loads(path.read_text("utf-8"))
    lacking = {name: secrets.token_urlsafe(32) for name in ("api", "web", "machine") if name not in kept}
    kept.update(lacking)
    demo = Demo(ports, kept)
    if lacking and not first:
        keep(demo)
    write_settings(demo)
    return demo, first


class RunningError(Exception):
    """Another process runs the demo of this folder."""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the folder for this process, which the system undoes when it ends in whatever way.

    Raises:
        RunningError: another one holds it.
    """
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(FOLDER / RUNNING, "w", encoding="utf-8") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunningError from error
        yield


def keep(demo: Demo) -> None:
    """Write the secrets down: from now on the demo has had its first start."""
    write(FOLDER / "secrets.json", demo.secrets)


def forget() -> None:
    """Take away what the demo made, and nothing else that may lie there."""
    for name in KEPT:
        (FOLDER / name).unlink(missing_ok=True)
    for name in KEPT_FOLDERS:
        shutil.rmtree(FOLDER / name, ignore_errors=True)


def leave() -> None:
    """Take the folder away too, when nothing else lies there."""
    (FOLDER / RUNNING).unlink(missing_ok=True)
    if not any(FOLDER.iterdir()):
        FOLDER.rmdir()


def write(path: Path, value: Any) -> None:
    """A file that only its owner reads, whole or not at all."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2)
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def write_settings(demo: Demo) -> None:
    """`admit.toml` for the issuer, and a JSON file for each of the others."""
    digest, web, machine = (
        hashlib.sha256(demo.secrets[name].encode()).hexdigest() for name in ("api", "web", "machine")
    )
    write(
        FOLDER / "admit.toml",
        f'''# Written at each start of the demo.
issuer = "{demo.issuer}"
dev = true
name = "Admit demo"
data = "{FOLDER / "issuer"}"

[[resource]]
id = "{demo.api}"
name = "Orders"
secret_hash = "{digest}"
[resource.scopes]
"orders:own" = {{ en = "See and place your own orders", zh = "查看和提交你自己的订单" }}
"orders:read" = {{ en = "See everybody's orders", zh = "查看所有人的订单" }}
[resource.roles]
"*" = ["orders:own"]
admin = ["orders:read"]
[resource.clients]
demo-machine = ["orders:own"]

[[resource]]
id = "{demo.mcp}"
name = "Orders for assistants"
[resource.scopes]
"assistant:see" = {{ en = "See your orders", zh = "查看你的订单" }}
"assistant:order" = {{ en = "Order things for you", zh = "替你下订单" }}
[resource.roles]
"*" = ["assistant:see", "assistant:order"]

[registration]
enabled = true
open = true # strangers: people are asked about them each time
scopes = ["assistant:see", "assistant:order", "offline_access"]
resources = ["{demo.mcp}"]

[[client]]
id = "demo-spa"
name = "Orders, the sample app"
first_party = true
redirect_uris = ["{demo.spa}/"]
post_logout_redirect_uris = ["{demo.spa}/"]
scopes = ["openid", "profile", "email", "orders:own", "orders:read"]
resources = ["{demo.api}"]
default_resource = "{demo.api}"

[[client]]
id = "demo-page"
name = "Orders in a page"
first_party = true
redirect_uris = ["{demo.page}/"]
post_logout_redirect_uris = ["{demo.page}/"]
scopes = ["openid", "profile", "email", "orders:own"]
resources = ["{demo.api}"]
default_resource = "{demo.api}"

[[client]]
id = "demo-docs"
name = "Orders' docs page"
redirect_uris = ["{demo.api}/docs/oauth2-redirect"]
scopes = ["openid", "orders:own", "orders:read"]
resources = ["{demo.api}"]
default_resource = "{demo.api}"

[[client]]
id = "demo-native"
name = "Orders for the terminal"
application_type = "native"
redirect_uris = ["http://127.0.0.1/callback"]
scopes = ["openid", "profile", "offline_access", "orders:own", "orders:read"]
resources = ["{demo.api}"]
default_resource = "{demo.api}"

[[client]]
id = "demo-app"
name = "Orders, an app of our own"
first_party = true
api_login = true
application_type = "native"
redirect_uris = ["http://127.0.0.1/callback"]
scopes = ["openid", "profile", "offline_access", "orders:own"]
resources = ["{demo.api}"]
default_resource = "{demo.api}"

[[client]]
id = "demo-assistant"
name = "Usher"
application_type = "native"
redirect_uris = ["http://127.0.0.1/callback"]
scopes = ["assistant:see", "assistant:order", "offline_access"]
resources = ["{demo.mcp}"]
default_resource = "{demo.mcp}"

[[client]]
id = "demo-web"
name = "Orders on the web"
public = false
secret_hashes = ["{web}"]
redirect_uris = ["{demo.web}/callback", "{demo.web}/bff/callback/id"]
post_logout_redirect_uris = ["{demo.web}/"]
scopes = ["openid", "profile", "email", "orders:own"]
resources = ["{demo.api}"]
default_resource = "{demo.api}"

[[client]]
id = "demo-machine"
name = "Orders by night"
public = false
secret_hashes = ["{machine}"]
grant_types = ["client_credentials"]
scopes = ["orders:own"]
resources = ["{demo.api}"]
''',
    )
    write(
        FOLDER / "api.json",
        {
            "port": demo.ports.api,
            "issuer": demo.issuer,
            "resource": demo.api,
            "secret": demo.secrets["api"],
            "pages": [demo.spa, demo.page],
            "database": str(FOLDER / "orders.db"),
            "poll": poll(),
        },
    )
    for name in ("web", "machine"):
        known = {"issuer": demo.issuer, "api": demo.api, "client_id": f"demo-{name}"}
        write(FOLDER / f"{name}.json", {**known, "client_secret": demo.secrets[name], "home": demo.web})
    write(FOLDER / "native.json", {"issuer": demo.issuer, "api": demo.api})
    write(
        FOLDER / "mcp.json",
        {
            "port": demo.mcp_port,
            "issuer": demo.issuer,
            "resource": demo.mcp,
            "client_id": "demo-assistant",
            "database": str(FOLDER / "orders.db"),
            "poll": poll(),
        },
    )
    by_itself = {
        "issuer": demo.issuer,
        "api": demo.api,
        "client_id": "demo-page",
        "redirect_uri": demo.page + "/",
    }
    write(FOLDER / "page.json", {**by_itself, "scope": "openid profile email orders:own"})
    page = {
        "issuer": demo.issuer,
        "client_id": "demo-spa",
        "redirect_uri": demo.spa + "/",
        "api": demo.api,
        "other_site": demo.other_site,
        "scope": "openid profile orders:own orders:read",
    }
    write(FOLDER / "spa.json", {"port": demo.ports.spa, "page": page})
