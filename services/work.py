"""One event being applied: its transaction, the people it concerns, and the words of the brand."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.actions import Phrase
from domain.context import Context
from domain.conversation import Conversation
from domain.ids import AccountId, BrandId, CustomerId, InboxId
from domain.messages import Text
from domain.people import Advisor
from services.world import World
from storage.people import customer
from storage.relations import relation
from templates.catalogue import reason_in_words, say
from templates.plain import is_blank


@dataclass(frozen=True, slots=True)
class Work:
    """The transaction of one event. `conversation` is the lasting one on the customers' side."""

    tx: Connection
    world: World
    context: Context
    inbox_id: InboxId
    conversation: Conversation | None = None

    @property
    def now(self) -> int:
        return self.context.now

    @property
    def brand(self) -> BrandId:
        return self.context.brand.id

    @property
    def account(self) -> AccountId:
        return self.context.account.id

    def say(self, key: str, **values: str | int | None) -> str:
        """A text of the catalogue in the brand's language; `brand` is always known."""
        return say(key, self.context.brand.language, **{"brand": self.context.brand.name, **values})

    def words(self, words: Phrase, **values: str | int | None) -> Text:
        """The text of a phrase; its own fields win over `values`."""
        return Text(self.say(words.key, **{**values, **self._in_words(words.fields)}))

    def _in_words(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        if "reason" not in fields:
            return fields
        return {**fields, "reason": reason_in_words(fields["reason"], self.context.brand.language)}


def of_advisor(advisor: Advisor) -> dict[str, str]:
    """The fields that an advisor fills."""
    return {"advisor": advisor.name, "shop": advisor.shop.name}


def about(work: Work, advisor: Advisor, customer_id: CustomerId) -> dict[str, str]:
    """The fields `customer` and `code` as this advisor knows her: by his remark, else her profile, else her code ("顾客 A17")."""
    known = relation(work.tx, work.brand, advisor.id, customer_id)
    who = customer(work.tx, work.brand, customer_id)
    # Some people's names consist of letters that show nothing.
    names = [name for name in (known.remark, who.profile_name if who else "") if not is_blank(name)]
    return {"customer": names[0] if names else work.say("customer.unnamed", code=known.code), "code": known.code}
