"""Settings: what is refused before anything starts, and that nothing shows a secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.unit.channels.samples import KEY, TOKEN, wechat_settings, wecom_settings


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token": ""}, "3 to 32 letters"),
        ({"token": "a b c"}, "3 to 32 letters"),
        ({"encoding_aes_key": "A" * 42}, "43 letters and digits"),
        ({"encoding_aes_key": "A" * 42 + "="}, "43 letters and digits"),
        ({"previous_encoding_aes_key": "A" * 44}, "43 letters and digits"),
        ({"secret": ""}, "must not be empty"),
        ({"secret": "a b"}, "must not be empty"),
        ({"mode": "plain"}, "list platform_ips"),
        ({"mode": "none"}, "safe"),
        ({"platform_ips": ["1.2.3"]}, "must be an address"),
        ({"platform_ips": ["nowhere"]}, "must be an address"),
        ({"api_base": "api.weixin.qq.com"}, "must be an address such as"),
        ({"api_base": "ftp://a"}, "must be an address such as"),
        ({"api_base": "https://a?x=1"}, "must be an address such as"),
        ({"api_base": "https://good.com@evil.com"}, "must be an address such as"),
        ({"app_id": ""}, "app_id"),
        ({"app_id": "../x"}, "app_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_settings_are_refused_with_the_way_out(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        wechat_settings(**changes)


@pytest.mark.parametrize("agent", [0, -1, "x"])
def test_an_app_has_a_number(agent: object) -> None:
    with pytest.raises(ValidationError, match="agent_id"):
        wecom_settings(agent_id=agent)


def test_plain_mode_is_accepted_with_the_platform_s_addresses() -> None:
    settings = wechat_settings(mode="plain", platform_ips=["1.2.3.*", "10.0.0.1", "2001:db8::/32"])
    assert settings.platform_ips == ("1.2.3.0/24", "10.0.0.1/32", "2001:db8::/32")


def test_the_defaults_are_the_platforms_and_a_base_has_no_slash_at_its_end() -> None:
    assert wechat_settings().api_base == "https://api.weixin.qq.com"
    assert wecom_settings().api_base == "https://qyapi.weixin.qq.com"
    assert wechat_settings(api_base="http://127.0.0.1:8090/wechat/").api_base == "http://127.0.0.1:8090/wechat"


def test_no_secret_is_shown() -> None:
    settings = wechat_settings(previous_token="oldToken", previous_encoding_aes_key="B" * 43)
    shown = repr(settings) + str(settings.model_dump()) + settings.model_dump_json()
    for secret in ("s3cret", TOKEN, KEY, "oldToken", "B" * 43):
        assert secret not in shown
    with pytest.raises(ValidationError) as refused:
        wechat_settings(token="wrong token!", secret="also wrong", encoding_aes_key="short-key")
    assert "also wrong" not in str(refused.value)
    assert "short-key" not in str(refused.value)
