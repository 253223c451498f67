"""`admit token`: tokens looked at, signed and verified, without sending them anywhere."""

import click

from admit.cli.output import Listed
from admit.cli.token_inspect import inspect
from admit.cli.token_sign import sign
from admit.cli.token_verify import verify


@click.group(cls=Listed)
def token() -> None:
    """Tokens: look at one, sign one, verify one."""


token.add_command(inspect)
token.add_command(sign)
token.add_command(verify)
