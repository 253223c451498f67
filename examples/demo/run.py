"""`make demo`: the issuer, a sample single-page app and a sample API, each a process of its own, until Ctrl-C.

python examples/demo/run.py            start
python examples/demo/run.py --reset    forget users, sessions and keys

`ADMIT_DEMO_API=flask` before the first has the API in Flask; `APIS` are all of them, and `state.py` says more.
"""

import contextlib
import errno
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import state

HERE = Path(__file__).parent
ADMIT = str(Path(sys.executable).parent / "admit")
START_WITHIN = 60.0
STOP_WITHIN = 4.0
DEFAULT_API = "fastapi"
APIS = {
    "fastapi": "in FastAPI",
    "starlette": "in Starlette",
    "asgi": "in plain ASGI",
    "flask": "in Flask",
    "wsgi": "in plain WSGI",
    "django": "in Django",
    "django-async": "in Django's async views",
    "rest-framework": "in Django REST framework",
}
"""Which frameworks the orders API is there in, each a file of `api/`, and how the demo says it."""


class NotAddedError(Exception):
    """The two users could not be added."""


def main() -> int:
    """What was asked for, by whoever is alone in the folder."""
    try:
        ports = state.Ports.from_environment()
    except ValueError:
        return trouble("ADMIT_DEMO_PORTS wants three different ports from 1024 up, such as 9410,9411,9412")
    try:
        state.poll()
        beside = {name: state.port_of(name, default) for name, default in state.BESIDE.items()}
    except ValueError as error:
        return trouble(str(error))
    if len({ports.issuer, ports.spa, ports.api, *beside.values()}) != 6:
        return trouble(f"{', '.join(beside)} and ADMIT_DEMO_PORTS want six different ports")
    api = os.environ.get("ADMIT_DEMO_API") or DEFAULT_API
    if api not in APIS:
        return trouble(f"the orders API is in {', '.join(APIS)}; choose one: make demo API=flask")
    try:
        with state.alone():
            return reset() if "--reset" in sys.argv[1:] else run(ports, api)
    except state.RunningError:
        return trouble("the demo runs already, in another terminal; end it there first, with Ctrl-C")


def run(ports: state.Ports, api: str) -> int:
    """Start everything, say where it is, wait, end everything."""
    for port in (ports.issuer, ports.spa, ports.api):
        if taken(port):
            return trouble(f"port {port} is in use. Choose others: ADMIT_DEMO_PORTS=9410,9411,9412 make demo")
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: stopping.append(number))
    began = time.monotonic()
    demo, first = state.load(ports)
    if first:
        try:
            add_users(demo, stopping)
        except NotAddedError as error:
            state.forget()
            return 0 if stopping else trouble(str(error))
        state.keep(demo)
    children = start(api)
    try:
        if not await_ready(demo, children, stopping):
            return (
                0
                if stopping
                else trouble(
                    f"a part was not ready within {START_WITHIN:.0f} s, or ended before; what it printed, if anything, "
                    "stands above. Is the machine very busy? Then try again"
                )
            )
        if not stopping:
            tell(demo, api, time.monotonic() - began)
        while not stopping and all(child.poll() is None for child in children):
            time.sleep(0.1)
    finally:
        stop(children)
    return 0 if stopping else trouble("a part of the demo ended by itself; its own words stand above")


def environment() -> dict[str, str]:
    """What the programs see: none of our own `ADMIT_` names, which they would take for settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ADMIT_")}


def start(api: str) -> list[subprocess.Popen[bytes]]:
    """The three processes, in a group of their own: Ctrl-C reaches only this one, which ends them in order."""
    commands = (
        [ADMIT, "serve", "--config", str(state.FOLDER / "admit.toml")],
        [
            sys.executable,
            str(HERE / "api" / f"{api.replace('-', '_')}_orders.py"),
            str(state.FOLDER / "api.json"),
        ],
        [sys.executable, str(HERE / "spa_server.py"), str(state.FOLDER / "spa.json")],
    )
    return [
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=environment(),
        )
        for command in commands
    ]


def stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask all to end, wait for them together, end what is left."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + STOP_WITHIN
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def await_ready(demo: state.Demo, children: list[subprocess.Popen[bytes]], stopping: list[int]) -> bool:
    """Whether all parts answer in time."""
    until = time.monotonic() + START_WITHIN
    waiting = [f"{demo.issuer}/health/ready", f"{demo.api}/health", f"{demo.spa}/config.json"]
    while waiting and time.monotonic() < until and not stopping:
        if any(child.poll() is not None for child in children):
            return False
        # In this order: the API begins to follow the issuer when it is first asked, and then finds it there.
        if answers(waiting[0]):
            waiting.pop(0)
        else:
            time.sleep(0.05)
    return not waiting


def answers(address: str) -> bool:
    """Whether this address of ours answers with success; the API also says whether it has the keys."""
    try:
        with urllib.request.urlopen(address, timeout=2) as response:
            body = json.load(response)
    except (OSError, urllib.error.URLError, ValueError):
        return False
    return bool(body.get("ready", True))


def add_users(demo: state.Demo, stopping: list[int]) -> None:
    """Two users and a few orders, by the same command that anybody would use."""
    with contextlib.closing(sqlite3.connect(state.FOLDER / "orders.db")) as orders, orders:
        orders.execute(
            "CREATE TABLE IF NOT EXISTS orders"
            " (id INTEGER PRIMARY KEY, issuer TEXT, subject TEXT, customer TEXT, item TEXT, placed_at REAL)"
        )
        for email, name, roles in state.USERS:
            command = [ADMIT, "user", "add", email, "--name", name, "--password-stdin", "--json"]
            command += ["--config", str(state.FOLDER / "admit.toml")]
            for role in roles:
                command += ["--role", role]
            code, told, why = add_user(command, demo.secrets[email], stopping)
            if code != 0 or stopping:
                raise NotAddedError(why.strip().removeprefix("admit: ") or "no user could be added")
            subject = json.loads(told)["id"]
            for item in ("Two tickets, row F", "A programme")[: 2 if name == "Bo" else 1]:
                orders.execute(
                    "INSERT INTO orders (issuer, subject, customer, item, placed_at) VALUES (?, ?, ?, ?, ?)",
                    (demo.issuer, subject, name, item, time.time()),
                )
    (state.FOLDER / "orders.db").chmod(0o600)


def add_user(command: list[str], password: str, stopping: list[int]) -> tuple[int, str, str]:
    """Exit code and both outputs of one `admit user add`, which is given up when the demo is to stop."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=environment()
    ) as adding:
        to_say: str | None = password + "\n"
        while True:
            try:
                told, why = adding.communicate(to_say, timeout=0.1)
                return adding.returncode, told, why
            except subprocess.TimeoutExpired:
                to_say = None
                if stopping:
                    adding.kill()


def tell(demo: state.Demo, api: str, seconds: float) -> None:
    """Where everything is, who can sign in, and what to try."""
    (admin, _, _), (other, _, _) = state.USERS
    native = f"{shown(sys.executable)} {shown(HERE.parent / 'native' / 'native.py')}"
    own_form = f"{shown(sys.executable)} {shown(HERE.parent / 'native' / 'own_form.py')}"
    machine = f"{shown(sys.executable)} {shown(HERE.parent / 'machine' / 'machine.py')}"
    uvicorn = shown(Path(sys.executable).parent / "uvicorn")
    port = demo.web.rpartition(":")[2]
    web = f"{uvicorn} --app-dir {shown(HERE.parent / 'web_app')} app:app --port {port}"
    bff = f"{uvicorn} --app-dir {shown(HERE.parent / 'bff')} app:app --port {port}"
    page = f"{shown(sys.executable)} {shown(HERE.parent / 'spa' / 'serve.py')}"
    mcp = f"{shown(sys.executable)} {shown(HERE.parent / 'mcp' / 'server.py')}"
    if Path.cwd() != state.FOLDER.parent or state.FOLDER.name != ".demo":
        machine += f" --settings {state.FOLDER / 'machine.json'}"
        page += f" --settings {state.FOLDER / 'page.json'}"
        mcp += f" --settings {state.FOLDER / 'mcp.json'}"
        native += f" --settings {state.FOLDER / 'native.json'}"
        own_form += f" --settings {state.FOLDER / 'native.json'}"
        web = f"WEB_APP_SETTINGS={state.FOLDER / 'web.json'} {web}"
        bff = f"BFF_SETTINGS={state.FOLDER / 'web.json'} {bff}"
    print(
        f"""
  {demo.issuer}    the issuer: accounts, sign-in, tokens
  {demo.spa}    the sample app: begin here
  {demo.api}    the orders API, {APIS[api]}
  {demo.other_site}    the same API as another site

  {admin:<18} {demo.secrets[admin]}    admin of the orders
  {other:<18} {demo.secrets[other]}

  Signed in? Try, in another terminal here:
    {shown(ADMIT)} user disable {other} --config {shown(state.FOLDER / "admit.toml")}
    {native}

  More applications, each with a README:
    {page}
    {bff}
    {web}    (this or the one above)
    {own_form}
    {machine}
    {mcp}

{busy()}  Up in {seconds:.1f} s. Ctrl-C ends it. It keeps its data in {shown(state.FOLDER)}; make demo-reset forgets it.
""",
        flush=True,
    )


def busy() -> str:
    """A line for each port of an application beside the demo that somebody else has."""
    return "".join(
        f"  Port {port} is in use; another one for its application: "
        f"{name}={port + 1000 if port < 60_000 else default} make demo\n\n"
        for name, default in state.BESIDE.items()
        if taken(port := state.port_of(name, default))
    )


def shown(path: str | Path) -> str:
    """A path as short as it can be typed here."""
    with contextlib.suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return str(path)


def taken(port: int) -> bool:
    """Whether somebody listens on this port already, on either of the addresses that `localhost` may mean."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
    return False


def reset() -> int:
    """Forget what the demo keeps."""
    existed = (state.FOLDER / "admit.toml").exists()
    state.forget()
    state.leave()
    print("The demo starts afresh next time." if existed else "There was nothing to forget.")
    return 0


def trouble(line: str) -> int:
    """One line on standard error."""
    print(f"admit: {line}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
