"""The root command. Subcommands are imported when they are called, so that `admit token` needs no server parts."""

import contextlib
import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper

import click

_COMMANDS = {
    "serve": ("admit.cli.serve", "Serve the issuer: sign-in pages, OAuth 2.1 and OpenID Connect."),
    "migrate": ("admit.cli.serve", "Bring the database's schema to this version."),
    "user": ("admit.cli.user", "Accounts: add, import, list, disable, sign out; roles and groups."),
    "session": ("admit.cli.session", "Sessions of browsers: list a user's, end one."),
    "grant": ("admit.cli.grant", "Grants: what users let applications do. List them, end one."),
    "client": ("admit.cli.client", "Clients: add, list, show, remove; secrets, invitations, grants."),
    "resource": (
        "admit.cli.resource",
        "Resources, APIs that take tokens: add, list, show, set, remove.",
    ),
    "key": ("admit.cli.key", "Signing keys: list, rotate, revoke."),
    "backup": ("admit.cli.backup", "Copy the SQLite database to TO while the issuer runs."),
    "restore": (
        "admit.cli.backup",
        "Take the backup FROM into use: nothing lives again that was ended since.",
    ),
    "epoch": ("admit.cli.epoch", "The epoch of revocations: verifiers trust it to go forward only."),
    "issuer": ("admit.cli.issuer", "The issuer's own name: let its database have another."),
    "doctor": ("admit.cli.doctor", "What is wrong with this deployment, why it matters, how to mend it."),
    "explain": ("admit.cli.explain", "Why a request was refused, by the id that it was told."),
    "audit": ("admit.cli.audit", "What was done, by whom, from where: sign-ins, ends, changes."),
    "jwk": ("admit.cli.jwk", "Keys: make, convert, thumbprint."),
    "token": ("admit.cli.token", "Tokens: look at one, sign one, verify one."),
}
_NEEDS_SERVER = frozenset(
    {
        "serve",
        "migrate",
        "user",
        "session",
        "grant",
        "client",
        "resource",
        "key",
        "epoch",
        "issuer",
        "backup",
        "restore",
        "doctor",
        "explain",
        "audit",
    }
)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """What is imported stays: looking for garbage among it takes an eighth of the time that a start takes."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Commands(click.Group):
    """Finds commands by name and loads only the one asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        try:
            with _no_collection():
                command: click.Command = getattr(import_module(module), cmd_name)
                if cmd_name == "serve":
                    gc.freeze()  # this one runs on: no later search goes through what was imported, either
        except ModuleNotFoundError as error:
            if cmd_name not in _NEEDS_SERVER or (error.name or "").startswith("admit"):
                raise
            raise click.UsageError(
                f"`admit {cmd_name}` needs the server parts: pip install 'admit[server]'"
            ) from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table above: help loads no command, and works without the server parts."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in _COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings: admit.toml in this folder, ADMIT_* in the environment, flags. Start with: admit serve --dev",
)
@click.version_option(version("admit"), prog_name="admit")
def main() -> None:
    """Admit lets people in, and lets every service know who they are."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that is not UTF-8 gets an escape for what it lacks, not a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
