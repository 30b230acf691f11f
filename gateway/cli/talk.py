"""Commands about single messages: why one went where it went."""

import click

from console.api.talk import explain_message
from gateway.cli.office import reading
from gateway.cli.shell import Shell, command


@click.command()
@click.argument("id")
@command
async def why(shell: Shell, id: str) -> None:
    """Explain a message: who got it, by which rule, when. Takes the ID of a message, an inbox event or an outbox row."""
    async with reading(shell) as office:
        explained = await office.ask(explain_message, path={"id": id})
    shell.show(explained, *explained.lines)
