"""`admit client end`."""

import click

from admit.cli.ended import ACTOR, counted, reason_option, seconds, within
from admit.cli.output import done, json_option, show_json
from admit.cli.settings import settings_options, with_issuer
from admit.issuer import Issuer, Settings


@click.group()
def client() -> None:
    """Clients: end all that was granted to one."""


@client.command()
@click.argument("client")
@reason_option
@json_option
@settings_options
def end(settings: Settings, client: str, reason: str, as_json: bool) -> None:
    """End all that was ever granted to a client, whoever granted it, and void the codes on their way to it.

    The client may be used again at once: whoever is signed in can let it in again. Was its secret stolen? Replace the
    secret first, then run this. Is it to stay out? Take it out of the settings, restart the nodes, then run this.
    """

    async def work(issuer: Issuer) -> int:
        return await issuer.end_client(client, reason=reason, actor=ACTOR)

    ended = with_issuer(settings, work)
    if as_json:
        show_json({"client": client, "ended": ended, "refused_within": seconds(settings)})
    elif ended:
        done(
            f"Ended {counted(ended, 'grant')} of {client}. {within(settings, 'their tokens')} "
            "The client may be granted new ones."
        )
    else:
        done(f"{client} has no live grants. The client may be granted new ones.")
