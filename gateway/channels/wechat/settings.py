"""Settings of an official or service account."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.channels.settings import Base, CallbackSettings, Secret


class WechatSettings(CallbackSettings):
    """One official or service account (公众号 / 服务号)."""

    app_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="AppID of the account.")
    secret: Secret = Field(description="AppSecret of the account.")
    mode: Literal["safe", "compatible", "plain"] = Field(
        "safe",
        description="Message mode of the console (安全/兼容/明文). Plain bodies are unsigned: needs platform_ips.",
    )
    original_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]{0,64}$",
        description="Original id (gh_...); where given, other receivers are refused.",
    )
    api_base: Base = Field("https://api.weixin.qq.com", description="Address of the API.")

    @model_validator(mode="after")
    def _plain_needs_addresses(self) -> Self:
        if self.mode == "plain" and not self.platform_ips:
            raise ValueError(
                "mode 'plain' leaves bodies unsigned: list platform_ips (getcallbackip prints them), or use mode 'safe'"
            )
        return self
