"""Imports: what is wrong is told by line, nothing is half saved, and the same file again changes nothing."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from domain.calls import Command, decode_call
from domain.consent import Answer, Receipt
from domain.errors import InvalidError
from domain.ids import AccountId, BrandId, CustomerId
from domain.people import Account, Brand, Side
from services import directory
from services.world import World
from storage import bindings, people
from storage.engine import Database
from storage.tables.people import advisors as advisors_table
from storage.tables.people import bindings as bindings_table
from storage.tables.people import consents, customer_tags, customers, identities, relations, scenes
from storage.tables.queue import outbox
from storage.tables.work import audit
from tests.clock import FakeClock
from tests.workbooks import workbook

BRAND = BrandId("linjian")
OA = AccountId("oa")
WORK = AccountId("work")
WORLD = World(
    {
        BRAND: Brand(BRAND, "林间茶", "Asia/Shanghai"),
        BrandId("other"): Brand(BrandId("other"), "别家", "Asia/Shanghai"),
    },
    {OA: Account(OA, BRAND, "wechat", Side.CUSTOMER), WORK: Account(WORK, BRAND, "wecom", Side.ADVISOR)},
)
ORG = """
regions:
  - {code: east, name: 华东}
shops:
  - {code: jingan, name: 静安寺店, region: east}
advisors:
  - {code: lan, name: 小兰, shop: jingan, work_id: Lan}
  - {code: fang, name: 方方, shop: jingan, work_id: fang, active: no}
"""
CUSTOMERS = """reference,profile_name,tags,remark,advisor,consent_version,consent_at,openid
M001,周女士,春茶;会员日,老客户,lan,2026-05,2026-06-01 10:00,oAAA1
M002,,,,,,,oAAA2
"""


@pytest.fixture
def load(db: Database, tmp_path: Path, clock: FakeClock) -> Callable[[str, str | bytes], Any]:
    """Import a file of that name and content, page by page; the results of its pages."""

    async def run(name: str, content: str | bytes) -> list[directory.Saved]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        pages = list(directory.paged(directory.read_file(path)))
        return [
            await db.write(partial(directory.save, world=WORLD, brand=BRAND, sheets=[page], actor="test", now=clock()))
            for page in pages
        ]

    return run


@pytest.fixture
def problems(db: Database, tmp_path: Path, clock: FakeClock) -> Callable[[str, str | bytes], Any]:
    """What stands against importing a file."""

    async def run(name: str, content: str | bytes) -> list[str]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        try:
            sheets = directory.read_file(path)
        except InvalidError as error:
            return [error.message]
        found = await db.read(lambda tx: directory.check(tx, WORLD, BRAND, sheets, clock()))
        return [str(problem) for problem in found]

    return run


async def rows(db: Database, table: Any, *columns: str) -> list[tuple[Any, ...]]:
    chosen = [table.c[column] for column in columns]
    return await db.read(lambda tx: [tuple(row) for row in tx.execute(select(*chosen).order_by(*chosen))])


async def everything(db: Database) -> list[list[tuple[Any, ...]]]:
    tables = (advisors_table, customers, identities, customer_tags, relations, scenes, bindings_table, consents, outbox)
    return [await rows(db, table, *(column.name for column in table.columns)) for table in tables]


async def test_an_org_brings_advisors_with_their_codes(db: Database, load: Any) -> None:
    await load("org.yaml", ORG)
    assert await rows(db, advisors_table, "code", "name", "work_account", "work_id", "active") == [
        ("fang", "方方", "work", "fang", False),
        ("lan", "小兰", "work", "lan", True),
    ]
    ((state, label, account),) = await rows(db, scenes, "state", "label", "account")
    assert (label, account) == ("小兰 · 静安寺店", "oa")
    ((stream, call, reports),) = await rows(db, outbox, "stream", "call", "reports")
    assert (stream, reports) == (f"scene:{state}", True)
    command = decode_call(json.loads(call))
    assert isinstance(command, Command)
    assert command.params == {"scene": state}


async def test_a_customer_with_consent_is_bound_with_its_receipt(db: Database, load: Any, clock: FakeClock) -> None:
    await load("org.yaml", ORG)
    await load("customers.csv", CUSTOMERS)
    customer = await db.read(lambda tx: people.customer_behind(tx, BRAND, OA, "oAAA1"))
    assert customer is not None
    assert customer.profile_name == "周女士"
    binding = await db.read(lambda tx: bindings.active(tx, BRAND, customer.id))
    assert binding is not None
    assert binding.advisor.code == "lan"
    assert await rows(db, consents, "binding_id", "answer", "policy_version", "at") == [
        (binding.id, "yes", "2026-05", 1780279200000)
    ]
    assert await rows(db, relations, "code", "remark") == [("A10", "老客户")]
    assert await rows(db, customer_tags, "tag") == [("会员日",), ("春茶",)]
    stranger = await db.read(lambda tx: people.customer_behind(tx, BRAND, OA, "oAAA2"))
    assert stranger is not None
    assert await db.read(lambda tx: bindings.active(tx, BRAND, stranger.id)) is None


async def test_the_same_files_again_change_nothing(db: Database, load: Any, clock: FakeClock) -> None:
    await load("org.yaml", ORG)
    await load("customers.csv", CUSTOMERS)
    before = await everything(db)
    clock.advance(hours=1)
    await load("org.yaml", ORG)
    await load("customers.csv", CUSTOMERS)
    assert await everything(db) == before
    assert len(await rows(db, audit, "id")) == 8


async def test_ids_stay_when_names_change(db: Database, load: Any) -> None:
    await load("org.yaml", ORG)
    before = await rows(db, advisors_table, "code", "id")
    states = await rows(db, scenes, "state")
    await load("org.yaml", ORG.replace("小兰", "兰姐").replace("静安寺店", "静安店"))
    assert await rows(db, advisors_table, "code", "id") == before
    assert await rows(db, scenes, "state") == states
    assert await rows(db, scenes, "label") == [("兰姐 · 静安店",)]


async def test_a_broken_off_import_is_completed_by_the_next(db: Database, load: Any, tmp_path: Path) -> None:
    await load("org.yaml", ORG)
    many = "reference,openid\n" + "".join(f"M{number:04},o{number:04}\n" for number in range(450))
    path = tmp_path / "customers.csv"
    path.write_text(many, encoding="utf-8")
    first, *_ = directory.paged(directory.read_file(path))
    await db.write(lambda tx: directory.save(tx, WORLD, BRAND, [first], "test", 1))
    before = await rows(db, customers, "reference", "id")
    assert len(before) == 100
    saved = await load("customers.csv", many)
    assert [page.customers for page in saved] == [100, 100, 100, 100, 50]
    after = await rows(db, customers, "reference", "id")
    assert len(after) == 450
    assert set(before) < set(after)


async def test_one_problem_saves_nothing(db: Database, load: Any) -> None:
    await load("org.yaml", ORG)
    before = await everything(db)
    (saved,) = await load("customers.csv", CUSTOMERS + "M003,,,,lam,2026-05,2026-06-01,oAAA3\n")
    assert [str(problem) for problem in saved.problems] == [
        'customers.csv:4: advisor: no advisor "lam"; did you mean "lan"?'
    ]
    assert await everything(db) == before


HEAD = "reference,advisor,consent_version,consent_at,openid\n"
ROW_PROBLEMS = [
    (
        "customers.csv",
        HEAD + "M1,lam,v,2026-01-01,o1\n",
        ['customers.csv:2: advisor: no advisor "lam"; did you mean "lan"?'],
    ),
    (
        "customers.csv",
        HEAD + "M1,lan,,,o1\n",
        [
            "customers.csv:2: consent_at: a binding needs her consent: "
            "fill consent_version and consent_at, or leave advisor empty"
        ],
    ),
    (
        "customers.csv",
        HEAD + "M1,lan,v,,o1\n",
        [
            "customers.csv:2: consent_at: a consent needs both its version and its time",
            "customers.csv:2: consent_at: a binding needs her consent: "
            "fill consent_version and consent_at, or leave advisor empty",
        ],
    ),
    (
        "customers.csv",
        HEAD + "M1,lan,v,yesterday,o1\n",
        [
            'customers.csv:2: consent_at: "yesterday" is no time: write 2026-11-01 or 2026-11-01 09:30',
            "customers.csv:2: consent_at: a binding needs her consent: "
            "fill consent_version and consent_at, or leave advisor empty",
        ],
    ),
    (
        "customers.csv",
        HEAD + "M1,lan,v,2199-01-01,o1\n",
        ['customers.csv:2: consent_at: "2199-01-01" is in the future'],
    ),
    (
        "customers.csv",
        HEAD + "M1,,v,2026-01-01,o1\n",
        ["customers.csv:2: advisor: is empty, but a consent is given: name the advisor she agreed to"],
    ),
    (
        "customers.csv",
        HEAD + "M1,fang,v,2026-01-01,o1\n",
        ['customers.csv:2: advisor: advisor "fang" is not active'],
    ),
    ("customers.csv", HEAD + "M1,,,,o1\nM1,,,,o2\n", ['customers.csv:3: reference: "M1" is also in line 2']),
    ("customers.csv", HEAD + "M1,,,,o1\nM2,,,,o1\n", ['customers.csv:3: openid: "o1" is also in line 2']),
    ("customers.csv", HEAD + ",,,,o1\n", ["customers.csv:2: reference: is empty"]),
    (
        "customers.csv",
        HEAD + "M1,,,,o 1\n",
        ['customers.csv:2: openid: "o 1" cannot be an id of a platform'],
    ),
    (
        "customers.csv",
        "reference,advizor\nM1,lan\n",
        ['customers.csv:2: advizor: customers have no column "advizor"; did you mean "advisor"?'],
    ),
    ("customers.csv", "openid\no1\n", ["customers.csv:2: reference: customers need this column"]),
    (
        "custommers.csv",
        "reference\nM1\n",
        [
            'custommers.csv:2: "custommers" is no table; the tables are regions, shops, advisors, customers; '
            'did you mean "customers"?'
        ],
    ),
    (
        "customers.csv",
        "reference,account,openid\nM1,work,o1\n",
        ['customers.csv:2: account: no account "work": the accounts on the customer side are: oa'],
    ),
    (
        "shops.csv",
        "编码,名称,大区\nxuhui,徐汇店,eats\n",
        ['shops.csv:2: region: no region "eats"; did you mean "east"?'],
    ),
    (
        "advisors.csv",
        "code,name,shop,work_id\nmei,小梅,jingan,LAN\n",
        ['advisors.csv:2: work_id: "lan" is the work id of advisor "lan"'],
    ),
    (
        "advisors.csv",
        "code,name,shop,work_id,active\nmei,小梅,jingan,mei,perhaps\n",
        ['advisors.csv:2: active: "perhaps" is neither yes nor no'],
    ),
    (
        "org.yaml",
        "shops:\n  - {code: a, name: A}\n",
        ["org.yaml:2: region: shops need this column"],
    ),
]


@pytest.mark.parametrize(("name", "content", "expected"), ROW_PROBLEMS, ids=[case[2][0][:60] for case in ROW_PROBLEMS])
async def test_problems_name_line_and_column(
    problems: Any, load: Any, name: str, content: str, expected: Sequence[str]
) -> None:
    await load("org.yaml", ORG)
    assert await problems(name, content) == expected


async def test_an_import_stays_in_its_brand(db: Database, load: Any, tmp_path: Path, clock: FakeClock) -> None:
    await load("org.yaml", ORG)
    sheets = directory.read_file(tmp_path / "org.yaml")
    other = BrandId("other")
    found = await db.read(lambda tx: directory.check(tx, WORLD, other, sheets[2:], clock()))
    assert [str(problem) for problem in found] == [
        'org.yaml:7: shop: no shop "jingan"',
        "org.yaml:7: work_account: name one: the accounts on the advisor side are: none is configured",
        'org.yaml:8: shop: no shop "jingan"',
        "org.yaml:8: work_account: name one: the accounts on the advisor side are: none is configured",
    ]


async def test_chinese_headings_mean_the_same(db: Database, load: Any) -> None:
    await load("顾客.csv", "会员号,会员姓名\nM1,周女士\n")
    assert await rows(db, customers, "reference", "profile_name") == [("M1", "周女士")]


async def test_a_workbook_is_read_sheet_by_sheet(db: Database, load: Any) -> None:
    content = workbook(
        customers=[["reference", "profile_name", "tags"], [1001, "'=1+1", "春茶"], [None, None], ["M2", "周女士"]],
        regions=[["code", "name"], ["east", "华东"]],
    )
    saved = await load("brand.xlsx", content)
    assert [(page.regions, page.customers) for page in saved] == [(1, 0), (0, 2)]
    assert await rows(db, customers, "reference", "profile_name") == [("1001", "=1+1"), ("M2", "周女士")]


async def test_workbook_problems_name_the_sheet(problems: Any) -> None:
    content = workbook(customers=[["reference", "advisor"], ["M1", ""], [], ["M2", "nobody"]])
    assert await problems("brand.xlsx", content) == [
        'brand.xlsx[customers]:4: advisor: no advisor "nobody"',
        "brand.xlsx[customers]:4: consent_at: a binding needs her consent: "
        "fill consent_version and consent_at, or leave advisor empty",
    ]


async def test_an_import_never_transfers(load: Any, problems: Any) -> None:
    await load("org.yaml", ORG.replace(", active: no", ""))
    await load("customers.csv", CUSTOMERS)
    moved = HEAD + "M001,fang,2026-05,2026-06-02,oAAA1\n"
    assert await problems("customers.csv", moved) == [
        'customers.csv:2: advisor: she is bound to "lan"; a transfer is no import'
    ]


async def test_an_import_never_merges_people(load: Any, problems: Any) -> None:
    await load("org.yaml", ORG)
    await load("customers.csv", CUSTOMERS)
    assert await problems("customers.csv", HEAD + "M009,,,,oAAA1\n") == [
        'customers.csv:2: openid: belongs to customer "M001"'
    ]


async def test_a_stranger_who_wrote_first_gets_her_reference(db: Database, load: Any, clock: FakeClock) -> None:
    await load("org.yaml", ORG)
    stranger = people.new_customer(clock())
    await db.write(lambda tx: people.add_customer(tx, BRAND, stranger, OA, "oAAA1", clock()))
    await load("customers.csv", CUSTOMERS)
    assert (stranger.id, "M001") in await rows(db, customers, "id", "reference")
    assert len(await rows(db, customers, "id")) == 2


async def test_a_later_refusal_wins_over_an_old_consent(
    db: Database, load: Any, problems: Any, clock: FakeClock
) -> None:
    await load("org.yaml", ORG)
    stranger = people.new_customer(clock())

    def refuse(tx: Connection) -> None:
        people.add_customer(tx, BRAND, stranger, OA, "oAAA1", clock())
        bindings.keep_receipt(tx, BRAND, stranger.id, None, Receipt("2026-11", "x", Answer.NO, ""), OA, clock())

    await db.write(refuse)
    assert await problems("customers.csv", CUSTOMERS) == [
        "customers.csv:2: consent_at: she refused later than that; only she can bind herself again"
    ]


async def test_a_used_consent_does_not_revive_an_ended_binding(db: Database, load: Any, clock: FakeClock) -> None:
    await load("org.yaml", ORG)
    await load("customers.csv", CUSTOMERS)
    customer = await db.read(lambda tx: people.customer_behind(tx, BRAND, OA, "oAAA1"))
    assert customer is not None
    who = CustomerId(customer.id)
    binding = await db.read(lambda tx: bindings.active(tx, BRAND, who))
    assert binding is not None
    await db.write(lambda tx: bindings.release(tx, BRAND, binding.id, "customer", "asked", clock()))
    await load("customers.csv", CUSTOMERS)
    assert await db.read(lambda tx: bindings.active(tx, BRAND, who)) is None


async def test_a_column_that_is_not_there_leaves_what_is_known(db: Database, load: Any) -> None:
    await load("org.yaml", ORG)
    await load("customers.csv", CUSTOMERS)
    await load("customers.csv", "reference\nM001\n")
    assert ("M001", "周女士") in await rows(db, customers, "reference", "profile_name")
    assert await rows(db, customer_tags, "tag") == [("会员日",), ("春茶",)]
    await load("customers.csv", "reference,tags\nM001,\n")
    assert await rows(db, customer_tags, "tag") == []
