"""Settings of a self-built WeCom app."""

from pydantic import Field

from gateway.channels.settings import Base, CallbackSettings, Secret


class WecomSettings(CallbackSettings):
    """One self-built app (企业微信自建应用)."""

    corp_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Corp id of the company.")
    agent_id: int = Field(gt=0, description="AgentId of the app.")
    secret: Secret = Field(description="Secret of the app.")
    api_base: Base = Field("https://qyapi.weixin.qq.com", description="Address of the API.")
