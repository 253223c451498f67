"""The root command. Subcommands are imported when they are called, so that `admit token` needs no server parts."""

from importlib import import_module
from importlib.metadata import version

import click

_COMMANDS = {
    "serve": ("admit.cli.serve", "serve"),
    "migrate": ("admit.cli.serve", "migrate"),
    "user": ("admit.cli.user", "user"),
    "key": ("admit.cli.key", "key"),
    "epoch": ("admit.cli.epoch", "epoch"),
    "token": ("admit.cli.token", "token"),
}
_NEEDS_SERVER = frozenset({"serve", "migrate", "user", "key", "epoch"})


class Commands(click.Group):
    """Finds commands by name and loads only the one asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if cmd_name not in _NEEDS_SERVER or (error.name or "").startswith("admit"):
                raise
            raise click.UsageError(
                f"`admit {cmd_name}` needs the server parts: pip install 'admit[server]'"
            ) from None
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings: admit.toml in this folder, ADMIT_* in the environment, flags. Start with: admit serve --dev",
)
@click.version_option(version("admit"), prog_name="admit")
def main() -> None:
    """Admit lets people in, and lets every service know who they are."""
