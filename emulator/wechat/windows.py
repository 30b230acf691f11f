"""Who may be written to, how often: what each trigger grants, and how a send spends it.

https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage
How overlapping triggers combine is not documented: each has its own bucket, the one that expires first is spent first.
"""

from emulator.api import Refused
from emulator.core import Emulator
from emulator.state import Customer, Grant, Trigger


def grant(emulator: Emulator, customer: Customer, trigger: Trigger) -> None:
    """The customer did something that lets the account write to him; the trigger's bucket is filled anew."""
    limit = emulator.limit(f"wechat.{trigger}_grant")
    customer.grants[trigger] = Grant(limit.value, emulator.clock.now() + limit.window_ms)


def spend(emulator: Emulator, customer: Customer) -> None:
    """Use one message of what is granted. Raises Refused: 45015 nothing is open, 45047 all open is used up."""
    now = emulator.clock.now()
    open_now = [one for one in customer.grants.values() if one.until > now]
    if not open_now:
        raise Refused(45015)
    unspent = [one for one in open_now if one.left > 0]
    if not unspent:
        raise Refused(45047)
    min(unspent, key=lambda one: one.until).left -= 1
