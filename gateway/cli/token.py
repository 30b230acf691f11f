"""Commands over API tokens."""

import click

from console.api.operating import TokenIn, TokenOut, create_token, list_tokens, revoke_token
from domain.calls import DAY
from gateway.cli.office import reading, working
from gateway.cli.shell import Shell, at, command
from storage.clock import host_clock


@click.group()
def token() -> None:
    """API tokens: made once, shown once."""


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "marketer", "admin"]), default="viewer", show_default=True)
@click.option("--days", type=click.IntRange(min=1, max=3650), help="How long it lives; for ever without.")
@command
async def create(shell: Shell, name: str, role: str, days: int | None) -> None:
    """Make a token for a program that uses the API. It is shown now and never again."""
    expires_at = host_clock() + days * DAY if days else None
    wanted = TokenIn.model_validate({"name": name, "role": role, "expires_at": expires_at})
    async with working(shell) as office:
        made = await office.ask(create_token, body=wanted)
    shell.show(
        made, made.secret, f"This is token {name} ({role}). Keep it now: it is stored nowhere and not shown again."
    )


@token.command("list")
@command
async def show(shell: Shell) -> None:
    """The tokens of the brand."""
    async with reading(shell) as office:
        found = await office.ask(list_tokens)
        timezone = office.timezone
    rows = [_row(one, timezone) for one in found.items]
    columns = ("name", "role", "made", "expires", "revoked")
    shell.show_table(found, columns, rows, "There is no token yet: advisor-gateway token create NAME")


def _row(one: TokenOut, timezone: str) -> tuple[str, ...]:
    times = (one.created_at, one.expires_at, one.revoked_at)
    return (one.name, one.role, *(at(time, timezone) for time in times))


@token.command("revoke")
@click.argument("name")
@command
async def revoke(shell: Shell, name: str) -> None:
    """End a token at once."""
    async with working(shell) as office:
        left = await office.ask(revoke_token, path={"name": name})
    shell.show(left, f"Token {name} is revoked.")
