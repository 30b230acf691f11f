"""The command line as a whole: every command on one screen."""

import click

from gateway.cli.campaign import campaign
from gateway.cli.check import check
from gateway.cli.demo import demo
from gateway.cli.directory import import_file
from gateway.cli.queues import alarms, decide, inbox, outbox, redrive
from gateway.cli.serve import migrate, serve
from gateway.cli.talk import why
from gateway.cli.template import template
from gateway.cli.token import token

COMMANDS = (
    serve,
    demo,
    migrate,
    check,
    import_file,
    template,
    campaign,
    token,
    why,
    inbox,
    outbox,
    alarms,
    decide,
    redrive,
)


@click.group(commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="advisor-gateway", message="%(version)s")
def program() -> None:
    """The Advisor Gateway (专属顾问网关).

    The configuration is --config FILE, else ADVISOR_CONFIG, else ./config.yaml. Every command works while a node runs and
    while none does. Exit codes: 0 done, 1 it could not be done or something is wrong, 2 what was typed or written is wrong.
    """
