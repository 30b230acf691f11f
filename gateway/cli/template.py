"""Commands over message templates."""

from pathlib import Path

import click

from console.api.templates import TemplateIn, TemplatesOut, list_templates, save_template
from domain.errors import InvalidError
from gateway.cli.office import reading, working
from gateway.cli.shell import Shell, at, command
from services.campaign_file import read_templates_file


@click.group()
def template() -> None:
    """Message templates."""


@template.command("save")
@click.argument("file", type=click.Path(path_type=Path))
@command
async def save(shell: Shell, file: Path) -> None:
    """Save the templates in FILE (YAML). What did not change gets no new version."""
    written = read_templates_file(file)
    saved = []
    async with working(shell) as office:
        for one in written:
            try:
                body = TemplateIn(name=one.name, body=dict(one.body))
                saved.append(await office.ask(save_template, path={"code": one.code}, body=body))
            except InvalidError as error:
                raise one.located(error) from error
    shell.show(TemplatesOut(items=saved), *(f"{one.code}: version {one.version}" for one in saved))


@template.command("list")
@command
async def show(shell: Shell) -> None:
    """The templates of the brand."""
    async with reading(shell) as office:
        found: TemplatesOut = await office.ask(list_templates)
        timezone = office.timezone
    rows = [
        (one.code, one.name, str(one.version), one.body["kind"], at(one.created_at, timezone)) for one in found.items
    ]
    nothing = "There is no template yet: advisor-gateway template save FILE"
    shell.show_table(found, ("code", "name", "version", "kind", "saved"), rows, nothing)
