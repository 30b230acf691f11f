"""What the configuration accepts, what it refuses, and what it says then."""

from pathlib import Path
from typing import get_args

import pytest

from domain.ids import AccountId, BrandId
from domain.people import Side
from gateway.channels import KINDS, SETTINGS
from gateway.config import Config, ConfigError, load
from gateway.settings import AccountConfig, Section

ROOT = Path(__file__).parents[3]
KEY = "a" * 43

SMALLEST = f"""
storage:
  url: sqlite:////srv/tea/gateway.db
brands:
  - id: tea
    name: 林间茶
accounts:
  - id: oa
    channel: wechat
    app_id: wx1
    secret: hush
    token: 12345678
    encoding_aes_key: {KEY}
"""

WORK = f"""
  - id: work
    channel: wecom
    corp_id: ww1
    agent_id: 1000002
    secret: hush
    token: token
    encoding_aes_key: {KEY}
"""


def read(folder: Path, text: str, environment: dict[str, str] | None = None, mode: int = 0o600) -> Config:
    """Load `text` as a configuration file of the given mode."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return load(path, environment or {})


def refused(folder: Path, text: str, environment: dict[str, str] | None = None, mode: int = 0o600) -> tuple[str, ...]:
    """The lines with which `text` is refused."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environment, mode)
    return caught.value.lines


def test_one_sqlite_url_one_brand_and_one_account_are_enough(tmp_path: Path) -> None:
    config = read(tmp_path, SMALLEST)
    assert config.data_dir == Path("/srv/tea")
    assert config.media_folder == Path("/srv/tea/media")
    assert (config.server.host, config.server.port, config.server.internal_port) == ("127.0.0.1", 8080, 8081)
    assert config.roles == ("web", "inbox", "outbox", "scheduler")
    assert config.public_url == "http://127.0.0.1:8080"
    assert config.is_sqlite and config.secrets_key is None
    account = config.accounts[0]
    assert account.brand == "tea"
    assert account.token.get_secret_value() == "12345678"


def test_the_world_has_the_brands_and_accounts_with_their_sides(tmp_path: Path) -> None:
    world = read(tmp_path, SMALLEST + WORK).world()
    assert world.brands[BrandId("tea")].name == "林间茶"
    assert world.brands[BrandId("tea")].timezone == "Asia/Shanghai"
    assert world.accounts[AccountId("oa")].side is Side.CUSTOMER
    assert world.accounts[AccountId("work")].side is Side.ADVISOR
    assert [account.id for account in world.accounts_of(BrandId("tea"), Side.ADVISOR)] == ["work"]


def test_the_file_in_the_repository_is_a_complete_configuration() -> None:
    environment = {f"{name}_SECRET": "hush" for name in ("OA", "WORK")}
    environment |= {f"{name}_TOKEN": "token" for name in ("OA", "WORK")}
    environment |= {f"{name}_AES_KEY": KEY for name in ("OA", "WORK")}
    config = load(ROOT / "config.yaml", environment)
    assert [account.id for account in config.accounts] == ["oa", "work"]


def test_the_file_in_the_repository_explains_every_key() -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    accounts = get_args(get_args(AccountConfig)[0])
    keys = {name for model in (*Section.__subclasses__(), *accounts) for name in model.model_fields}
    assert {key for key in keys if f"{key}" not in text} == set()


@pytest.mark.parametrize("model", [*Section.__subclasses__(), *get_args(get_args(AccountConfig)[0])])
def test_every_key_has_a_description(model: type[Section]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_every_kind_of_channel_can_be_configured() -> None:
    models = get_args(get_args(AccountConfig)[0])
    kinds = {get_args(model.model_fields["channel"].annotation)[0]: model for model in models}
    assert kinds.keys() == KINDS.keys() == SETTINGS.keys()
    assert all(issubclass(model, SETTINGS[kind]) for kind, model in kinds.items())


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ADVISOR__SERVER__PORT", "9000", lambda config: config.server.port == 9000),
        ("ADVISOR__DATA_DIR", "/elsewhere", lambda config: config.data_dir == Path("/elsewhere")),
        ("ADVISOR__ROLES", "web, inbox", lambda config: config.roles == ("web", "inbox")),
        ("ADVISOR__ROLES", "[outbox]", lambda config: config.roles == ("outbox",)),
        ("ADVISOR__ACCOUNTS__OA__SECRET", "new", lambda config: config.accounts[0].secret.get_secret_value() == "new"),
        ("ADVISOR__ACCOUNTS__0__APP_ID", "wx9", lambda config: config.accounts[0].app_id == "wx9"),
        ("ADVISOR__BRANDS__TEA__LANGUAGE", "en", lambda config: config.brands[0].language == "en"),
        ("ADVISOR__STORAGE__MIN_FREE_MB", "7", lambda config: config.storage.min_free_mb == 7),
    ],
)
def test_a_variable_overrides_a_key(tmp_path: Path, variable: str, value: str, expected: object) -> None:
    assert callable(expected) and expected(read(tmp_path, SMALLEST, {variable: value}))


def test_secrets_come_from_the_environment_or_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n".replace(" ", "_"))
    secret.chmod(0o600)
    text = SMALLEST.replace("secret: hush", f"secret: file:{secret}").replace("token: 12345678", "token: env:TOKEN")
    account = read(tmp_path, text, {"TOKEN": "fromenv"}).accounts[0]
    assert account.secret.get_secret_value() == "from_a_file"
    assert account.token.get_secret_value() == "fromenv"


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    config = read(tmp_path, SMALLEST.replace("hush", "canary") + WORK.replace("hush", "canary"))
    assert "canary" not in repr(config) + str(config) + config.model_dump_json()
    broken = SMALLEST.replace("hush", "canary canary").replace(KEY, "canary")
    assert "canary" not in "\n".join(refused(tmp_path, broken))


def changed(old: str, new: str, text: str = SMALLEST) -> str:
    """`text` with one change, which must be one."""
    assert old in text
    return text.replace(old, new)


REFUSED = [
    # case, file, key that is named, what is said
    ("typo at the top", "brnads: []\n" + SMALLEST, "brnads", 'did you mean "brands"?'),
    ("typo in a section", SMALLEST + "server:\n  prot: 1\n", "server.prot", 'did you mean "port"?'),
    ("typo in an account", changed("app_id:", "appid:"), "accounts[0].appid", 'did you mean "app_id"?'),
    ("typo in a brand", changed("    name: 林间茶", "    nmae: 林间茶"), "brands[0].nmae", 'did you mean "name"?'),
    ("key of another channel", SMALLEST + "    agent_id: 1\n", "accounts[0].agent_id", "no such key"),
    ("debug", SMALLEST + "debug: true\n", "debug", "no such key"),
    ("no brand", changed("brands:", "x:"), "brands", "is missing. The brands of this installation."),
    ("no account", "brands: [{id: tea, name: a}]\n", "accounts", "is missing"),
    ("no secret", changed("    secret: hush\n", ""), "accounts[0].secret", "is missing. AppSecret"),
    ("no channel", changed("    channel: wechat\n", ""), "accounts[0].channel", "one of wechat, wecom"),
    ("unknown channel", changed("channel: wechat", "channel: fax"), "accounts[0].channel", "one of wechat, wecom"),
    ("empty token", changed("token: 12345678", "token: ''"), "accounts[0].token", "3 to 32 letters"),
    ("short AES key", changed(KEY, "a" * 42), "accounts[0].encoding_aes_key", "43"),
    ("plain mode", SMALLEST + "    mode: plain\n", "accounts[0]", "list platform_ips"),
    ("unknown mode", SMALLEST + "    mode: open\n", "accounts[0].mode", "'safe'"),
    ("account id", changed("id: oa", "id: O/A"), "accounts[0].id", "does not fit"),
    ("account twice", SMALLEST + WORK.replace("id: work", "id: oa"), "accounts[1].id", "used twice"),
    (
        "brand twice",
        changed("brands:", "brands:\n  - {id: tea, name: x}") + "    brand: tea\n",
        "brands[1].id",
        "used twice",
    ),
    ("brand unknown", SMALLEST + "    brand: tae\n", "accounts[0].brand", 'did you mean "tea"?'),
    ("stranger's address", SMALLEST + "    api_base: https://evil.example\n", "accounts[0].api_base", "platform_hosts"),
    ("unencrypted", SMALLEST + "    api_base: http://api.weixin.qq.com\n", "accounts[0].api_base", "write https"),
    ("address with a user", SMALLEST + "    api_base: https://a@b\n", "accounts[0].api_base", "must be an address"),
    ("open listener", SMALLEST + "server: {host: 0.0.0.0}\n", "server.public_url", "https"),
    ("open listener", SMALLEST + "server: {host: 0.0.0.0}\n", "server.trusted_proxies", "proxy in front"),
    (
        "unencrypted face",
        SMALLEST + "server: {host: '::', public_url: http://x.example, trusted_proxies: [10.0.0.1]}\n",
        "server.public_url",
        "https",
    ),
    (
        "everybody is a proxy",
        SMALLEST + "server: {trusted_proxies: [0.0.0.0/0]}\n",
        "server.trusted_proxies[0]",
        "list the proxies alone",
    ),
    ("one port for two", SMALLEST + "server: {port: 8081}\n", "server.internal_port", "choose another"),
    ("no port", SMALLEST + "server: {port: many}\n", "server.port", "integer"),
    ("port too high", SMALLEST + "server: {port: 70000}\n", "server.port", "65535"),
    ("unknown role", SMALLEST + "roles: [web, cook]\n", "roles[1]", "'inbox'"),
    (
        "zone",
        SMALLEST.replace("name: 林间茶", "name: 茶\n    timezone: Mars/Sea"),
        "brands[0].timezone",
        "Asia/Shanghai",
    ),
    ("bucket", SMALLEST + "media: {url: 's3:tea'}\n", "media.url", "file:FOLDER"),
    ("short key", SMALLEST + "secrets_key: abc\n", "secrets_key", "at least 32"),
    (
        "several nodes without a key",
        changed("sqlite:////srv/tea/gateway.db", "postgresql://tea@localhost/tea"),
        "secrets_key",
        "openssl rand",
    ),
    ("not a section", SMALLEST + "server: yes\n", "server", "key: value"),
    ("no variable", changed("hush", "env:NOWHERE"), "accounts[0].secret", "no variable NOWHERE"),
    ("no file", changed("hush", "file:/nowhere"), "accounts[0].secret", "cannot be used"),
    ("demo abroad", SMALLEST + "demo: true\n", "accounts[0].api_base", "on this machine only"),
]


@pytest.mark.parametrize(("text", "key", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_mistake_is_refused_with_its_key_and_the_way_out(tmp_path: Path, text: str, key: str, says: str) -> None:
    lines = refused(tmp_path, text)
    mine = [line for line in lines if f": {key}: " in line]
    assert mine, lines
    assert any(says in line for line in mine), mine
    assert all(line.startswith("config.yaml") for line in lines), lines


def test_a_problem_names_its_line(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, "data_dir: data\nport: 1\n" + SMALLEST)
    assert line.startswith("config.yaml:2: port: ")


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ({"ADVISOR__STORGE__URL": "x"}, 'storge: no such key; did you mean "storage"?'),
        ({"ADVISOR__ACCOUNTS__SHOP__SECRET": "x"}, "accounts: ADVISOR__ACCOUNTS__SHOP__SECRET names no item"),
        ({"ADVISOR__DATA_DIR__X": "x"}, "deeper than the configuration"),
    ],
)
def test_a_variable_that_fits_nowhere_is_refused(tmp_path: Path, variable: dict[str, str], says: str) -> None:
    text = "data_dir: data\n" + SMALLEST
    assert any(says in line for line in refused(tmp_path, text, variable))


def test_a_wrong_value_of_a_variable_is_blamed_on_the_variable(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, SMALLEST, {"ADVISOR__SERVER__PORT": "many"})
    assert line.startswith("ADVISOR__SERVER__PORT: server.port: ")


def test_secrets_in_a_file_that_everybody_may_read_are_refused(tmp_path: Path) -> None:
    lines = refused(tmp_path, SMALLEST, mode=0o644)
    assert {line.split(": ")[1] for line in lines} == {
        "accounts[0].secret",
        "accounts[0].token",
        "accounts[0].encoding_aes_key",
    }
    assert all("chmod o-rwx" in line for line in lines)
    read(tmp_path, SMALLEST, mode=0o640)


def test_a_file_that_only_refers_to_secrets_may_be_read_by_everybody(tmp_path: Path) -> None:
    text = changed("hush", "env:S", changed("12345678", "env:T", changed(KEY, "env:K")))
    read(tmp_path, text, {"S": "hush", "T": "token", "K": KEY}, mode=0o644)


def test_a_password_in_the_storage_url_is_a_secret(tmp_path: Path) -> None:
    text = changed("hush", "env:S", changed("12345678", "env:T", changed(KEY, "env:K")))
    text = text.replace("sqlite:////srv/tea/gateway.db", "postgresql://tea:pw@localhost/tea")
    environment = {"S": "hush", "T": "token", "K": KEY, "ADVISOR__SECRETS_KEY": "k" * 32}
    (line,) = refused(tmp_path, text, environment, mode=0o644)
    assert ": storage.url: " in line
    assert read(tmp_path, text, environment).storage.url.get_secret_value().endswith("/tea")


def test_a_secret_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    secret.chmod(0o644)
    (line,) = refused(tmp_path, changed("hush", f"file:{secret}"))
    assert "everybody on this machine may read it" in line


def test_the_demo_may_keep_its_own_secrets_where_everybody_can_read_them(tmp_path: Path) -> None:
    local = SMALLEST + "    api_base: http://127.0.0.1:8090/wechat\ndemo: true\nplatform_hosts: [127.0.0.1]\n"
    assert read(tmp_path, local, mode=0o644).demo


@pytest.mark.parametrize(
    "text", ["", "- a\n", "a: [\n", "a: 1\na: 2\n", "a: &x 1\nb: *x\n", "\x00", "just words\n"], ids=repr
)
def test_what_is_no_configuration_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    lines = refused(tmp_path, text)
    assert lines and all(line.startswith("config.yaml") for line in lines)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml", {})
