"""What one advisor calls one customer: her code with him, and his remark. A code is never given to another of his customers."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select, update

from domain.codes import code_of
from domain.ids import AdvisorId, BrandId, CustomerId
from storage.tables.people import advisors, relations


@dataclass(frozen=True, slots=True)
class Relation:
    """The code (`A17`, without the sign) and the advisor's remark, may be empty."""

    code: str
    remark: str


def relation(tx: Connection, brand: BrandId, advisor: AdvisorId, customer: CustomerId) -> Relation:
    """The relation of the two, made now when they never met. A race of two makers ends in a unique key: rerun."""
    mine = and_(relations.c.brand == brand, relations.c.advisor_id == advisor, relations.c.customer_id == customer)
    row = tx.execute(select(relations.c.code, relations.c.remark).where(mine)).first()
    if row:
        return Relation(row.code, row.remark)
    code = code_of(_next_number(tx, brand, advisor))
    tx.execute(relations.insert().values(brand=brand, advisor_id=advisor, customer_id=customer, code=code))
    return Relation(code, "")


def _next_number(tx: Connection, brand: BrandId, advisor: AdvisorId) -> int:
    statement = (
        update(advisors)
        .where(advisors.c.brand == brand, advisors.c.id == advisor)
        .values(next_code=advisors.c.next_code + 1)
        .returning(advisors.c.next_code)
    )
    after: int = tx.execute(statement).scalar_one()
    return after - 1
