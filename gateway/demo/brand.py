"""The sample brand 林间茶: its files, and their import through the same use cases as anybody's."""

from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import yaml
from sqlalchemy import Connection

from domain.access import Role
from domain.ids import BrandId
from gateway.demo.house import BRAND_ID
from services import access_tokens, directory
from services.campaign_file import read_templates_file
from services.directory.sheets import Sheet
from services.templates import save_template
from services.world import World
from storage import codes, inspection
from storage.engine import Database
from storage.errors import Unavailable

ACTOR = "demo"
SPEAKERS = 24
"""Customers who have written before anybody watches, so that their windows are open."""


def sample(name: str) -> Path:
    """One of the data files beside this module."""
    with as_file(files(__package__).joinpath(name)) as path:
        return path


class SampleBrand:
    """What the sample files hold, read once."""

    def __init__(self) -> None:
        self._org = directory.read_file(sample("org.yaml"))
        (self._customers,) = directory.read_file(sample("customers.csv"))

    @property
    def advisors(self) -> Sequence[Mapping[str, str]]:
        """The rows of the advisors."""
        (sheet,) = (one for one in self._org if one.name == "advisors")
        return [row.cells for row in sheet.rows]

    @property
    def members(self) -> list[dict[str, str]]:
        """The advisors as members of the corp."""
        return [{"user_id": one["work_id"], "name": one["name"]} for one in self.advisors]

    @property
    def personas(self) -> dict[str, str]:
        """Persona accounts and the names they show."""
        return {one["persona"]: one["name"] for one in self.advisors}

    @property
    def followers(self) -> dict[str, str]:
        """The customers' openids, and the names on their phones: those they let us know, else their numbers."""
        rows = [row.cells for row in self._customers.rows]
        return {cells["openid"]: cells["profile_name"] or f"顾客 {cells['reference']}" for cells in rows}

    @property
    def first_words(self) -> dict[str, str]:
        """Who writes first, and what."""
        words: list[str] = yaml.safe_load(sample("first_words.yaml").read_text(encoding="utf-8"))
        speakers = list(self.followers)[:SPEAKERS]
        return {openid: words[number % len(words)] for number, openid in enumerate(speakers)}

    async def bring_in(self, db: Database, world: World, now: int) -> None:
        """Import people and templates. Doing it again changes nothing."""
        for page in directory.paged([*self._org, self._customers]):
            await db.write(lambda tx, page=page: _save(tx, world, page, now))  # type: ignore[misc] # mypy #10262
        await db.write(lambda tx: _save_templates(tx, now))


def _save(tx: Connection, world: World, page: Sheet, now: int) -> None:
    saved = directory.save(tx, world, BrandId(BRAND_ID), [page], ACTOR, now)
    if saved.problems:
        raise Unavailable(f"the sample brand does not fit this database: {saved.problems[0]}", retryable=False)


def _save_templates(tx: Connection, now: int) -> None:
    for one in read_templates_file(sample("templates.yaml")):
        save_template(tx, BrandId(BRAND_ID), one.code, one.name, one.body, ACTOR, now)


def codes_of(tx: Connection) -> dict[str, str] | None:
    """The advisors' codes and what is printed beside them; None while a platform still makes some."""
    made = codes.labels(tx, BrandId(BRAND_ID))
    return None if any(not one.ticket for one in made) else {one.state: one.label for one in made}


def conversations_begun(tx: Connection) -> int:
    """How many customers have written, as far as the demo needs to know."""
    return len(inspection.latest_conversations(tx, BrandId(BRAND_ID), "", SPEAKERS))


def make_token(tx: Connection, known: str, now: int) -> str:
    """The demo's API token: the known one where it lives, else a new one."""
    if known and access_tokens.authenticate(tx, known, now) is not None:
        return known
    issued = access_tokens.issue(tx, BrandId(BRAND_ID), f"demo-{now}", Role.ADMIN, None, ACTOR, now)
    return issued.secret
