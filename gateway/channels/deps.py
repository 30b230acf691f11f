"""What the gateway hands to every channel."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from gateway.channels.contract import MediaDesk
from gateway.channels.tokens import TokenDesk


@dataclass(frozen=True, slots=True)
class Deps:
    """One HTTP session for all, the desks over tokens and media, and the clock (ms).

    The session should keep idle connections for a few seconds only: one the platform has closed meanwhile costs an `unknown`.
    """

    session: aiohttp.ClientSession
    tokens: TokenDesk
    media: MediaDesk
    clock: Callable[[], int]
