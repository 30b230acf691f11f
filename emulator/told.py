"""What becomes of something a person does on a phone."""

from dataclasses import dataclass

from emulator.callbacks import Delivery


@dataclass(frozen=True, slots=True)
class Told:
    """The MsgId given to it (events have none), its CreateTime (s), and its delivery (None without a callback address)."""

    msg_id: str | None
    create_time: int
    delivery: Delivery | None
