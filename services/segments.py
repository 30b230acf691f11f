"""Segments: whether the audience a marketer wrote exists, and how many customers it reaches."""

from sqlalchemy import Connection

from domain.campaign import Audience, AudienceKind
from domain.errors import InvalidError
from domain.ids import BrandId
from services.problems import did_you_mean
from storage.audiences import Reach, Target, exists_named, named, reach

_SUGGESTIONS_FROM = 5000
"""Names looked through for a suggestion."""


def check_audience(tx: Connection, brand: BrandId, audience: Audience) -> None:
    """Whether the shop, tag or advisor it names exists. Raises InvalidError, which names the nearest one."""
    field = f"audience.{audience.kind}"
    if audience.kind is not AudienceKind.ALL_BOUND and not audience.value:
        raise InvalidError(f"the {_WORDS[audience.kind]} is missing", field=field)
    if exists_named(tx, brand, audience):
        return
    known = named(tx, brand, audience.kind, _SUGGESTIONS_FROM)
    guess = did_you_mean(audience.value, [(one.code, one.name) for one in known])
    raise InvalidError(f'no {_WORDS[audience.kind]} "{audience.value}"{guess}', field=field)


_WORDS = {
    AudienceKind.ALL_BOUND: "audience",
    AudienceKind.SHOP: "shop",
    AudienceKind.TAG: "tag",
    AudienceKind.ADVISOR: "advisor",
}


def count(tx: Connection, target: Target) -> Reach:
    """How many customers a push to this audience would reach now, and how many it would leave out."""
    return reach(tx, target)
